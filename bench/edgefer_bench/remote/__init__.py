"""Benches on other machines, over plain OpenSSH: nothing is installed there that stays."""

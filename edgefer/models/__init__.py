"""The zoo: one file per paper."""

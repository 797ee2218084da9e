"""Which options of ssh a file in the current folder may set: those that name keys, hosts and ciphers.

Others run programs here (``ProxyCommand``, ``LocalCommand``, ``KnownHostsCommand``), load libraries
(``PKCS11Provider``), read further options (``-F``), write files (``-E``), or open tunnels and hand on keys
(``ForwardAgent``). Whoever wants them has ``~/.ssh/config``. Names as ssh_config(5) has them, in any case.
"""

from __future__ import annotations

from collections.abc import Sequence

SWITCHES = frozenset("46Cqv")
"""Flags without a word of their own."""

TAKERS = frozenset("iJlmcp")
"""Flags with one: identity file, jump host, login, MACs, ciphers, port."""

SETTINGS = frozenset(
    [
        "addressfamily",
        "batchmode",
        "bindaddress",
        "bindinterface",
        "casignaturealgorithms",
        "certificatefile",
        "checkhostip",
        "ciphers",
        "compression",
        "connectionattempts",
        "connecttimeout",
        "fingerprinthash",
        "globalknownhostsfile",
        "hostbasedauthentication",
        "hostkeyalgorithms",
        "hostkeyalias",
        "hostname",
        "identitiesonly",
        "identityfile",
        "ipqos",
        "kexalgorithms",
        "loglevel",
        "macs",
        "numberofpasswordprompts",
        "passwordauthentication",
        "port",
        "preferredauthentications",
        "proxyjump",
        "pubkeyacceptedalgorithms",
        "pubkeyacceptedkeytypes",
        "pubkeyauthentication",
        "rekeylimit",
        "requiredrsasize",
        "serveralivecountmax",
        "serveraliveinterval",
        "stricthostkeychecking",
        "tcpkeepalive",
        "user",
        "userknownhostsfile",
        "verifyhostkeydns",
        "visualhostkey",
    ]
)
"""What ``-o`` may set."""

SHELL = frozenset("`$;&|<>\"'\\\n")
"""What older versions of ssh hand to a shell when a host's or user's name holds it (CVE-2023-51385)."""

NO_CONFIG = ("-F", "none")
"""The one use of ``-F`` that reads nothing."""


def refused_option(words: Sequence[str]) -> str | None:
    """The first of ssh's ``words`` that may not come from a file; None when all may."""
    place = 0
    while place < len(words):
        word, value = words[place], words[place + 1] if place + 1 < len(words) else None
        if (word, value) == NO_CONFIG:
            place += 2
            continue
        flag, glued = word[1:2], word[2:]
        if word[:1] != "-" or not flag or (flag not in SWITCHES and flag not in TAKERS and flag != "o"):
            return word
        if flag in SWITCHES:
            if not {*glued} <= SWITCHES:
                return word
            place += 1
            continue
        given = glued or value
        if given is None or SHELL & {*given} or (flag == "o" and _setting(given) not in SETTINGS):
            return f"{word} {value}" if value and not glued else word
        place += 1 if glued else 2
    return None


def _setting(text: str) -> str:
    """The name before ``=`` or a blank, as ssh splits them."""
    return text.strip().replace("=", " ").split(" ")[0].split("\t")[0].strip('"').lower()

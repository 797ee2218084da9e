"""One file an entrant; see :mod:`peers.tools.contract`."""

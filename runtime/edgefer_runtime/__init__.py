"""The robot's half of edgefer: opens a bundle, checks it, and labels faces."""

__version__ = "0.1.0"

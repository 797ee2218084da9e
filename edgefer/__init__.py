"""edgefer: facial-expression networks from training to a robot."""

__version__ = "0.1.0"

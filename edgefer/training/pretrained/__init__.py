"""Backbone weights from a file that the user has: `edgefer train --pretrained FILE`."""

from edgefer.training.pretrained.load import PretrainedReport, load_pretrained

__all__ = ["PretrainedReport", "load_pretrained"]

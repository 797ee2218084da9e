"""The zoo: one file per paper, and a catalogue that names them.

Importing this package imports no torch; building or counting a network does.
"""

from edgefer.models.catalogue import MODELS, get
from edgefer.models.figures import count, keras_total, macs
from edgefer.models.spec import Counts, ModelSpec, PublishedRow

__all__ = ["MODELS", "Counts", "ModelSpec", "PublishedRow", "count", "get", "keras_total", "macs"]

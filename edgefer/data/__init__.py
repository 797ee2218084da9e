"""Face sets: labelled images with attributes.

    from edgefer.data import load
    faces = load("synthfer:test")

Importing this package costs nothing; a set is rendered or read when it is loaded.
"""

from edgefer.data.catalogue import DATASETS, Dataset
from edgefer.data.registry import load

__all__ = ["DATASETS", "Dataset", "load"]

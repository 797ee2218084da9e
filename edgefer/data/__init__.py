"""Face sets: labelled images with attributes.

    from edgefer.data import load
    faces = load("synthfer:test")

Importing this package costs nothing; a set is rendered or read when it is loaded.
"""

from edgefer.data.registry import DATASETS, Dataset, load

__all__ = ["DATASETS", "Dataset", "load"]

"""The robot's half of edgefer: opens a bundle, checks it, and labels faces."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgefer_runtime.analyzer import Face, FaceAnalyzer
    from edgefer_runtime.bundle import Bundle
    from edgefer_runtime.classifier import Classifier, Prediction

__version__ = "0.1.0"
__all__ = ["Bundle", "Classifier", "Face", "FaceAnalyzer", "Prediction"]

_HOMES = {
    "Bundle": "bundle",
    "Classifier": "classifier",
    "Face": "analyzer",
    "FaceAnalyzer": "analyzer",
    "Prediction": "classifier",
}


def __getattr__(name: str) -> Any:
    # Imported at first use: `edgefer --help` needs the error tree from here, and not numpy.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

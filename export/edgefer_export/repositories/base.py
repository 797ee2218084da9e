"""What an inference server wants of its model repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edgefer_runtime.bundle import Bundle

VERSION, LABELS = "1", "labels.txt"
"""A model's only version, and its file of class names, one a line."""


class Server(Protocol):
    """One inference server. Implementations are stateless; one file each."""

    name: str
    title: str
    targets: tuple[str, ...]
    """Those whose engines it can run."""
    models: str = "."
    """The folder of the models' folders, inside the repository."""

    def refusal(self, bundle: Bundle) -> str | None:
        """Why this bundle of one of ``targets`` cannot be served; None when it can."""
        return None

    def caution(self, bundle: Bundle) -> str | None:
        """What the server may do otherwise than the checks saw and cannot be told; None for nothing."""
        return None

    def files(self, bundle: Bundle) -> Mapping[str, str]:
        """Name in the version's folder -> path in the bundle."""
        return {file.path: file.path for file in bundle.manifest.files}

    def configuration(self, bundles: Mapping[str, Bundle]) -> Mapping[str, str]:
        """Configuration files of the repository by path, for bundles by model name."""

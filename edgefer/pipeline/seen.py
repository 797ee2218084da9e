"""What readers of a number must know when faces that made a network, or its engine, judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgefer.data.faceset import FaceSet
from edgefer.data.seen import Seen, seen
from edgefer.pipeline.faces import notice
from edgefer_runtime.bundle import Bundle

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint

FLOAT = "fp32"
"""The precision that nothing is calibrated for."""


def seen_by_network(checkpoint: Checkpoint, faces: FaceSet) -> list[Seen]:
    """Which of ``faces`` a checkpoint's network was trained on, or chosen by."""
    return seen(checkpoint.provenance, faces)


def seen_by_engine(bundle: Bundle, faces: FaceSet) -> list[Seen]:
    """Which of ``faces`` trained a bundle's network, chose its epoch, or calibrated its engine."""
    manifest = bundle.manifest
    known: dict[str, Any] = {}
    if isinstance(weights := manifest.provenance.get("weights"), Mapping):
        known.update(weights)
    known.pop("calibration", None)
    if manifest.precision != FLOAT:
        # Bundles from before there were sketches tell the set's name.
        calibration = manifest.provenance.get("calibration") or (manifest.quantization or {}).get(
            "calibration"
        )
        known["calibration"] = calibration
    return seen(known, faces)


def warned(data: str, found: Mapping[str, Sequence[Seen]]) -> str:
    """The notice of the face set called ``data``, with what was seen of it by whom."""
    remarks = [f"{name}: {each}." for name, several in found.items() for each in several]
    warning = ["What was measured says nothing about new faces:", *dict.fromkeys(remarks)] if remarks else []
    return " ".join(filter(None, (notice(data), *warning)))


def warned_of_engines(data: str, bundles: Sequence[Bundle], faces: FaceSet) -> str:
    """As :func:`warned`, for bundles side by side."""
    asked: dict[str, list[Seen]] = {}
    found = {}
    for bundle in bundles:
        manifest = bundle.manifest
        described = [manifest.provenance.get(key) for key in ("weights", "calibration")]
        same = repr(
            (described, manifest.precision == FLOAT, (manifest.quantization or {}).get("calibration"))
        )
        if same not in asked:
            asked[same] = seen_by_engine(bundle, faces)
        found[f"{manifest.model} {manifest.target} {manifest.precision}"] = asked[same]
    return warned(data, found)

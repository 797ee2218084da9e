"""What follows an export: the verdict, the page on what INT8 did, the repository for a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer.data.faceset import FaceSet
from edgefer.models import get
from edgefer.pipeline import Report
from edgefer_bench.drop_page import drop_page
from edgefer_bench.verdict import ACCEPTABLE_POINTS, judge
from edgefer_runtime.benching import spread, time_engines
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DeviceError, MissingError
from edgefer_runtime.files import write_whole
from edgefer_runtime.measuring import MeasureSettings

if TYPE_CHECKING:
    from edgefer_runtime.classifier import Classifier

PAGE = "drop.html"

TIMED_S, LEAST_S, WARMUP_S = 4.0, 0.5, 2.0
"""Timed seconds of all engines together, of one engine at least, and the longest warm-up."""

ENOUGH_ROUNDS, LONGER = 10, 4
"""With fewer rounds, as on a busy machine, the engines are timed once more, so many times as long."""

Scored = Sequence[tuple[Bundle, Mapping[str, Any]]]
"""Bundles of one model as they were written, each with its manifest's ``accuracy``."""


def time_and_judge(
    scored: Scored, faces: FaceSet, max_drop: float | None, on_progress: Report
) -> dict[str, Any]:
    """Time the engines that run here against each other for a few seconds, and choose one.

    Args:
        scored: the engines.
        faces: what to time with.
        max_drop: points that a drop's upper end may have; None for :data:`ACCEPTABLE_POINTS`.
        on_progress: told how far it is.

    Returns:
        :class:`edgefer_bench.verdict.Verdict` as JSON; ``chosen`` is null, and ``reason`` says why, when
        there was nothing to time, or too few faces to time with.
    """
    batch = scored[0][0].manifest.batch or 1
    needed = MeasureSettings.min_inputs * batch
    if len(faces) < needed:
        return _undecided(f"not timed: {len(faces)} faces, of {needed} at least that inputs are taken from")
    opened = [(_open_here(bundle), bundle, score) for bundle, score in scored]
    running = [(classifier, score) for classifier, _, score in opened if classifier]
    if not running:
        return _undecided("not timed: none of these engines runs on this machine")
    duration_s = max(LEAST_S, TIMED_S / len(running))
    time_for = partial(
        time_engines,
        [classifier for classifier, _ in running],
        spread(faces.images, batch),
        max_warmup_s=WARMUP_S,
        on_progress=on_progress,
    )
    measurement = time_for(duration_s=duration_s)
    if len(measurement.order) < ENOUGH_ROUNDS:
        measurement = time_for(duration_s=LONGER * duration_s)
    limit = ACCEPTABLE_POINTS if max_drop is None else max_drop
    verdict = judge(
        [classifier.bundle for classifier, _ in running],
        [score["drop"] for _, score in running],
        measurement,
        limit,
    ).to_json()
    absent = [bundle.manifest for classifier, bundle, _ in opened if not classifier]
    notes = [f"{each.target} {each.precision} was not timed: it does not run here" for each in absent]
    return {**verdict, "notes": [*verdict["notes"], *notes]}


def _open_here(bundle: Bundle) -> Classifier | None:
    """The engine, opened; None where this machine does not run it."""
    from edgefer_runtime.classifier import Classifier

    try:
        return Classifier.open(bundle)
    except (DeviceError, MissingError):
        return None


def write_page(scored: Scored, root: Path, verdict: Mapping[str, Any] | None) -> str | None:
    """Write :data:`PAGE` beside the bundles; its path, or None when there are float engines alone."""
    if all(bundle.manifest.precision == "fp32" for bundle, _ in scored):
        return None
    engines = [
        {
            "target": bundle.manifest.target,
            "precision": bundle.manifest.precision,
            "size_mb": bundle.size_bytes / 1e6,
            **score,
        }
        for bundle, score in scored
    ]
    manifest, score = scored[0][0].manifest, scored[0][1]
    page = drop_page(
        get(manifest.model).title,
        engines,
        data=score["data"],
        images=score["images"],
        verdict=verdict,
        notice=manifest.provenance["notice"],
    )
    write_whole(root / PAGE, page.encode())
    return str(root / PAGE)


def serve(server: str, bundles: Sequence[Bundle], root: Path) -> dict[str, Any]:
    """Lay ``bundles`` out for an inference server, below ``root``; what was written, as JSON."""
    from edgefer_export.repositories import write_repository

    written = write_repository(server, bundles, root / server)
    return {"folder": str(written.folder), "models": list(written.models), "notes": list(written.notes)}


def _undecided(reason: str) -> dict[str, Any]:
    return {"chosen": None, "reason": reason, "notes": [], "against": None, "engines": []}

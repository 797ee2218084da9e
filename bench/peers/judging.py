"""Judges what the entrants made: the same preprocessing, settings, faces and turns for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.models import count, get
from edgefer_bench.drop import accuracy_drop
from edgefer_bench.scoring import predict
from edgefer_export import targets
from edgefer_export.targets import openvino as openvino_target
from edgefer_export.targets.base import BuiltEngine
from edgefer_export.targets.openvino import HINT, has_bfloat16
from edgefer_runtime.benching import Report
from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.engines.libraries import import_openvino
from edgefer_runtime.errors import EdgeferError
from edgefer_runtime.footprint import footprint_in_subprocess
from edgefer_runtime.manifest import Manifest
from edgefer_runtime.measuring import MeasureSettings, measure
from edgefer_runtime.preprocess import resize
from peers.entrants import OURS, Outcome
from peers.handover import Handover
from peers.joining import join
from peers.tools import contract

FLOATS = (("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
"""Targets and precisions that the float graph is timed in; the first one is the reference."""

INPUTS = 128  # faces to rotate over
BLOCK_CALLS = 10

GIVEN, OWN = "given", "own"
"""Sizes that crops are timed at: that of the faces, by engines that take any; and the network's own, by
engines opened for it, in which nothing is left to resize, neither in ours nor in other tools'."""

OPENINGS = 12
"""How often each engine is opened anew: where it comes to lie in memory changes its speed by some percent."""


@dataclass(frozen=True)
class Candidate:
    """An engine to be judged.

    Attributes:
        name: of the entrant it comes from, ``"float"`` for the graph that all were given.
        title: what tables call it.
        rest: what it computes in where it is not INT8: ``"fp32"`` or ``"bf16"``.
        bundle: the engine.
    """

    name: str
    title: str
    rest: str
    bundle: Bundle

    def to_json(self) -> dict[str, Any]:
        """What it is called and where it runs."""
        return {
            "name": self.name,
            "title": self.title,
            "target": self.bundle.manifest.target,
            "rest": self.rest,
        }


def float_candidates(handover: Handover, folder: Path) -> list[Candidate]:
    """The graph that all were given, in every target and precision of :data:`FLOATS` that this CPU has."""
    graph = handover.given / contract.GRAPH
    return [
        Candidate("float", "float", precision, _bundle(handover, graph, target, precision, folder))
        for target, precision in FLOATS
        if precision != "bf16" or has_bfloat16()
    ]


def candidates(handover: Handover, outcome: Outcome, folder: Path) -> list[Candidate]:
    """Engines of what an entrant made.

    On a CPU that has bfloat16 a model for OpenVINO makes two: OpenVINO computes in it what is left in float,
    unless told not to, as edgefer tells it.
    """
    assert outcome.model is not None, "the entrant has failed"
    entrant = outcome.entrant
    model = join(handover.given / contract.PREPROCESSING, outcome.model, outcome.model.parent)
    bundle = _bundle(
        handover, model, entrant.target, "int8", folder / entrant.name, as_read=entrant not in OURS
    )
    made = [Candidate(entrant.name, entrant.title, "fp32", bundle)]
    if entrant.target == "openvino" and has_bfloat16():
        manifest = replace(bundle.manifest, options={**bundle.manifest.options, HINT: "bf16"})
        files = {file.path: bundle.folder / file.path for file in manifest.files}
        hinted = write_bundle(folder / entrant.name / "openvino-int8-bf16", manifest, files, {})
        made.append(Candidate(entrant.name, entrant.title, "bf16", hinted))
    return made


def refusal(candidate: Candidate, threads: int) -> str:
    """Why a fresh process cannot run the engine with so many threads; "" when it can."""
    try:
        footprint_in_subprocess(candidate.bundle.path, threads=threads)
    except EdgeferError as error:
        return " ".join(str(error).split())
    return ""


def judge(
    candidates: Mapping[Candidate, Sequence[int]],
    faces: FaceSet,
    *,
    duration_s: float,
    on_progress: Report,
) -> list[dict[str, Any]]:
    """Time the engines in turns, for each number of threads those that run with it; let each label all faces.

    Args:
        candidates: with the numbers of threads to run them with, one or more; the first one is the reference
            that accuracy drops from.
        faces: in none of the sets that the entrants were given.
        duration_s: timed seconds an engine, size and number of threads, over all its openings.
        on_progress: told how far each stage is.

    Returns:
        A row a candidate: ``name``, ``title``, ``target``, ``rest``, ``size_mb``, ``accuracy``, ``drop``
        (:class:`edgefer_bench.drop.Drop`), and ``times``: :data:`GIVEN` or :data:`OWN` -> threads -> the
        median of each opening's calls, as ``wall_ms`` and, all threads' CPU time, ``cpu_ms``; the i-th
        openings of all ran side by side.
    """
    positions = np.linspace(0, len(faces) - 1, min(INPUTS, len(faces))).astype(np.int64)
    crops = {GIVEN: [faces.images[position : position + 1] for position in positions]}
    contract = next(iter(candidates)).bundle.manifest.input
    crops[OWN] = [_resized(crop, contract.height, contract.width) for crop in crops[GIVEN]]
    times = {which: _times(candidates, which, crops[which], duration_s, on_progress) for which in crops}
    answers: list[NDArray[np.float32]] = []
    for candidate, numbers in candidates.items():
        on_progress("accuracy", len(answers), len(candidates))
        classifier = Classifier.open(candidate.bundle, threads=max(numbers))
        answers.append(predict(classifier, faces, lambda done: None))
    on_progress("accuracy", len(candidates), len(candidates))
    return [
        {
            **candidate.to_json(),
            "size_mb": candidate.bundle.size_bytes / 1e6,
            "accuracy": 100 * float((answer.argmax(axis=1) == faces.labels).mean()),
            "drop": accuracy_drop(answers[0], answer, faces.labels, classes=faces.classes).to_json(),
            "times": {which: times[which][candidate] for which in times},
        }
        for candidate, answer in zip(candidates, answers, strict=True)
    ]


def _resized(crop: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """1 x H x W x 3 -> 1 x ``height`` x ``width`` x 3."""
    return np.rint(resize(crop[0], height, width)).astype(np.uint8).transpose(1, 2, 0)[None].copy()


def _times(
    candidates: Mapping[Candidate, Sequence[int]],
    which: str,
    crops: Sequence[NDArray[np.uint8]],
    duration_s: float,
    on_progress: Report,
) -> dict[Candidate, dict[str, Any]]:
    size = crops[0].shape[1:3] if which == OWN else None
    times: dict[Candidate, dict[str, Any]] = {candidate: {} for candidate in candidates}
    for threads in dict.fromkeys(number for numbers in candidates.values() for number in numbers):
        chosen = [candidate for candidate, numbers in candidates.items() if threads in numbers]
        for candidate in chosen:
            times[candidate][str(threads)] = {"wall_ms": [], "cpu_ms": []}
        for opening in range(OPENINGS):
            on_progress(f"{threads} threads, {which} size", opening, OPENINGS)
            first = opening % len(chosen)
            order = chosen[first:] + chosen[:first]
            opened = [Classifier.open(each.bundle, threads=threads, size=size) for each in order]
            for candidate, medians in zip(order, _time(opened, crops, duration_s / OPENINGS), strict=True):
                for clock, median_ms in medians.items():
                    times[candidate][str(threads)][clock].append(median_ms)
        on_progress(f"{threads} threads, {which} size", OPENINGS, OPENINGS)
    return times


class _Clocked:
    """An engine's ``run`` that keeps the CPU time, of all threads, of each call in ns."""

    def __init__(self, run: Callable[[NDArray[np.uint8]], Any]) -> None:
        self.run = run
        self.cpu_ns: list[int] = []

    def __call__(self, image: NDArray[np.uint8]) -> None:
        begin = time.process_time_ns()
        self.run(image)
        self.cpu_ns.append(time.process_time_ns() - begin)


def _time(
    classifiers: Sequence[Classifier], crops: Sequence[NDArray[np.uint8]], duration_s: float
) -> list[dict[str, float]]:
    """The median of each engine's calls, in turns A B B A, by either clock."""
    settings = MeasureSettings(
        duration_s=duration_s,
        block_calls=BLOCK_CALLS,
        min_inputs=len(crops),
        max_warmup_s=0,  # a single block each
    )
    subjects = {str(number): _Clocked(classifier.engine.run) for number, classifier in enumerate(classifiers)}
    timed = measure(subjects, crops, settings)
    return [
        {
            "wall_ms": float(np.median(samples.latency_ns)) / 1e6,
            "cpu_ms": float(np.median(subject.cpu_ns[-len(samples.latency_ns) :])) / 1e6,
        }
        for subject, samples in zip(subjects.values(), timed.samples.values(), strict=True)
    ]


def _bundle(
    handover: Handover, model: Path, target: str, precision: str, folder: Path, *, as_read: bool = False
) -> Bundle:
    checkpoint = handover.checkpoint
    work = folder / f"{target}-{precision}"
    build = _build_as_read if as_read and target == "openvino" else targets.get(target).build
    engine = build(model, precision, work / "engine")
    manifest = Manifest(
        model=checkpoint.model,
        variant=checkpoint.variant,
        parameters=count(get(checkpoint.model), checkpoint.variant, len(checkpoint.classes)),
        classes=checkpoint.classes,
        input=checkpoint.contract,
        target=target,
        precision=precision,
        entry=engine.entry,
        options=engine.options,
        tools=engine.tools,
    )
    return write_bundle(work / "bundle", manifest, engine.files, {})


def _build_as_read(model: Path, precision: str, workdir: Path) -> BuiltEngine:
    """``model`` as OpenVINO reads it, without edgefer's rewrites."""
    openvino = import_openvino()
    entry = workdir / openvino_target.ENTRY
    workdir.mkdir(parents=True, exist_ok=True)
    openvino.save_model(openvino.Core().read_model(model), entry, compress_to_fp16=False)
    return BuiltEngine(
        entry=entry.name,
        files={entry.name: entry, openvino_target.WEIGHTS: entry.with_suffix(".bin")},
        options={HINT: openvino_target.HINTS[precision]},
        tools={"openvino": openvino.__version__},
    )

"""One bench on the machine at hand, whichever that is: measures, and leaves every judgement to others.

What comes back is raw: samples, predictions, facts. Accuracy, intervals and verdicts are worked out from it
where the labels are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.bench_run import ARRAYS, RUN, BenchRun, EngineRun
from edgefer_runtime.board import identify
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.conditions import Watch, pinned
from edgefer_runtime.energy import measure_energy
from edgefer_runtime.environment import probe, usable_cores
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.faces import BlazeFace, FaceDetector
from edgefer_runtime.footprint import Footprint, footprint_in_subprocess
from edgefer_runtime.frames import pipeline
from edgefer_runtime.images import Images
from edgefer_runtime.measuring import Measurement, MeasureSettings, Subject, measure
from edgefer_runtime.scenarios import SCENARIOS, camera, multi_stream, offline
from edgefer_runtime.sensors import find_sensors
from edgefer_runtime.tables import read_table

__all__ = ["ARRAYS", "RUN", "BenchPlan", "BenchRun", "EngineRun", "Report", "run_bench"]

INPUTS = 256  # crops to rotate over
CHUNK = 128  # faces between two progress reports
BLOCK_S, BLOCKS = 0.2, 20  # a block's length at most, and how many blocks there are about at least
FEWEST_CALLS, MOST_CALLS = 5, 50  # in a block
PILOT_CALLS = 5
NESTED_SHARE = 0.3  # of the duration goes into the nested times

Report = Callable[[str, int, int], None]
"""Called as ``report(stage, done, total)`` while work goes on."""


@dataclass(frozen=True, kw_only=True)
class BenchPlan:
    """What to measure, and how long.

    Attributes:
        duration_s: timed seconds an engine, and of each further scenario.
        max_warmup_s: when warm-up ends although the latencies are not level yet; the run then says so.
        threads: threads a call may use; by default the cores this process may use.
        cores: cores to stay on; none named means all.
        scenarios: of :data:`edgefer_runtime.scenarios.SCENARIOS`, beside the single stream.
        frame_hz: frames a second of the camera.
        detector: the BlazeFace model that finds the faces in the camera's frames; None where it is known
            where they are.
        power_rails: rails whose sum is the whole module's power; none named means all.
    """

    duration_s: float = 10.0
    max_warmup_s: float = 60.0
    threads: int | None = None
    cores: tuple[int, ...] = ()
    scenarios: tuple[str, ...] = ()
    frame_hz: float = 30.0
    detector: str | None = None
    power_rails: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if strangers := {*self.scenarios} - {*SCENARIOS}:
            raise UsageError(
                f"the scenario {min(strangers)!r}",
                expected=f"one of {', '.join(SCENARIOS)}; single stream is always measured",
            )

    @classmethod
    def from_json(cls, written: Any) -> BenchPlan:
        """The plan that :func:`dataclasses.asdict` wrote as JSON.

        Raises:
            DataError: a value is of the wrong kind.
        """
        return read_table(cls, written, "plan", later=True)


def require_enough(faces: int, batch: int) -> None:
    """Raise unless there are faces enough to rotate over, a batch a call.

    Raises:
        DataError: there are not.
    """
    if faces < MeasureSettings.min_inputs * batch:
        raise DataError(
            f"{faces} faces to measure on",
            expected=f"at least {MeasureSettings.min_inputs * batch}",
            action="choose a larger set or split",
        )


def run_bench(
    bundles: Sequence[Bundle],
    images: Images,
    plan: BenchPlan,
    on_progress: Report = lambda stage, done, total: None,
) -> BenchRun:
    """Measure engines against each other on this machine.

    Each engine is first opened in a fresh process, for its load time and peak memory. Then all are open at
    once and timed in turns, until each has had ``plan.duration_s``; the further scenarios follow engine by
    engine; last they label every face.

    Args:
        bundles: the engines, opened and verified; all of one batch size.
        images: faces to time and score with, at least 64 different ones.
        plan: what to measure.
        on_progress: told how far each stage is.

    Raises:
        UsageError: no bundles, batch sizes that differ, or a core that is not this process's.
        DataError: too few faces.
        DeviceError, MissingError: an engine cannot be opened here.
    """
    batch = common_batch(bundles)
    require_enough(len(images), batch)
    with pinned(plan.cores) as cores:
        environment = probe()  # before there is any load of our own
        footprints: list[Footprint] = []
        for bundle in bundles:
            on_progress("open engines", len(footprints), len(bundles))
            footprints.append(footprint_in_subprocess(bundle.path, threads=plan.threads))
        on_progress("open engines", len(footprints), len(bundles))
        classifiers = [Classifier.open(bundle, threads=plan.threads) for bundle in bundles]
        detector = BlazeFace.open(plan.detector, threads=plan.threads) if plan.detector else None
        inputs = spread(images, batch)
        with Watch() as watch:
            measurement = time_engines(
                classifiers,
                inputs,
                duration_s=plan.duration_s,
                max_warmup_s=plan.max_warmup_s,
                on_progress=on_progress,
            )
            further: list[dict[str, Any]] = []
            for classifier in classifiers:
                on_progress("scenarios", len(further), len(classifiers))
                further.append(_further(classifier, inputs, plan, detector))
            on_progress("scenarios", len(further), len(classifiers))
        probabilities = _label_all(classifiers, images, on_progress)
    engines = [
        EngineRun(
            {
                "manifest": bundle.manifest.to_json(),
                "size_bytes": bundle.size_bytes,
                "footprint": footprint.to_json(),
                "warmup_calls": samples.warmup_calls,
                "stable": samples.stable,
                "position": [order.index(name) for order in measurement.order],
                **more,
            },
            samples.latency_ns,
            samples.block,
            made,
        )
        for bundle, footprint, (name, samples), more, made in zip(
            bundles, footprints, measurement.samples.items(), further, probabilities, strict=True
        )
    ]
    facts = {
        "environment": environment.to_json(),
        "board": identify().to_json(),
        "conditions": {"cores": cores, "pinned": bool(plan.cores), **watch.to_json()},
        "batch": batch,
        "settings": {
            **asdict(plan),
            **asdict(measurement.settings),
            "warmup_s": measurement.warmup_s,
            "measured_s": measurement.duration_s,
            "inputs": measurement.inputs,
        },
    }
    return BenchRun(json.loads(json.dumps(facts)), tuple(engines))


def common_batch(bundles: Sequence[Bundle]) -> int:
    """The batch size that all bundles share; 1 where it is dynamic.

    Raises:
        UsageError: no bundles, or sizes that differ.
    """
    batches = {bundle.manifest.batch or 1 for bundle in bundles}
    if len(batches) != 1:
        raise UsageError(
            f"bundles of batch size {', '.join(map(str, sorted(batches)))}"
            if batches
            else "no bundles to measure",
            expected="bundles of one batch size",
            action="name bundles that can be compared",
        )
    return batches.pop()


def spread(images: Images, batch: int) -> list[NDArray[np.uint8]]:
    """Batches to rotate over, spread over the whole set and held in memory."""
    count = min(INPUTS, len(images) // batch)
    starts = np.linspace(0, len(images) - batch, count).astype(np.int64)
    return [np.ascontiguousarray(images[start : start + batch]) for start in starts]


def time_engines(
    classifiers: Sequence[Classifier],
    inputs: Sequence[NDArray[np.uint8]],
    *,
    duration_s: float,
    max_warmup_s: float,
    on_progress: Report = lambda stage, done, total: None,
) -> Measurement:
    """Time the engines' ``run`` in turns; the samples of each, in the order of ``classifiers``.

    Raises:
        DataError: fewer than 64 different inputs.
    """
    runs = [classifier.engine.run for classifier in classifiers]
    settings = MeasureSettings(
        duration_s=duration_s,
        block_calls=_block_calls(runs, inputs[:PILOT_CALLS], duration_s),
        min_warmup_s=min(MeasureSettings.min_warmup_s, max_warmup_s),
        max_warmup_s=max_warmup_s,
    )
    subjects = {str(position): run for position, run in enumerate(runs)}
    return measure(subjects, inputs, settings, lambda phase, part: on_progress(phase, round(100 * part), 100))


def _further(
    classifier: Classifier,
    inputs: Sequence[NDArray[np.uint8]],
    plan: BenchPlan,
    detector: FaceDetector | None,
) -> dict[str, Any]:
    """Nested times, scenarios and energy of one engine that is warm."""
    engine = classifier.engine
    crops = [batch[0] for batch in inputs]
    look, frames = pipeline(classifier, detector, crops, MeasureSettings.min_inputs)
    found: dict[str, Any] = {}
    if "multi-stream" in plan.scenarios:
        found["multi-stream"] = multi_stream(
            classifier.predict, np.concatenate(inputs), duration_s=plan.duration_s
        )
    if "offline" in plan.scenarios:
        workers = max(1, usable_cores() // engine.threads)
        found["offline"] = offline(engine.run, inputs, duration_s=plan.duration_s, workers=workers)
    if "camera" in plan.scenarios:
        found["camera"] = camera(look, frames, hz=plan.frame_hz, duration_s=plan.duration_s)
    return {
        "times": {
            **_nested(classifier, inputs, frames, look, NESTED_SHARE * plan.duration_s),
            "detector": plan.detector,
        },
        "scenarios": found,
        "energy": measure_energy(
            lambda: engine.run(inputs[0]),
            find_sensors(),
            rails=plan.power_rails,
            duration_s=plan.duration_s,
        ),
    }


def _nested(
    classifier: Classifier,
    inputs: Sequence[NDArray[np.uint8]],
    frames: Sequence[NDArray[np.uint8]],
    look: Subject,
    duration_s: float,
) -> dict[str, Any]:
    """Latencies in ns of the three times, one within the other, taken in turns."""
    engine = classifier.engine
    subjects: dict[str, Subject] = {"infer": engine.run, "pipeline": look}
    if engine.kernel is not None:
        subjects["kernel"] = engine.kernel
    settings = MeasureSettings(
        duration_s=duration_s / len(subjects),
        block_calls=_block_calls([look], frames[:PILOT_CALLS], duration_s),
        min_warmup_calls=0,
        min_warmup_s=0,
        max_warmup_s=0,
    )
    measured = measure(
        subjects, {name: frames if name == "pipeline" else inputs for name in subjects}, settings
    )
    return {"latency_ns": {name: samples.latency_ns.tolist() for name, samples in measured.samples.items()}}


def _label_all(
    classifiers: Sequence[Classifier], images: Images, on_progress: Report
) -> list[NDArray[np.float32]]:
    """Each engine's probabilities of every face."""
    total = len(classifiers) * len(images)
    found = []
    for place, classifier in enumerate(classifiers):
        chunks = []
        for start in range(0, len(images), CHUNK):
            chunks.append(classifier.predict(images[start : start + CHUNK]))
            on_progress("accuracy", place * len(images) + start + len(chunks[-1]), total)
        found.append(np.concatenate(chunks))
    return found


def _block_calls(
    subjects: Sequence[Callable[[NDArray[np.uint8]], Any]],
    inputs: Sequence[NDArray[np.uint8]],
    duration_s: float,
) -> int:
    """Calls a block, so that even the slowest subject's blocks are short and many."""
    slowest_s = 0.0
    for subject in subjects:
        took_s = []
        for image in inputs:
            begin = time.perf_counter()
            subject(image)
            took_s.append(time.perf_counter() - begin)
        # The fastest: the first calls of all are slow, and so are many on a busy machine.
        slowest_s = max(slowest_s, min(took_s))
    return int(np.clip(min(BLOCK_S, duration_s / BLOCKS) / slowest_s, FEWEST_CALLS, MOST_CALLS))

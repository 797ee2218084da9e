"""A few epochs of the rounded network after its teacher, and the graph that comes of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from edgefer_calibration.qat.graph import FakeQuantized
from edgefer_calibration.quantize import Quantized, recipe_for
from edgefer_calibration.quantize.qdq import write_qdq
from edgefer_calibration.ranges import Ranges, collect_ranges
from edgefer_calibration.session import open_session
from edgefer_runtime.errors import UsageError
from edgefer_runtime.files import replacing

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgefer_calibration.sets import CalibrationSet

EPSILON = 1e-6
"""Added to probabilities before their logarithm."""

BATCH = 16
LEARNING_RATE = 2e-3
"""Of Adam, falling to zero along half a cosine; of a weight, as a share of the weight."""

HELD_OUT = 5
"""Every fifth face is held out, to tell whether the training helped."""


def fine_tune(
    target: str,
    float_onnx: Path,
    calibration: CalibrationSet,
    out: Path,
    *,
    epochs: int,
    float_modules: Collection[str] = (),
    method: str | None = None,
    ranges: Ranges | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Quantized:
    """Quantize ``float_onnx`` for ``target``, train with the rounding in, and write the result to ``out``.

    The loss is the Kullback-Leibler divergence of the rounded network's probabilities from the float
    network's on the same face, mirrored or not; labels are not needed. Where the held-out faces end no nearer
    to the float network than calibration alone brought them, ``out`` is the calibrated graph.

    Args:
        target, float_onnx, calibration, out, float_modules, method, ranges: as for
            :func:`edgefer_calibration.quantize.quantize`.
        epochs: turns through the faces; each takes some ten times as long as the float network's answers.
        seed: of the order and the mirroring.
        on_progress: called with steps done and steps in all.

    Returns:
        The recipe has ``qat``: epochs, learning rate, mean divergence of the held-out faces before and
        after, and which of the two graphs was kept.

    Raises:
        UsageError: fewer than one epoch, or as for ``quantize``, or an operator that cannot be trained.
        DataError: as for ``quantize``.
    """
    import onnx

    if epochs < 1:
        raise UsageError(f"{epochs} epochs of quantization-aware training", expected="at least one")
    model = onnx.load(float_onnx)
    recipe = recipe_for(target, model, float_modules)
    recipe = replace(recipe, method=method or recipe.method)
    ranges = ranges or collect_ranges(float_onnx, calibration)
    limits = ranges.limits(recipe.method, symmetric=recipe.form.symmetric)
    with tempfile.TemporaryDirectory(prefix="edgefer-qat-") as folder, replacing(out) as temporary:
        calibrated, trained = Path(folder) / "calibrated.onnx", Path(folder) / "trained.onnx"
        written = write_qdq(model, recipe, limits, calibrated)
        student = FakeQuantized(model, onnx.load(calibrated))
        teacher = Teacher(model, student.start)
        held_out = np.arange(len(calibration)) % HELD_OUT == 0
        _train(student, teacher, calibration, np.flatnonzero(~held_out), epochs, seed, on_progress)
        learned = {name: pair.limits() for name, pair in student.pairs.items()}
        write_qdq(_with_weights(model, student), recipe, {**limits, **learned}, trained)
        before, after = (
            teacher.divergence(path, calibration, np.flatnonzero(held_out)) for path in (calibrated, trained)
        )
        temporary.write_bytes((trained if after < before else calibrated).read_bytes())
    written["qat"] = {
        "epochs": epochs,
        "learning_rate": LEARNING_RATE,
        "divergence_before": before,
        "divergence_after": after,
        "kept": "trained" if after < before else "calibrated",
    }
    return Quantized(out, {"target": target, **written, "calibration": calibration.summary()})


class Teacher:
    """The float network: what it answers to a face, and what the network proper is given of it."""

    def __init__(self, model: ModelProto, start: str) -> None:
        from onnx import ModelProto, ValueInfoProto

        seen = ModelProto()
        seen.CopyFrom(model)
        seen.graph.output.append(ValueInfoProto(name=start))
        self._session = open_session(seen.SerializeToString())

    def __call__(self, images: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
        """The network's input and its probabilities for uint8 N x H x W x 3, as tensors of batch N."""
        name = self._session.get_inputs()[0].name
        answers = [self._session.run(None, {name: images[i : i + 1]}) for i in range(len(images))]
        probabilities, inputs = (
            torch.from_numpy(np.concatenate(parts)) for parts in zip(*answers, strict=True)
        )
        return inputs, probabilities

    def divergence(self, path: Path, calibration: CalibrationSet, positions: NDArray[np.intp]) -> float:
        """Mean Kullback-Leibler divergence of the answers of the graph at ``path`` from the teacher's."""
        session = open_session(path)
        name = session.get_inputs()[0].name
        divergences = []
        for position in positions:
            face = np.ascontiguousarray(calibration.images[position : position + 1])
            answer = torch.from_numpy(session.run(None, {name: face})[0])
            divergences.append(float(_divergence(answer, self(face)[1])))
        return float(np.mean(divergences))


def _divergence(found: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of KL(expected || found), in nats."""
    found, expected = found + EPSILON, expected + EPSILON
    return (expected * (expected.log() - found.log())).sum(dim=1).mean()


def _train(
    student: FakeQuantized,
    teacher: Teacher,
    calibration: CalibrationSet,
    positions: NDArray[np.intp],
    epochs: int,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> None:
    generator = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(student.parameters(), lr=LEARNING_RATE)
    steps = epochs * -(-len(positions) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    done = 0
    for _ in range(epochs):
        order = generator.permutation(positions)
        for start in range(0, len(order), BATCH):
            faces = np.concatenate([calibration.images[i : i + 1] for i in order[start : start + BATCH]])
            mirrored = generator.random(len(faces)) < 0.5
            faces[mirrored] = faces[mirrored, :, ::-1]
            inputs, expected = teacher(faces)
            loss = _divergence(student(inputs), expected)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            done += 1
            on_progress(done, steps)


def _with_weights(model: ModelProto, student: FakeQuantized) -> ModelProto:
    """``model`` with the weights and biases that ``student`` learned."""
    from onnx import ModelProto, numpy_helper

    learned = student.learned()
    trained = ModelProto()
    trained.CopyFrom(model)
    for initializer in trained.graph.initializer:
        if initializer.name in learned:
            values = learned[initializer.name].detach().numpy()
            initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
    return trained

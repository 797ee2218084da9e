"""Training speed beside a plain PyTorch loop: ``python -m edgefer.training.throughput MODEL``.

Both train the same network on the same faces in the same precision. They take turns step by step, so that
whatever else the machine does meets both; compared are medians.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from edgefer.data.faceset import EXPRESSIONS, FaceSet
from edgefer.models import MODELS, ModelSpec, get
from edgefer.training.accelerator import choose_device
from edgefer.training.augment import augment
from edgefer.training.device import choose_precision
from edgefer.training.loop import train
from edgefer.training.predict import preprocess
from edgefer.training.progress import Progress
from edgefer.training.recipe import Augmentation, Recipe, Stage, load_recipe

WARM_UP = 3
"""Steps that do not count."""

CROP = 128
"""Side of the faces in pixels, as SynthFER's."""


@dataclass(frozen=True)
class Throughput:
    """Seconds a step, one value each step.

    Attributes:
        loop_s: of edgefer's loop, all that it does between two steps included.
        plain_s: of a plain loop.
    """

    loop_s: tuple[float, ...]
    plain_s: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Speed of edgefer's loop in plain loops."""
        return statistics.median(self.plain_s) / statistics.median(self.loop_s)


def compare(spec: ModelSpec, stage: Stage, *, steps: int) -> Throughput:
    """Train ``steps`` steps of ``stage`` with both loops, on noise, after a few that do not count."""
    steps += WARM_UP
    faces = noise(steps * stage.batch_size)
    plain = plain_loop(spec, stage, faces)
    loop_s: list[float] = []
    plain_s: list[float] = []
    left = time.perf_counter()

    def take_turns(_: Progress) -> None:
        nonlocal left
        entered = time.perf_counter()
        loop_s.append(entered - left)
        next(plain)
        left = time.perf_counter()
        plain_s.append(left - entered)

    with tempfile.TemporaryDirectory() as out:
        recipe = Recipe("throughput", (replace(stage, epochs=1),))
        train(spec, recipe, faces, noise(2), Path(out), on_progress=take_turns)
    # The last turn follows the validation.
    return Throughput(tuple(loop_s[WARM_UP:steps]), tuple(plain_s[WARM_UP:steps]))


def noise(count: int) -> FaceSet:
    """Faces that nobody has."""
    images = np.random.default_rng(0).integers(0, 256, (count, CROP, CROP, 3), dtype=np.uint8)
    return FaceSet("noise", images, np.arange(count) % len(EXPRESSIONS), EXPRESSIONS)


def plain_loop(spec: ModelSpec, stage: Stage, faces: FaceSet) -> Iterator[None]:
    """A training as a PyTorch tutorial writes it, step by step: no average, no clipping, no schedule."""
    device = choose_device("auto")
    mixed = getattr(torch, choose_precision(stage.precision, device))
    contract = replace(spec.contract, height=stage.size, width=stage.size)
    network: nn.Module = spec.build(None, len(faces.classes)).to(device)
    images, labels = torch.from_numpy(faces.images).to(device), torch.from_numpy(faces.labels).to(device)
    optimizer = torch.optim.AdamW(network.parameters())
    scaler = torch.amp.GradScaler(device.type, enabled=mixed == torch.float16)
    generator = torch.Generator(device)
    for _ in itertools.count():
        for batch in torch.split(torch.randperm(len(images), device=device), stage.batch_size):
            if stage.augmentation == Augmentation():
                inputs = preprocess(images[batch], contract)
            else:
                inputs = augment(images[batch], contract, stage.augmentation, generator)
            with torch.autocast(device.type, mixed, enabled=mixed != torch.float32):
                loss = F.cross_entropy(network(inputs), labels[batch])
            optimizer.zero_grad()
            torch.autograd.backward(scaler.scale(loss))
            scaler.step(optimizer)
            scaler.update()
            loss.item()
            yield


def main() -> None:
    """Compare with and without augmentation, in the last stage of the model's SynthFER recipe."""
    parser = argparse.ArgumentParser(description="Training speed beside a plain PyTorch loop.")
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--steps", type=int, default=20, help="steps of each loop [20]")
    parser.add_argument("--size", type=int, help="side of the network's input [the recipe's]")
    parser.add_argument("--batch-size", type=int, help="faces a step [the recipe's]")
    asked = parser.parse_args()
    stage = load_recipe(asked.model).stages[-1]
    stage = replace(stage, size=asked.size or stage.size, batch_size=asked.batch_size or stage.batch_size)
    precision = choose_precision(stage.precision, choose_device("auto"))
    print(
        f"{asked.model}, {stage.size} px, {stage.batch_size} faces a step, {precision}, {asked.steps} steps"
    )
    for name, augmentation in (("without", Augmentation()), ("with", stage.augmentation)):
        found = compare(get(asked.model), replace(stage, augmentation=augmentation), steps=asked.steps)
        loop, plain = (stage.batch_size / statistics.median(s) for s in (found.loop_s, found.plain_s))
        print(f"{name} augmentation: edgefer {loop:.1f} faces/s, plain {plain:.1f}, ratio {found.ratio:.2f}")


if __name__ == "__main__":
    main()

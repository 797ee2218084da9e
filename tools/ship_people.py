"""Put the weights of a training on FERPlus where edgefer ships them, with what they reach on real faces.

    python tools/ship_people.py RUN/best.json ferplus:FOLDER "edgefer train lanmsff --recipe ferplus ..."

FERPlus tells eight expressions apart, a robot's seven do without contempt: its output is left out, which is
the network's opinion given that it is none. Both are judged on FERPlus's official test, all of it and without
the pictures that stand in the training or validation part as well. Kernels are stored in float16, so it is
these weights, not the training's own, that are judged. No picture goes anywhere.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from edgefer.data import load
from edgefer.data.faceset import FaceSet
from edgefer.data.labels import EXPRESSIONS
from edgefer.data.leakage import without_duplicates
from edgefer.models import count, get
from edgefer.pipeline.shared_classes import comparable_faces
from edgefer.pipeline.subjects import SHIPPED
from edgefer.training.accelerator import choose_device
from edgefer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgefer.training.trained import TrainedNetwork
from edgefer_bench.metrics import evaluate

TAG = "ferplus"
PARTS = {"train": "ferplus@train", "validation": "ferplus@val"}
"""What the card calls them, without the folder in which they lay."""
NOTICE = (
    "Trained on FERPlus: 48 x 48 grey pictures that an image search gave in 2013, labelled by ten people "
    "each. Nobody gives a licence to pass these pictures on, and none is in edgefer; whether weights made of "
    "them may be used is for you to judge. Accuracy on them says little about your camera, light and people. "
    "Not for judging people at work or school, nor for anything that matters to somebody who was not asked."
)


def main(source: str, data: str, command: str) -> None:
    """Ship the checkpoint at ``source``, which ``command`` made of the FERPlus at ``data``."""
    whole = _in_half(load_checkpoint(source))
    parts = {each: load(f"{data}@{each}") for each in ("train", "val", "test")}
    test = replace(parts["test"], name="ferplus@test")
    apart = replace(
        without_duplicates(test, parts["val"], parts["train"]), name="ferplus@test without copies"
    )
    seven = _of_classes(whole, EXPRESSIONS)
    judged = {
        "eight_classes": {each.name: _judge(whole, each) for each in (test, apart)},
        "seven_classes": {each.name: _judge(seven, each) for each in (test, apart)},
    }
    provenance = {
        **whole.provenance,
        **{part: {**whole.provenance[part], "name": name} for part, name in PARTS.items()},
        "command": command,
        "how": "one thread on a CPU with AVX2, float32; copies of test and validation faces left out; "
        f"{whole.provenance['epochs']} of the recipe's {_epochs(whole)} epochs; "
        "trained for eight classes, the output of contempt left out",
        "licence": "Apache-2.0",
        "notice": NOTICE,
        "test": {"data": test.name, **judged["seven_classes"][test.name]},
        "judged": judged,
    }
    # A suffix is replaced when it is saved: the tag is none.
    card = save_checkpoint(
        SHIPPED / f"{seven.model}.{TAG}.json", replace(seven, provenance=provenance), half=True
    )
    for classes, sets in judged.items():
        for name, found in sets.items():
            low, high = found["interval"]
            told = f"{found['accuracy']:.2f} [{low:.2f}, {high:.2f}] %"
            print(f"{classes} on {name}, {found['images']:,} faces: {told}")
    print(f"{card}: {card.with_suffix('.safetensors').stat().st_size / 1e6:.2f} MB")


def _epochs(checkpoint: Checkpoint) -> int:
    """Of the whole recipe: a training that was ended early says so by having fewer."""
    return sum(stage["epochs"] for stage in checkpoint.provenance["recipe"]["stages"])


def _in_half(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with its kernels rounded to float16, as they are stored."""
    rounded = {
        name: tensor.half().float() if tensor.is_floating_point() and tensor.ndim > 1 else tensor
        for name, tensor in checkpoint.weights.items()
    }
    return replace(checkpoint, weights=rounded)


def _of_classes(checkpoint: Checkpoint, classes: tuple[str, ...]) -> Checkpoint:
    """The network without the outputs of other classes, those that are left in this order."""
    rows = [checkpoint.classes.index(name) for name in classes]
    wanted = get(checkpoint.model).build(checkpoint.variant, len(classes)).state_dict()
    weights = {
        name: tensor if tensor.shape == wanted[name].shape else tensor[rows]
        for name, tensor in checkpoint.weights.items()
    }
    return replace(checkpoint, classes=classes, weights=weights)


def _judge(checkpoint: Checkpoint, faces: FaceSet) -> dict[str, Any]:
    """The evaluation of the network on the faces of its classes, as JSON."""
    faces = comparable_faces(faces, checkpoint.classes, SHIPPED, shared_only=True)
    assert faces.classes == checkpoint.classes, (faces.classes, checkpoint.classes)
    network = TrainedNetwork(checkpoint, choose_device("cpu"))
    return evaluate(
        network.predict(faces.images, np.arange(len(faces))),
        faces.labels,
        classes=faces.classes,
        attributes=faces.attributes,
        parameters=count(get(checkpoint.model), checkpoint.variant, len(checkpoint.classes)),
    ).to_json()


if __name__ == "__main__":
    main(*sys.argv[1:])

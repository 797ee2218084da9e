"""Small real documents, and a mutator that spoils one thing or several in their text."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.contract import InputContract
from edgefer_runtime.footprint import resident_bytes
from edgefer_runtime.manifest import Manifest

ROUNDS = int(os.environ.get("EDGEFER_FUZZ", "200"))
GROWTH_BYTES = 48 << 20
CLASSES = ("red", "green", "blue")
CERTIFICATE = {
    "schema": "edgefer.certificate/1",
    "checks": [
        {"name": "batch-invariance/onnxruntime", "passed": True, "measured": 0.0, "limit": 1e-6, "unit": "p"}
    ],
}
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, 2**127, 10**40, 0.5, -0.5, 1e-300, 1e300, float("nan"),
    float("inf"), "", "x", "\x1b[31m", "\u202e", "\ud800", "../x", "/etc/passwd", "int8", "[/red]", "9" * 300,
    [], [[]], [None], {}, {"a": 1}, {"": {}}, ["x"], [1, 2, 3],
)  # fmt: skip


def tiny_onnx(path: Path) -> Path:
    """An engine whose class is the brightest colour."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "pixels"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "gain"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [1, "height", "width", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 3])],
        [
            numpy_helper.from_array(np.array([1, 2], np.int64), "pixels"),
            numpy_helper.from_array(np.full(3, 0.125, np.float32), "gain"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def tiny_bundle(folder: Path, **changes: Any) -> Bundle:
    """A bundle of it in ``folder/bundle``."""
    folder.mkdir(parents=True, exist_ok=True)
    fields: dict[str, Any] = {
        "model": "colour",
        "variant": "plain",
        "parameters": 9,
        "classes": CLASSES,
        "input": InputContract(16, 16, "RGB", mean=(0.0,) * 3, std=(255.0,) * 3),
        "target": "onnxruntime",
        "precision": "fp32",
        "entry": "model.onnx",
        "options": {"provider": "CPUExecutionProvider"},
        "tools": {"onnx": "1"},
        "accuracy": {"data": "x", "accuracy": 50.0},
        "licence": "CC0-1.0",
        "provenance": {"notice": "drawn", "weights": {"sha256": "0" * 64}},
    }
    model = tiny_onnx(folder / "made.onnx")
    return write_bundle(
        folder / "bundle", Manifest(**{**fields, **changes}), {"model.onnx": model}, CERTIFICATE
    )


def spoil(dice: random.Random, value: Any) -> Any:
    """``value`` with one thing in it removed, replaced, doubled or nested."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice([*value])
        if dice.random() < 0.15:
            return {name: each for name, each in value.items() if name != key}
        return {**value, key: spoil(dice, value[key])}
    if isinstance(value, list) and value and dice.random() < 0.8:
        index = dice.randrange(len(value))
        if dice.random() < 0.2:
            return value + value[index:]
        return [*value[:index], spoil(dice, value[index]), *value[index + 1 :]]
    return dice.choice([*VALUES, [value], {"x": value}])


def spoiled(dice: random.Random, value: Any) -> bytes:
    """The JSON text of ``value``, spoiled in its values or in its bytes."""
    kind = dice.randrange(10)
    if kind < 7:
        for _ in range(dice.randint(1, 3)):
            value = spoil(dice, value)
    text = json.dumps(value)
    if kind == 7:  # a key twice
        place = text.find('"', dice.randrange(len(text)))
        text = text.replace("{", '{"schema": 1, ', 1) if place < 0 else text.replace("{", '{"a": 1, "a": 2, ')
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if kind == 8:
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
    elif kind == 9:
        start = dice.randrange(len(data))
        piece = [b"", b"[" * 5000, data[start : start + 40], dice.randbytes(8), b'{"a":' * 60][
            dice.randrange(5)
        ]
        data[start : start + dice.choice([0, 1, len(data)])] = piece
    return bytes(data)


def try_all(attempt: Callable[[random.Random], bool], seed: int, rounds: int = ROUNDS) -> int:
    """Attempt so often; return how many were accepted. Memory must not grow after the first quarter."""
    dice, accepted, settled = random.Random(seed), 0, 0
    for number in range(rounds):
        if number == rounds // 4:
            settled = resident_bytes() or 0
        accepted += attempt(dice)
    assert (resident_bytes() or 0) - settled < GROWTH_BYTES
    return accepted

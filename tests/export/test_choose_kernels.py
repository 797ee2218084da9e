"""Convolutions of few channels bear a wish for a kernel, which OpenVINO grants where it has it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefer_export.passes.choose_kernels import choose_kernels
from edgefer_runtime.engines.libraries import import_openvino

openvino = import_openvino()

CHANNELS = (3, 32, 8, 4, 20, 1)
"""Of the input, and behind each convolution but the last, which has 16."""

CHOSEN = {"conv0", "conv5"}
"""Those with few channels; the fourth has few, but gives no whole blocks."""


@pytest.fixture
def ir(tmp_path: Path) -> Path:
    """A chain of 3 x 3 convolutions with :data:`CHANNELS`."""
    op = import_openvino().opset13

    generator = np.random.default_rng(0)
    images = op.parameter([1, CHANNELS[0], 12, 12], np.float32, name="images")
    features: Any = images
    for number, (taken, given) in enumerate(zip(CHANNELS, (*CHANNELS[1:], 16), strict=True)):
        weights = (generator.normal(size=(given, taken, 3, 3)) / np.sqrt(9 * taken)).astype(np.float32)
        features = op.convolution(features, op.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
        features.set_friendly_name(f"conv{number}")
    path = tmp_path / "model.xml"
    openvino.save_model(openvino.Model([features], [images], "chain"), path, compress_to_fp16=False)
    return path


def opened(path: Path) -> Any:
    return openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def kernels(compiled: Any) -> dict[str, str]:
    return {
        node.get_friendly_name(): str(node.rt_info["primitiveType"].value)
        for node in compiled.get_runtime_model().get_ordered_ops()
        if "conv" in node.get_friendly_name() and str(node.rt_info["layerType"].value) == "Convolution"
    }


def test_the_wish_is_granted_and_the_function_stays(ir: Path) -> None:
    wished = Path(shutil.copyfile(ir, ir.with_name("wished.xml")))
    shutil.copyfile(ir.with_suffix(".bin"), wished.with_suffix(".bin"))
    assert choose_kernels(wished) == len(CHOSEN)
    before, after = opened(ir), opened(wished)
    image = np.random.default_rng(1).normal(size=(1, 3, 12, 12)).astype(np.float32)
    assert np.abs(before(image)[0] - after(image)[0]).max() < 1e-5
    default, chosen = kernels(before), kernels(after)
    if default["conv0"].startswith("brgconv_avx512"):
        assert {name for name, kernel in chosen.items() if kernel != default[name]} == CHOSEN

"""Suggestions: what was perhaps meant by a name that nobody knows."""

from __future__ import annotations

import pytest

from edgefer_runtime.errors import DeviceError, UsageError
from edgefer_runtime.suggestions import did_you_mean, unknown

TARGETS = ("onnxruntime", "openvino", "tensorrt", "tensorrt-rtx")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("openvin", "openvino"),
        ("OpenVINO", "openvino"),
        ("tensorrtrtx", "tensorrt-rtx"),
        ("onnx-runtime", "onnxruntime"),
    ],
)
def test_a_near_miss_is_suggested(name: str, meant: str) -> None:
    assert did_you_mean(name, TARGETS) == f"did you mean {meant}?"


@pytest.mark.parametrize("name", ["coreml", "", "x", "\x1b[31m"])
def test_what_is_like_nothing_is_not_guessed_at(name: str) -> None:
    assert did_you_mean(name, TARGETS) == ""


def test_an_unknown_name_tells_what_there_is() -> None:
    error = unknown("target", "openvin", TARGETS, action="see `edgefer doctor`")
    assert isinstance(error, UsageError)
    assert error.found == "unknown target 'openvin'"
    assert error.expected == "one of onnxruntime, openvino, tensorrt, tensorrt-rtx"
    assert error.action == "did you mean openvino? see `edgefer doctor`"
    assert isinstance(unknown("device", "x", TARGETS, kind=DeviceError), DeviceError)

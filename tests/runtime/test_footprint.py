"""Load time and memory of one engine, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError
from edgefer_runtime.footprint import footprint, footprint_in_subprocess, peak_resident_bytes, resident_bytes


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_a_fresh_process_tells_what_an_engine_costs(make_bundle: Callable[..., Bundle], target: str) -> None:
    ballast = np.ones(400 << 20, dtype=np.uint8)  # a child must not inherit its parent's peak
    cost = footprint_in_subprocess(make_bundle(target).path, threads=1)
    assert cost.provider.startswith("CPU") and cost.threads == 1
    assert 0 < cost.verify_ns < cost.load_ns
    assert cost.first_call_ns > 0
    assert cost.rss_before_bytes < cost.rss_after_bytes <= cost.peak_rss_bytes
    assert cost.peak_rss_bytes < ballast.nbytes


def test_a_failure_keeps_its_kind_and_words(bundle: Bundle) -> None:
    (bundle.folder / "model.onnx").write_bytes(b"")
    with pytest.raises(DataError, match=r"model\.onnx has 0 bytes"):
        footprint_in_subprocess(bundle.path)


def test_in_this_process_memory_only_grows(bundle: Bundle) -> None:
    cost = footprint(bundle.path)
    now, peak = resident_bytes(), peak_resident_bytes()
    assert now is not None and peak is not None and cost.peak_rss_bytes is not None
    assert 10e6 < now <= peak and cost.peak_rss_bytes <= peak

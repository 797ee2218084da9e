"""Ranges: one pass over the faces, constant memory, and a range by each method."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edgefer_calibration import CalibrationSet, Ranges, collect_ranges
from edgefer_calibration.ranges import METHODS, Histogram, collect_on_the_way
from edgefer_calibration.ranges.histogram import BINS
from edgefer_runtime.errors import DataError, UsageError

FLOATS = st.floats(-(2.0**90), 2.0**90, width=32, allow_subnormal=False)
VALUES = arrays(np.float32, st.integers(0, 60), elements=FLOATS)


def histogram(*parts: NDArray[np.float32]) -> Histogram:
    made = Histogram()
    for part in parts:
        made.add(np.asarray(part, np.float32))
    return made


@settings(deadline=None, max_examples=50)
@given(st.lists(VALUES, min_size=1, max_size=5), st.randoms())
def test_neither_order_nor_batches_matter(parts: list[NDArray[np.float32]], random: Random) -> None:
    at_once = histogram(np.concatenate(parts))
    shuffled = sorted(parts, key=lambda _: random.random())
    in_parts = histogram(*shuffled)
    assert (in_parts.low, in_parts.high, in_parts.zeros) == (at_once.low, at_once.high, at_once.zeros)
    if at_once.counts.any():
        assert in_parts.exponent == at_once.exponent
    assert np.array_equal(in_parts.counts, at_once.counts)


@settings(deadline=None, max_examples=50)
@given(VALUES)
def test_every_value_is_counted_in_the_bin_that_holds_it(values: NDArray[np.float32]) -> None:
    made = histogram(values)
    nonzero = values[values != 0].astype(np.float64)
    assert made.zeros == len(values) - len(nonzero)
    assert np.array_equal(made.counts, np.histogram(nonzero, made.edges)[0])
    if len(nonzero):
        assert (made.low, made.high) == (values.min(), values.max())
        assert np.abs(nonzero).max() >= BINS // 2 * made.width, "half of the bins of a side are in use"


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=50)
@given(values=VALUES.filter(len))
def test_a_range_holds_zero_and_nothing_that_was_not_seen(
    method: str, symmetric: bool, values: NDArray[np.float32]
) -> None:
    low, high = METHODS[method](histogram(values), symmetric)
    assert min(float(values.min()), 0) <= low <= 0 <= high <= max(float(values.max()), 0)


def rounded(values: NDArray[np.float64], low: float, high: float, levels: int) -> NDArray[np.float64]:
    step = (high - low) / (levels - 1)
    return np.clip(np.round(values / step), np.round(low / step), np.round(high / step)) * step


def long_tailed(scale: float = 3.0) -> NDArray[np.float32]:
    values = np.random.default_rng(0).laplace(0, scale, 400_000)
    return values.astype(np.float32)


def test_percentile_is_numpys() -> None:
    values = long_tailed()
    low, high = METHODS["percentile"](histogram(values), False)
    assert np.allclose([low, high], np.percentile(values, [0.005, 99.995]), rtol=0.005)
    low, high = METHODS["percentile"](histogram(values), True)
    assert np.isclose(high, np.percentile(np.abs(values), 99.99), rtol=0.005) and low == -high


@pytest.mark.parametrize("one_sided", [False, True])
def test_mse_is_the_least_that_rounding_really_costs(one_sided: bool) -> None:
    values = long_tailed().astype(np.float64)
    values = np.maximum(values, 0) if one_sided else values

    def cost(low: float, high: float) -> float:
        return float(np.square(values - rounded(values, low, high, 256)).mean())

    seen = histogram(values.astype(np.float32))
    found = cost(*METHODS["mse"](seen, False))
    narrowed = [cost(part * seen.low, part * seen.high) for part in np.linspace(0.1, 1, 60)]
    assert found < 1.02 * min(narrowed) < 0.9 * narrowed[-1], "this tail is worth cutting off"


def test_entropy_cuts_a_tail_and_keeps_what_is_even() -> None:
    even = np.random.default_rng(0).uniform(-1, 1, 100_000).astype(np.float32)
    assert np.allclose(METHODS["entropy"](histogram(even), False), (-1, 1), atol=0.01)
    tail = histogram(np.append(even, np.float32(20)))
    assert METHODS["entropy"](tail, True)[1] < 4 < METHODS["minmax"](tail, True)[1]
    saturated = histogram(np.minimum(np.abs(long_tailed()), 6))
    assert METHODS["entropy"](saturated, False)[1] == 6, "a ReLU6's largest value is its most frequent one"


def test_a_tensor_that_is_always_zero_has_no_range() -> None:
    silent = histogram(np.zeros(5, np.float32))
    assert {choose(silent, symmetric) for choose in METHODS.values() for symmetric in (False, True)} == {
        (0.0, 0.0)
    }


@pytest.fixture(scope="module")
def ranges(float_onnx: Path, calibration: CalibrationSet) -> Ranges:
    return collect_ranges(float_onnx, calibration)


def test_what_the_network_computes_has_a_range_and_preprocessing_has_not(
    ranges: Ranges, float_onnx: Path
) -> None:
    assert ranges.faces == 40
    names = list(ranges.histograms)
    nodes = {node.output[0]: node.name for node in onnx.load(float_onnx).graph.node}
    assert nodes[names[0]].startswith("preprocess/"), "the network's own input"
    assert not any(nodes[name].startswith("preprocess/") for name in names[1:])
    assert len(names) == 1 + sum(not name.startswith("preprocess/") for name in nodes.values())
    low, high = ranges.limits()[names[-1]]
    assert low == 0 and 0.3 < high <= 1, "probabilities"


def test_the_ranges_of_a_beginning_are_those_of_a_set_of_its_own(
    ranges: Ranges, float_onnx: Path, calibration: CalibrationSet
) -> None:
    beginning = CalibrationSet(calibration.images[:30], calibration.name, calibration.indices[:30])
    passed, whole = collect_on_the_way(float_onnx, calibration, [30, 40])
    assert (passed.faces, whole.faces) == (30, 40)
    for found, alone in ((passed, collect_ranges(float_onnx, beginning)), (whole, ranges)):
        assert found.limits("mse") == alone.limits("mse")
        assert found.limits() == alone.limits()
    assert passed.limits("mse") != whole.limits("mse")


def test_an_unknown_method_is_refused(ranges: Ranges) -> None:
    with pytest.raises(UsageError, match="guess"):
        ranges.limits("guess")


def test_a_network_that_overflows_is_refused(
    float_onnx: Path, calibration: CalibrationSet, tmp_path: Path
) -> None:
    model = onnx.load(float_onnx)
    weight = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * 3e38, weight.name))
    onnx.save(model, tmp_path / "large.onnx")
    with pytest.raises(DataError, match=r"0.*infinite or not a number on image 0"):
        collect_ranges(tmp_path / "large.onnx", calibration)


PEAK = """
import resource, sys
from pathlib import Path
import numpy as np
from edgefer_calibration import CalibrationSet, collect_ranges

class Drawn:
    def __init__(self, count):
        self.shape, self.dtype = (count, 48, 48, 3), np.dtype(np.uint8)
    def __len__(self):
        return self.shape[0]
    def __getitem__(self, key):
        return np.stack([np.random.default_rng(i).integers(0, 256, (48, 48, 3), np.uint8)
                         for i in range(*key.indices(len(self)))])

def peak(count):
    collect_ranges(Path(sys.argv[1]), CalibrationSet(Drawn(count), "noise", np.arange(count)))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

few, many = peak(64), peak(640)
print(many - few)
"""


def test_memory_does_not_grow_with_the_set(float_onnx: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(float_onnx)], capture_output=True, text=True, check=True
    )
    # 576 more faces give 72 MB of activations, and 4 MB as pictures.
    assert float(done.stdout) < 8, "MB"

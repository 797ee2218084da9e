"""Modules, their sensitivity and the search for float islands, where INT8 breaks a network in two places."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from edgefer_calibration import CalibrationSet, Ranges, collect_ranges, quantize
from edgefer_calibration.budget import Trial, search
from edgefer_calibration.modules import Module, float_weights, quantized_modules
from edgefer_calibration.sensitivity import Error, Sensitivity, error_of, rank_modules
from edgefer_export import export_onnx
from edgefer_export.sessions import onnxruntime_session
from edgefer_runtime.contract import InputContract
from edgefer_runtime.preprocess import preprocess

CONTRACT = InputContract(32, 32, "RGB", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
PLANTED = ("widen", "narrow")
STRETCH = 3000.0
"""One channel between the two is so many times as large as the others: one range for all of them leaves the
others hardly a step. ``narrow`` divides it again, so the float network computes what it would without."""


def layer(inputs: int, outputs: int, kernel: int = 1) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), relu=nn.ReLU())
    )


def planted_network(stretch: float, images: NDArray[np.uint8]) -> nn.Module:
    """Tells ``images`` apart, each feature counted from its mean over them."""
    torch.manual_seed(0)
    network = nn.Sequential(
        OrderedDict(
            stem=layer(3, 16, 3),
            body=nn.Sequential(
                OrderedDict(first=layer(16, 16), second=layer(16, 16, 3), third=layer(16, 16))
            ),
            widen=layer(16, 24),
            narrow=layer(24, 16),
            head=nn.Sequential(OrderedDict(first=layer(16, 16, 3), second=layer(16, 16))),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            classify=nn.Linear(16, 4),
        )
    ).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    with torch.no_grad():
        features = network[:-1](torch.from_numpy(preprocess(images, CONTRACT)))
        network.classify.weight.normal_().div_(features.std(dim=0) + features.std() / 10)
        network.classify.bias.copy_(-network.classify.weight @ features.mean(dim=0))
        for parameter in (network.widen.conv.weight, network.widen.conv.bias):
            parameter[5] = parameter[5].abs() * stretch
        network.narrow.conv.weight[:, 5] /= stretch
    return network


@dataclass(frozen=True)
class Workbench:
    """A float graph, and what engines quantized from it answer to the calibration faces."""

    float_onnx: Path
    calibration: CalibrationSet
    ranges: Ranges
    modules: list[Module]

    def answers(self, islands: Sequence[Module]) -> NDArray[np.float32]:
        names = [name for module in islands for name in module.float_modules]
        out = self.float_onnx.with_name("quantized.onnx")
        made = quantize(
            "openvino", self.float_onnx, self.calibration, out, float_modules=names, ranges=self.ranges
        )
        return onnxruntime_session(made.path)(self.calibration.images)

    def reference(self) -> NDArray[np.float32]:
        return onnxruntime_session(self.float_onnx)(self.calibration.images)

    def error(self, quantized: Sequence[Module]) -> Error:
        others = [module for module in self.modules if module not in quantized]
        return error_of(self.reference(), self.answers(others))

    def attempt(self, islands: Sequence[Module]) -> Trial:
        error = error_of(self.reference(), self.answers(islands))
        return Trial(tuple(module.name for module in islands), error.flips, error.flips, error.kl)


@pytest.fixture(scope="module")
def workbench(
    tmp_path_factory: pytest.TempPathFactory, calibration: CalibrationSet
) -> Callable[[float], Workbench]:
    made: dict[float, Workbench] = {}

    def make(stretch: float) -> Workbench:
        if stretch not in made:
            folder = tmp_path_factory.mktemp("planted")
            path = export_onnx(
                planted_network(stretch, calibration.images),
                contract=CONTRACT,
                classes=4,
                output="logits",
                path=folder / "float.onnx",
            )
            ranges = collect_ranges(path, calibration)
            recipe = quantize("openvino", path, calibration, folder / "plain.onnx", ranges=ranges).recipe
            made[stretch] = Workbench(path, calibration, ranges, quantized_modules(onnx.load(path), recipe))
        return made[stretch]

    return make


def test_modules_are_the_authors_and_in_the_networks_order(workbench: Callable[[float], Workbench]) -> None:
    modules = workbench(STRETCH).modules
    assert [module.name for module in modules] == [
        "stem",
        "body.first",
        "body.second",
        "body.third",
        "widen",
        "narrow",
        "head.first",
        "head.second",
    ]
    assert [module.layers for module in modules] == [1] * 8 and not any(module.also for module in modules)
    assert [module.weights for module in modules] == [432, 256, 2304, 256, 384, 384, 2304, 256]
    # Per point of the map: 6,576 multiply-adds and 259 numbers read or written in all.
    assert modules[0].work == pytest.approx((27 * 16 / 6576 + 19 / 259) / 2)
    assert modules[2].work == pytest.approx((144 * 16 / 6576 + 32 / 259) / 2)
    assert sum(module.work for module in modules) == pytest.approx(1)


@pytest.mark.parametrize("at_most", [1, 5, 6, 7])
def test_the_tree_of_modules_is_opened_as_far_as_asked(
    workbench: Callable[[float], Workbench], at_most: int
) -> None:
    bench = workbench(STRETCH)
    recipe = {"operators": ["Conv", "Relu"], "float_islands": []}
    modules = quantized_modules(onnx.load(bench.float_onnx), recipe, at_most=max(at_most, 5))
    assert len(modules) <= max(at_most, 5) and sum(module.layers for module in modules) == 8
    body = next(module for module in modules if module.name.startswith("body"))
    assert body.name == ("body" if at_most < 7 else "body.first")


def test_an_activation_elsewhere_belongs_to_the_layer_before_it(float_onnx: Path) -> None:
    recipe = {"operators": ["Conv", "Clip"], "float_islands": ["0/Conv", "1/Clip"]}
    modules = quantized_modules(onnx.load(float_onnx), recipe)
    assert float_weights(onnx.load(float_onnx), modules) == (216, 216 + 72 + 128 + 144 + 256 + 256)
    assert [module.float_modules for module in modules] == [
        ("2", "3"),
        ("4", "5"),
        ("6", "7"),
        ("8", "9"),
        ("10", "11"),
    ]


def test_errors_of_answers() -> None:
    before = np.array([[0.5, 0.5], [0.9, 0.1]])
    assert error_of(before, before) == Error(sqnr_db=None, kl=0.0, flips=0.0)
    found = error_of(before, np.array([[0.5, 0.5], [0.4, 0.6]]))
    assert found.flips == 50
    assert found.kl == pytest.approx((0.9 * math.log(0.9 / 0.4) + 0.1 * math.log(0.1 / 0.6)) / 2)
    assert found.sqnr_db == pytest.approx(10 * math.log10((0.5 + 0.82) / 0.5))
    assert math.isfinite(error_of(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).kl)


def test_the_planted_modules_are_ranked_worst_and_picked(workbench: Callable[[float], Workbench]) -> None:
    bench = workbench(STRETCH)
    assert len(np.unique(bench.reference().argmax(axis=1))) > 1, "one class for all proves nothing"
    ranked = rank_modules(bench.modules, bench.error)
    assert {entry.module.name for entry in ranked[:2]} == {*PLANTED}
    assert ranked[1].error.kl > 100 * ranked[2].error.kl
    found = search(ranked, bench.attempt, max_drop=5, most_weights=2000, in_time=lambda: True)
    assert found.kept is not None and {*found.kept.float_modules} == {*PLANTED} and found.finished
    assert found.trials[0].points > 20 and found.kept.points <= 5
    assert len(found.trials) <= 5


def test_a_healthy_network_is_left_alone(workbench: Callable[[float], Workbench]) -> None:
    bench = workbench(1.0)
    ranked = rank_modules(bench.modules, bench.error)
    found = search(ranked, bench.attempt, max_drop=5, most_weights=2000, in_time=lambda: True)
    assert found.kept == found.trials[0] and len(found.trials) == 1 and found.kept.float_modules == ()


def planted_errors(errors: Sequence[float]) -> list[Sensitivity]:
    return [
        Sensitivity(Module(f"m{index}", (), 1, 1, 1 / len(errors)), Error(None, error, 0.0))
        for index, error in enumerate(errors)
    ]


def adding_up(ranked: Sequence[Sensitivity]) -> Callable[[Sequence[Module]], Trial]:
    def attempt(islands: Sequence[Module]) -> Trial:
        left = sum(entry.error.kl for entry in ranked if entry.module not in islands)
        return Trial(tuple(module.name for module in islands), left, left, left)

    return attempt


@settings(max_examples=200, deadline=None)
@given(
    errors=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    share=st.floats(0, 1),
    most=st.integers(0, 40),
)
def test_where_errors_add_up_the_fewest_islands_are_found_in_few_trials(
    errors: list[float], share: float, most: int
) -> None:
    ranked, budget = planted_errors(errors), share * sum(errors)
    found = search(ranked, adding_up(ranked), max_drop=budget, most_weights=most, in_time=lambda: True)
    descending = sorted(errors, reverse=True)
    needed = next(
        (number for number in range(min(most, len(errors)) + 1) if sum(descending[number:]) <= budget), None
    )
    assert found.finished
    if needed is None:
        assert found.kept is None and found.best.upper > budget
        assert found.best.upper == min(trial.upper for trial in found.trials)
    else:
        assert found.kept is not None and found.kept.upper <= budget
        assert len(found.kept.float_modules) <= needed
        assert len(found.trials) <= 2 * math.log2(len(errors) + 1) + 3 + needed
    assert len({trial.float_modules for trial in found.trials}) == len(found.trials)


def test_a_small_harm_that_costs_much_stays_in_int8() -> None:
    harms = [(0.5, 0.02), (0.45, 0.9), (0.4, 0.02)]
    ranked = [
        Sensitivity(Module(f"m{index}", (), 1, 1, work), Error(None, error, 0.0))
        for index, (error, work) in enumerate(harms)
    ]
    found = search(ranked, adding_up(ranked), max_drop=0.5, most_weights=3, in_time=lambda: True)
    assert found.kept is not None and found.kept.float_modules == ("m0", "m2")


def test_what_is_not_needed_after_all_goes_back_to_int8() -> None:
    ranked = planted_errors([0.9, 0.8, 0.7, 0.6])

    def attempt(islands: Sequence[Module]) -> Trial:
        # The second and the third harm each other: alone they look no worse than the first.
        names = tuple(module.name for module in islands)
        left = 0.1 if {"m1", "m2"} <= {*names} else 1.0
        return Trial(names, left, left, left)

    found = search(ranked, attempt, max_drop=0.5, most_weights=4, in_time=lambda: True)
    assert found.kept is not None and found.kept.float_modules == ("m1", "m2")


@pytest.mark.parametrize("attempts", [0, 1, 2, 4])
def test_a_search_whose_time_is_up_says_so_and_gives_what_it_has(attempts: int) -> None:
    ranked = planted_errors([1.0] * 16)
    calls = count()
    found = search(
        ranked, adding_up(ranked), max_drop=8.5, most_weights=16, in_time=lambda: next(calls) < attempts
    )
    assert len(found.trials) == attempts + 1 and not found.finished
    # One, two and four are too few, eight are enough.
    assert (found.kept is not None) == (attempts == 4)
    assert len(found.best.float_modules) == (0, 1, 2, 8, 8)[attempts]

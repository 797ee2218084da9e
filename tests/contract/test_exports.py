"""Every model of the zoo, with every switch: exported, checked, and built for every target, in one body."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from edgefer.data import load
from edgefer.models import MODELS, ModelSpec
from edgefer.training.predict import preprocess
from edgefer_export import export_onnx, targets
from edgefer_export.certificate import require
from edgefer_export.checks import check_engine, reference, run_checks

CLASSES = 7
REPEATED = {("gmslpa", "shared-patch"), ("gmslpa", "resnet18")}
"""Their switches are also thrown in gmslpa's other two variants, and each of the four takes a minute."""
VARIANTS = [
    (spec, variant)
    for spec in MODELS.values()
    for variant in spec.variants
    if variant not in spec.research_variants and (spec.name, variant) not in REPEATED
]


@pytest.fixture(scope="module")
def faces() -> NDArray[np.uint8]:
    """Seven: what the checks need."""
    return load("synthfer:test[:7]").images


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "variant"), VARIANTS, ids=lambda value: getattr(value, "name", value))
def test_a_model_reaches_every_target_unchanged(
    spec: ModelSpec, variant: str, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    network = settled(spec, variant, faces)
    graph = export_onnx(
        network,
        contract=spec.contract,
        classes=CLASSES,
        output=spec.output,
        path=tmp_path / "float.onnx",
        batch=None,
    )
    checks = run_checks(network, graph, faces, contract=spec.contract, output=spec.output)
    require(checks)
    assert {check.name.partition("/")[0] for check in checks} >= {"operators", "batch-invariance", "parity"}

    expected = reference(network, faces, spec.contract, spec.output)
    assert np.ptp(expected, axis=0).max() > 1e-3, "all faces get the same answer, so parity proves nothing"
    for name in targets.installed():
        target = targets.get(name)
        require(check_engine(target, target.build(graph, "fp32", tmp_path / name), "fp32", faces, expected))


def settled(spec: ModelSpec, variant: str, faces: NDArray[np.uint8]) -> nn.Module:
    """A network whose normalisations have seen the faces, so that its scores have a natural size."""
    torch.manual_seed(0)
    network = spec.build(variant, CLASSES)
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.momentum = None
    with torch.no_grad():
        network.train()(preprocess(torch.from_numpy(faces), spec.contract))
    return network.eval()

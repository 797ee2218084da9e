"""Transposed convolutions become plain ones that compute the same; those of another form stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer.models import get
from edgefer_export import export_onnx
from edgefer_export.passes.transposed_as_plain import transposed_as_plain
from edgefer_export.sessions import onnxruntime_session, openvino_session
from edgefer_export.targets import get as get_target
from edgefer_runtime.contract import InputContract

from .conftest import CLASSES, CONTRACT

GREY = InputContract(64, 64, "GRAY", (0.0,), (255.0,))


def doubling(channels: int = 3, *, stride: int = 2, padding: int = 1, extra: int = 1) -> nn.Module:
    """A convolution, a transposed one of its channels, another of four; single points of the result count."""

    class Doubling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shrink = nn.Conv2d(3, channels, 3, stride=4)
            self.grow = nn.ConvTranspose2d(channels, 4, 3, stride, padding, extra)
            self.again = nn.ConvTranspose2d(4, 1, 3, stride, padding, extra)
            self.classify = nn.AdaptiveAvgPool2d((1, CLASSES))

        def forward(self, images: Tensor) -> Tensor:
            maps: Tensor = self.again(torch.relu(self.grow(self.shrink(images))))
            return maps[:, 0, 5:6, 3 : 3 + CLASSES].flatten(1) + maps.mean((1, 2, 3))[:, None]

    torch.manual_seed(0)
    return Doubling().eval()


def export(network: nn.Module, folder: Path, contract: InputContract = CONTRACT) -> Path:
    return export_onnx(
        network, contract=contract, classes=CLASSES, output="logits", path=folder / "float.onnx"
    )


def differences(before: Path, after: onnx.ModelProto, faces: NDArray[np.uint8]) -> float:
    noise = np.random.default_rng(0).integers(0, 256, faces.shape, np.uint8)
    rewritten = after.SerializeToString()
    return max(
        float(np.abs(session(rewritten)(images) - session(before)(images)).max())
        for session in (onnxruntime_session, openvino_session)
        for images in (faces, noise)
    )


def test_the_plain_form_computes_the_same(faces: NDArray[np.uint8], tmp_path: Path) -> None:
    path = export(doubling(), tmp_path)
    model = onnx.load(path)
    assert transposed_as_plain(model) == 2
    kinds = [node.op_type for node in model.graph.node]
    assert "ConvTranspose" not in kinds and kinds.count("DepthToSpace") == 2
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, strict_mode=True)
    assert differences(path, model, faces) < 1e-6
    assert transposed_as_plain(model) == 0


@pytest.mark.parametrize(
    ("network", "left"),
    [
        (doubling(stride=1, extra=0), ["grow", "again"]),
        (doubling(padding=0), ["grow", "again"]),
        (doubling(channels=64), ["grow"]),
        (doubling(extra=0), ["grow", "again"]),
    ],
    ids=["another stride", "other padding", "many channels", "one pixel less than double"],
)
def test_what_does_not_fit_is_left_alone(network: nn.Module, left: list[str], tmp_path: Path) -> None:
    model = onnx.load(export(network, tmp_path))
    assert transposed_as_plain(model) == 2 - len(left)
    transposed = [node.name for node in model.graph.node if node.op_type == "ConvTranspose"]
    assert transposed == [f"{module}/ConvTranspose" for module in left]


def test_an_odd_map_of_lanmsff_keeps_its_transposed_convolution(
    faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    """At 48 pixels 2 x 2 points become 3 x 3, not 4 x 4: one of the four is left as it is."""
    torch.manual_seed(0)
    network = get("lanmsff").build("full", CLASSES)
    path = export(network, tmp_path, InputContract(48, 48, "GRAY", (0.0,), (255.0,)))
    model = onnx.load(get_target("openvino").prepare(path, tmp_path))
    transposed = [node.name for node in model.graph.node if node.op_type == "ConvTranspose"]
    assert transposed == ["blocks.3.1.spatial.4/ConvTranspose"]
    assert differences(path, model, faces) < 1e-6
    images = torch.from_numpy(faces.copy())
    pixels = nn.functional.interpolate(images.permute(0, 3, 1, 2).float(), (48, 48), mode="bilinear")
    grey = (pixels * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    with torch.no_grad():
        expected = network.eval()(grey / 255).softmax(1)
    found = np.concatenate([onnxruntime_session(path)(faces[i : i + 1]) for i in range(len(faces))])
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_openvino_gets_lanmsff_without_transposed_convolutions(
    faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    path = export(get("lanmsff").build("full", CLASSES), tmp_path, GREY)
    prepared = get_target("openvino").prepare(path, tmp_path)
    model = onnx.load(prepared)
    assert "ConvTranspose" in {node.op_type for node in onnx.load(path).graph.node}
    assert "ConvTranspose" not in {node.op_type for node in model.graph.node}
    assert differences(path, model, faces) < 1e-6

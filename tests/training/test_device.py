"""Devices and precision."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgefer.models.pattlite import PAttLite
from edgefer.training.device import choose_device, keep_strided_depthwise_in_float32
from edgefer_runtime.errors import DeviceError


def test_auto_means_cuda_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there_is_a_device_error():
    with pytest.raises(DeviceError, match="no CUDA device"):
        choose_device("cuda")


def test_strided_depthwise_layers_compute_in_float32():
    torch.manual_seed(0)
    network = PAttLite(7)
    expected = [name for name, layer in network.named_modules() if is_strided_depthwise(layer)]
    keep_strided_depthwise_in_float32(network)
    dtypes: dict[str, torch.dtype] = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, out, name=name: dtypes.__setitem__(name, out.dtype))
    faces = torch.randn(4, 3, 96, 96)
    with torch.autocast("cpu", torch.bfloat16):
        loss = F.cross_entropy(network(faces).float(), torch.arange(4))
    loss.backward()
    assert [name for name, dtype in dtypes.items() if dtype == torch.float32] == expected
    assert all(parameter.grad is not None for parameter in network.parameters())


def is_strided_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1 and layer.stride[0] > 1

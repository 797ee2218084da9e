"""Devices, precision, and the layers that a CPU must not compute in bfloat16."""

import os

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgefer.models import get
from edgefer.training.accelerator import choose_device
from edgefer.training.device import choose_precision, keep_in_float32, surroundings
from edgefer.training.processes import Place
from edgefer_runtime.errors import DeviceError

CPU = torch.device("cpu")


def test_auto_means_cuda_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there_is_a_device_error(devices):
    with pytest.raises(DeviceError, match=f"no CUDA device\nexpected: {devices} NVIDIA"):
        choose_device("cuda", Place(devices))


def test_precision_is_what_is_asked_for_or_what_the_hardware_multiplies():
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert choose_precision("auto", CPU) == ("bfloat16" if fast else "float32")
    for asked in ("float32", "bfloat16", "float16"):
        assert choose_precision(asked, CPU) == asked


def test_nothing_is_left_of_the_surroundings():
    before = dict(os.environ), torch.get_num_threads(), torch.get_rng_state().tolist()
    with surroundings(Place(devices=2, port=5), CPU):
        assert os.environ["MASTER_PORT"] == "5"
        torch.randn(3)
    assert (dict(os.environ), torch.get_num_threads(), torch.get_rng_state().tolist()) == before


def gradients(network: nn.Module, *size: int) -> dict[str, torch.dtype]:
    """Types of all convolutions' outputs in a step in bfloat16 that leaves gradients everywhere."""
    network.to(memory_format=torch.channels_last)
    dtypes: dict[str, torch.dtype] = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, out, name=name: dtypes.__setitem__(name, out.dtype))
    faces = torch.randn(size).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = F.cross_entropy(network(faces).float(), torch.arange(len(faces)) % 7)
    loss.backward()
    return dtypes


def test_strided_depthwise_layers_compute_in_float32():
    torch.manual_seed(0)
    network = get("pattlite").build("head", 7)
    keep_in_float32(network)
    dtypes = gradients(network, 4, 3, 96, 96)
    strided = [name for name, layer in network.named_modules() if is_strided_depthwise(layer)]
    assert [name for name, dtype in dtypes.items() if dtype == torch.float32] == strided
    assert all(parameter.grad is not None for parameter in network.parameters())


def is_strided_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1 and layer.stride[0] > 1


def test_lanmsffs_gradients_are_finite_in_bfloat16():
    """Its dilated convolutions have 33 to 84 channels, with which oneDNN's gradient is NaN."""
    torch.manual_seed(0)
    network = get("lanmsff").build("full", 7)
    keep_in_float32(network)
    dtypes = gradients(network, 16, 1, 64, 64)
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    assert {dtypes[name] for name in dtypes if "dilated" not in name} == {torch.bfloat16}

"""MobileNetV1 in Keras' and in timm's naming against a forward pass written out from the definition."""

import sys

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from edgefer.models import get
from edgefer.training.pretrained import load_pretrained
from edgefer_runtime.errors import DataError, MissingError

PATTLITE = get("pattlite")
WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
STRIDED = (2, 4, 6, 12)


def keras_layers(width: float = 1.0):
    """Layer -> variable -> array, as keras.applications.MobileNet has them (kernels H x W x in x out)."""
    rng = np.random.default_rng(0)

    def kernel(*shape):
        return rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape).astype(np.float32)

    def norm(channels):
        around = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
        return {
            name: (middle + rng.uniform(-0.5, 0.5, channels)).astype(np.float32)
            for name, middle in around.items()
        }

    channels = int(32 * width)
    layers = {"conv1": {"kernel": kernel(3, 3, 3, channels)}, "conv1_bn": norm(channels), "conv1_relu": {}}
    for number, outputs in enumerate((int(width * each) for each in WIDTHS), 1):
        if number in STRIDED:
            layers[f"conv_pad_{number}"] = {}
        depthwise = 4 * kernel(3, 3, channels, 1) * channels**0.5 / 4
        layers[f"conv_dw_{number}"] = {"depthwise_kernel": depthwise}
        layers[f"conv_dw_{number}_bn"] = norm(channels)
        layers[f"conv_pw_{number}"] = {"kernel": kernel(1, 1, channels, outputs)}
        layers[f"conv_pw_{number}_bn"] = norm(outputs)
        channels = outputs
    preds = {"kernel": kernel(1, 1, channels, 10), "bias": np.zeros(10, np.float32)}
    return {**layers, "conv_preds": preds}


def write_keras(path, layers, *, whole_model: bool = False):
    """The layout of keras.applications' weights files, or of a saved model with its optimizer's moments."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        root.attrs["layer_names"] = [name.encode() for name in layers]
        root.attrs["backend"] = b"tensorflow"
        for name, variables in layers.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{variable}:0".encode() for variable in variables]
            for variable, value in variables.items():
                group.create_dataset(f"{name}/{variable}:0", data=value)
        if whole_model:
            moments = file.create_group("optimizer_weights")
            for name, variables in layers.items():
                for variable, value in variables.items():
                    moments.create_dataset(f"Adam/{name}/{variable}:0", data=np.full_like(value, 9))
            moments.create_dataset("iterations:0", data=3.0)
    return path


def definition(layers, images, epsilon: float):
    """Sums over h, w and input channels, spelled out; convolutions 1 to dw9 of MobileNetV1 (Table 1)."""

    def patches(x, size, stride):
        columns = F.unfold(x, size, padding=size // 2, stride=stride)
        return columns.reshape(len(x), x.shape[1], size, size, -1)

    def norm_relu6(x, name, side):
        gamma, beta, mean, variance = (torch.from_numpy(layers[f"{name}_bn"][each])[:, None] for each in NORM)
        out = (x - mean) / torch.sqrt(variance + epsilon) * gamma + beta
        return out.clip(0, 6).reshape(len(x), -1, side, side)

    def convolve(x, name, size, stride):
        kernel = torch.from_numpy(layers[name]["kernel"])
        sums = torch.einsum("nchwl,hwco->nol", patches(x, size, stride), kernel)
        return norm_relu6(sums, name, -(-x.shape[2] // stride))

    x = convolve(images, "conv1", 3, 2)
    for number in range(1, 10):
        stride = 2 if number in STRIDED else 1
        kernel = torch.from_numpy(layers[f"conv_dw_{number}"]["depthwise_kernel"])[..., 0]
        sums = torch.einsum("nchwl,hwc->ncl", patches(x, 3, stride), kernel)
        x = norm_relu6(sums, f"conv_dw_{number}", -(-x.shape[2] // stride))
        if number < 9:
            x = convolve(x, f"conv_pw_{number}", 1, 1)
    return x


NORM = ("gamma", "beta", "moving_mean", "moving_variance")
TIMM_BLOCKS = ("0.0", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "4.0", "4.1")


def as_timm(layers):
    """The same weights as timm's mobilenetv1_100 calls and lays them out."""
    renamed = {"conv1": ("conv_stem", "bn1")}
    for number, block in enumerate(TIMM_BLOCKS, 1):
        renamed[f"conv_dw_{number}"] = (f"blocks.{block}.conv_dw", f"blocks.{block}.bn1")
        renamed[f"conv_pw_{number}"] = (f"blocks.{block}.conv_pw", f"blocks.{block}.bn2")
    state = {"classifier.weight": torch.zeros(10, 1024), "classifier.bias": torch.zeros(10)}
    for name, (conv, bn) in renamed.items():
        (kernel,) = layers[name].values()
        axes = (2, 3, 0, 1) if "dw" in name else (3, 2, 0, 1)
        state[f"{conv}.weight"] = torch.from_numpy(kernel.transpose(axes).copy())
        for ours, theirs in zip(("weight", "bias", "running_mean", "running_var"), NORM, strict=True):
            state[f"{bn}.{ours}"] = torch.from_numpy(layers[f"{name}_bn"][theirs])
    return state


@pytest.fixture(scope="module")
def layers():
    return keras_layers()


@pytest.fixture
def network() -> nn.Module:
    return PATTLITE.build("none", 7).eval()


def check_trunk(network, layers, epsilon):
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected, found = definition(layers, images, epsilon), network.trunk(images)
    assert expected.std() > 0.2 and (expected > 0).float().mean() > 0.2
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("whole_model", [False, True], ids=["weights", "model"])
def test_keras_mobilenet_becomes_the_trunk_of_pattlite(tmp_path, layers, network, whole_model):
    path = write_keras(tmp_path / "mobilenet_1_0_224_tf.h5", layers, whole_model=whole_model)
    report = load_pretrained(path, network, PATTLITE)
    check_trunk(network, layers, 1e-3)
    assert report.source == "MobileNetV1 of width 1, named as in Keras"
    assert len(report.matched) == 18 * 5
    assert report.matched["trunk.17.1.running_var"] == "conv_dw_9_bn.running_var"
    assert {*report.skipped} >= {"conv_pw_9.weight", "conv_preds.bias"} and len(report.skipped) == 47
    assert "15 pixels" in report.notes[0] and len(report.notes) == 1


def test_timm_mobilenet_becomes_the_trunk_of_pattlite(tmp_path, layers, network):
    save_file(as_timm(layers), tmp_path / "model.safetensors")
    report = load_pretrained(tmp_path / "model.safetensors", network, PATTLITE)
    check_trunk(network, layers, 1e-5)
    assert report.source == "MobileNetV1 of width 1, named as in timm"
    assert report.matched["trunk.12.0.weight"] == "blocks.3.0.conv_pw.weight"
    assert (len(report.matched), len(report.skipped), report.notes) == (90, 47, ())


def test_small_variances_survive_the_other_epsilon(tmp_path, layers, network):
    """Where a variance is below both epsilons, they decide what the normalisation makes of its input."""
    norm = {**layers["conv1_bn"], "moving_variance": np.full(32, 1e-6, np.float32)}
    save_file(as_timm({**layers, "conv1_bn": norm}), tmp_path / "model.safetensors")
    load_pretrained(tmp_path / "model.safetensors", network, PATTLITE)
    maps = torch.randn(1, 32, 4, 4)
    gamma, beta, mean, variance = (torch.from_numpy(norm[name])[:, None, None] for name in NORM)
    expected = (maps - mean) / torch.sqrt(variance + 1e-5) * gamma + beta
    torch.testing.assert_close(network.trunk[0][1](maps), expected, rtol=1e-4, atol=1e-4)


def test_another_width_is_another_architecture(tmp_path, network):
    path = write_keras(tmp_path / "mobilenet_5_0_224_tf.h5", keras_layers(0.5))
    with pytest.raises(DataError, match=r"looks like MobileNetV1 of width 0\.5, 0% of the trunk") as caught:
        load_pretrained(path, network, PATTLITE)
    assert caught.value.expected == "MobileNetV1 of width 1"


def test_weights_of_keras_3_that_name_no_layers_are_refused(tmp_path, network):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        file.create_dataset("layers/conv2d/vars/0", data=np.zeros((3, 3, 3, 32), np.float32))
    with pytest.raises(DataError, match="Keras 3 saved, which do not name their layers"):
        load_pretrained(tmp_path / "a.weights.h5", network, PATTLITE)


@pytest.mark.parametrize("share", [0.0002, 0.1, 0.9])
def test_truncated_files_are_refused(tmp_path, layers, network, share):
    path = write_keras(tmp_path / "cut.h5", layers)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="cannot be read as a weights file"):
        load_pretrained(path, network, PATTLITE)


def test_weights_that_lie_in_another_file_are_refused(tmp_path, network):
    (tmp_path / "secret").write_bytes(bytes(3 * 3 * 3 * 32 * 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        elsewhere = [(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("conv1/conv1/kernel:0", (3, 3, 3, 32), np.float32, external=elsewhere)
    with pytest.raises(DataError, match="lies in another file"):
        load_pretrained(tmp_path / "a.h5", network, PATTLITE)


def test_without_h5py_the_command_that_gets_it_is_named(tmp_path, layers, network, monkeypatch):
    path = write_keras(tmp_path / "a.h5", layers)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingError, match=r'(?s)h5py.*pip install "edgefer\[keras\]"'):
        load_pretrained(path, network, PATTLITE)

"""ResNets in torchvision's naming: what fits is taken, what does not is told, and no file runs code."""

import json
import os
from dataclasses import replace
from functools import cache

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgefer.models import get
from edgefer.training.pretrained import load_pretrained
from edgefer_runtime.errors import DataError, UsageError

DSAN, GMSLPA = get("dsan"), get("gmslpa")


class Unit(nn.Module):
    """A residual unit straight from He et al. 2016, with torchvision's attribute names."""

    def __init__(self, inputs, planes, stride, expansion):
        super().__init__()
        sizes = [3, 3] if expansion == 1 else [1, 3, 1]
        widths = [inputs, *[planes] * (len(sizes) - 1), planes * expansion]
        for number, size in enumerate(sizes, 1):
            strided = stride if number == (1 if expansion == 1 else 2) else 1
            conv = nn.Conv2d(widths[number - 1], widths[number], size, strided, size // 2, bias=False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", nn.BatchNorm2d(widths[number]))
        self.depth = len(sizes)
        if stride > 1 or inputs != planes * expansion:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, planes * expansion, 1, stride, bias=False),
                nn.BatchNorm2d(planes * expansion),
            )

    def forward(self, x):
        out = x
        for number in range(1, self.depth + 1):
            out = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(out))
            out = out.relu() if number < self.depth else out
        return (out + (self.downsample(x) if hasattr(self, "downsample") else x)).relu()


class ResNet(nn.Module):
    def __init__(self, expansion, counts, channels=3):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, count in enumerate(counts):
            units = []
            for number in range(count):
                units.append(Unit(inputs, 64 << stage, 2 if stage and not number else 1, expansion))
                inputs = (64 << stage) * expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*units))
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x, stages):
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for stage in range(1, stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return x


@cache
def trained(expansion, counts, channels=3) -> ResNet:
    """Random weights and statistics, as after a training."""
    torch.manual_seed(1)
    network = ResNet(expansion, counts, channels).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def resnet18() -> ResNet:
    return trained(1, (2, 2, 2, 2))


@pytest.fixture(scope="module")
def resnet50() -> ResNet:
    return trained(4, (3, 4, 6, 3))


@pytest.fixture
def dsan() -> nn.Module:
    return DSAN.build(None, 7).eval()


@pytest.fixture(scope="module")
def untouched() -> nn.Module:
    """For the tests in which loading fails, and so must leave the network as it is."""
    return DSAN.build(None, 7).eval()


def saved(content, path):
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


def check_untouched(network: nn.Module, path, spec, error, match: str) -> DataError:
    """Loading must raise, and leave every weight as it was."""
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(error, match=match) as caught:
        load_pretrained(path, network, spec)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    return caught.value


@pytest.mark.parametrize("name", ["resnet18-f37072fd.pth", "model.safetensors"])
def test_a_resnet18_becomes_the_trunk_of_dsan(tmp_path, resnet18, dsan, name):
    report = load_pretrained(saved(resnet18.state_dict(), tmp_path / name), dsan, DSAN)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(dsan.trunk(images), resnet18(images, 4), rtol=1e-4, atol=1e-4)
    assert report.source == "ResNet-18, named as in torchvision"
    assert (len(report.matched), report.notes) == (100, ())
    assert report.matched["trunk.2.0.shortcut.1.running_var"] == "layer2.0.downsample.1.running_var"
    assert dict(report.skipped) == dict.fromkeys(["fc.weight", "fc.bias"], "the network has no such layer")
    assert not any(weight.startswith("trunk") for weight in report.fresh)
    assert "classify_local.bias" in report.fresh
    assert json.loads(json.dumps(report.to_json()))["matched"] == report.matched
    assert str(report).splitlines()[1:] == [
        "100 of 122 weights set from it",
        "left: fc (the network has no such layer)",
        "fresh: 22 weights in embed, attention, classify_global, local, classify_local",
    ]


def test_a_resnet50_becomes_trunk_local_networks_and_ends_of_gmslpa(tmp_path, resnet50):
    network = GMSLPA.build("shared-patch", 7).eval()
    report = load_pretrained(saved(resnet50.state_dict(), tmp_path / "r50.pth"), network, GMSLPA)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network.trunk(images), resnet50(images, 2), rtol=1e-4, atol=1e-4)
    local, whole = network.local.networks[0], network.whole
    for ours, theirs in (
        (local[0][1].body[0][1][0].weight, resnet50.layer3[1].conv2.weight),
        (local[1][1].body[0][2][1].bias, resnet50.layer4[1].bn3.bias),
        (local[1][0].shortcut[0].weight, resnet50.layer4[0].downsample[0].weight),
        (whole[0][1].body[0][0].weight, resnet50.layer3[1].conv1.weight),
        (whole[1][0].body[0][1].running_mean, resnet50.layer4[0].bn1.running_mean),
        (whole[0][0].shortcut[1].weight, resnet50.layer3[0].downsample[1].weight),
    ):
        assert torch.equal(ours, theirs)
    assert report.source.startswith("ResNet-50,")
    assert report.skipped["layer3.2.conv1.weight"] == "the network has no such layer"
    assert any(weight.endswith("body.1.conv.weight") for weight in report.fresh)


def test_each_local_network_of_a_resnet18_form_gets_the_same_weights(tmp_path, resnet18):
    network = GMSLPA.build("resnet18", 7).eval()
    load_pretrained(saved(resnet18.state_dict(), tmp_path / "r18.pth"), network, GMSLPA)
    for local in network.local.networks:
        assert torch.equal(local[0][0].body[0][1][0].weight, resnet18.layer3[0].conv2.weight)
    assert torch.equal(network.whole[1][1].body[0][0].weight, resnet18.layer4[1].conv1.weight)


WRAPPERS = {
    "training checkpoint": lambda state: {
        "epoch": 3,
        "state_dict": {f"module.{name}": value for name, value in state.items()},
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]},
        "best": torch.tensor(0.7),
    },
    "model": lambda state: {"model": state},
    "backbone": lambda state: {
        "net": {
            **{f"module.backbone.{name}": value for name, value in state.items()},
            "head.weight": state["fc.weight"],
        }
    },
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_wrappers_of_training_checkpoints_are_seen_through(tmp_path, resnet18, dsan, wrap, zipped):
    path = tmp_path / "checkpoint.pth.tar"
    torch.save(wrap(resnet18.state_dict()), path, _use_new_zipfile_serialization=zipped)
    assert len(load_pretrained(path, dsan, DSAN).matched) == 100
    assert torch.equal(dsan.trunk[4][1].body[1][0].weight, resnet18.layer4[1].conv2.weight)


def test_a_layer_of_another_shape_is_left_and_named(tmp_path, dsan):
    grey = trained(1, (2, 2, 2, 2), channels=1)
    report = load_pretrained(saved(grey.state_dict(), tmp_path / "grey.pth"), dsan, DSAN)
    assert report.skipped["conv1.weight"] == "64 x 1 x 7 x 7, where the network has 64 x 3 x 7 x 7"
    assert "trunk.0.0.0.weight" in report.fresh and len(report.matched) == 99


def test_other_input_than_the_weights_were_trained_with_is_noted(tmp_path, resnet18, dsan):
    path = saved(resnet18.state_dict(), tmp_path / "r18.pth")
    symmetric = replace(DSAN.contract, mean=(127.5,) * 3, std=(127.5,) * 3)
    (note,) = load_pretrained(path, dsan, replace(DSAN, contract=symmetric)).notes
    assert "123.675" in note and "127.5" in note


@pytest.mark.parametrize(
    ("expansion", "counts", "looks_like"),
    [
        (1, (3, 4, 6, 3), "ResNet-34, 53% of the trunk"),
        (4, (3, 4, 6, 3), "ResNet-50"),
        (1, (1, 1, 1, 1), r"a ResNet of \(1, 1, 1, 1\) basic units"),
    ],
)
def test_another_depth_is_another_architecture(tmp_path, untouched, expansion, counts, looks_like):
    path = saved(trained(expansion, counts).state_dict(), tmp_path / "other.pth")
    error = check_untouched(untouched, path, DSAN, DataError, looks_like)
    assert error.expected == "ResNet-18"


@pytest.mark.parametrize(
    ("names", "looks_like"),
    [
        (["features.0.weight", "classifier.6.bias"], "a VGG"),
        (["blocks.0.attn.qkv.weight"], "a transformer"),
        (["conv_stem.weight", "blocks.0.0.conv_dw.weight"], "MobileNetV1 of width 0.0625"),
        (["blocks.1.0.conv_pwl.weight"], "a MobileNetV2 or EfficientNet of timm's"),
        (["trunk.0.0.0.weight"], "a checkpoint of edgefer's own"),
        (["w"], "something else, with 1 tensors such as w"),
    ],
)
def test_strangers_are_named(tmp_path, untouched, names, looks_like):
    path = saved({name: torch.zeros(2, 2) for name in names}, tmp_path / "stranger.pth")
    check_untouched(untouched, path, DSAN, DataError, looks_like)


class Code:
    def __reduce__(self):
        return os.mkdir, (Code.target,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_code_in_a_file_is_not_run(tmp_path, resnet18, untouched, zipped):
    Code.target = str(tmp_path / "was here")
    path = tmp_path / "evil.pth"
    torch.save({**resnet18.state_dict(), "x": Code()}, path, _use_new_zipfile_serialization=zipped)
    error = check_untouched(untouched, path, DSAN, DataError, r"would run code, \S*mkdir")
    assert "torch.save(model.state_dict()" in error.action
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("share", [0, 0.00001, 0.3, 0.999])
def test_truncated_files_are_refused(tmp_path, untouched, name, share):
    path = saved({"layer1.0.conv1.weight": torch.zeros(300, 300), "b": torch.zeros(9)}, tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    check_untouched(untouched, path, DSAN, DataError, "cannot be read as a weights file")


@pytest.mark.parametrize("content", [b"\x80\x02]q\x00.", b"<html>not found</html>", b"PK\x03\x04" * 99])
def test_other_files_are_refused(tmp_path, untouched, content):
    (tmp_path / "a.pth").write_bytes(content)
    check_untouched(untouched, tmp_path / "a.pth", DSAN, DataError, "cannot be read|holds no tensors")


def test_missing_files_empty_ones_and_numbers_that_are_none(tmp_path, resnet18, untouched):
    check_untouched(untouched, tmp_path / "nothing.pth", DSAN, DataError, "No such file")
    check_untouched(untouched, saved({"epoch": 3}, tmp_path / "e.pth"), DSAN, DataError, "holds no tensors")
    state = {name: value.clone() for name, value in resnet18.state_dict().items()}
    state["layer3.1.bn1.bias"][5] = float("nan")
    path = saved(state, tmp_path / "nan.pth")
    check_untouched(untouched, path, DSAN, DataError, r"in layer3\.1\.bn1\.bias are NaN or infinite")


def test_models_without_a_published_backbone_say_so(tmp_path):
    with pytest.raises(UsageError, match="lanmsff has no backbone"):
        load_pretrained(tmp_path / "a.pth", nn.Module(), get("lanmsff"))

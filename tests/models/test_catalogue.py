"""Every model of the zoo through the same body."""

import subprocess
import sys

import pytest
import torch

from edgefer.models import MODELS, count, get, keras_total, macs
from edgefer_runtime.errors import UsageError

VARIANTS = [(spec, variant) for spec in MODELS.values() for variant in spec.variants]
each_variant = pytest.mark.parametrize(
    ("spec", "variant"), VARIANTS, ids=lambda value: getattr(value, "name", value)
)

TRAINABLE = {
    ("pattlite", "head"): (1_093_000, 1_093_033),
    ("pattlite", "none"): (1_092_999, 1_093_032),
}


@each_variant
def test_trainable_count_is_the_settled_one(spec, variant):
    assert (count(spec, variant, 7), count(spec, variant, 8)) == TRAINABLE[spec.name, variant]


def test_published_count_is_the_keras_total():
    spec = get("pattlite")
    assert keras_total(spec, classes=7) == spec.published_parameters == 1_102_664
    assert keras_total(spec, classes=8) == 1_102_697


def test_macs_of_pattlite():
    assert macs(get("pattlite")) == pytest.approx(336.8e6, abs=0.05e6)


@each_variant
def test_a_face_does_not_depend_on_its_batch(spec, variant):
    torch.manual_seed(0)
    network = spec.build(variant, 7).eval()
    contract = spec.contract
    faces = torch.randn(4, contract.channels, contract.height, contract.width)
    with torch.no_grad():
        alone, together, reversed_ = network(faces[:1]), network(faces[:2]), network(faces.flip(0))
    assert alone.shape == (1, 7)
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(reversed_[-1:], alone, atol=1e-5, rtol=0)
    assert (together[1] - alone[0]).abs().max() > 1e-5, "two different faces give the same logits"


def test_unknown_names_say_what_there_is():
    with pytest.raises(UsageError, match="pattlite"):
        get("patlite")
    with pytest.raises(UsageError, match="head, none"):
        get("pattlite").build("batch", 7)
    with pytest.raises(UsageError, match="at least 2"):
        get("pattlite").build("head", 1)


def test_every_leaked_row_says_why():
    for spec in MODELS.values():
        assert {row.tag for row in spec.published} <= {"usable", "leaked"}
        assert all(row.note for row in spec.published if row.tag == "leaked")
        assert any(row.tag == "usable" for row in spec.published)


def test_importing_the_zoo_imports_no_torch():
    code = "import sys, edgefer.models as m; m.get('pattlite'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

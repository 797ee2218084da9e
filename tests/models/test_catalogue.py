"""The catalogue of models: names, published rows, and what importing it costs."""

import subprocess
import sys

import pytest

from edgefer.models import MODELS, Counts, count, get, keras_total, macs
from edgefer_runtime.errors import UsageError


def test_unknown_names_say_what_there_is():
    with pytest.raises(UsageError, match="pattlite"):
        get("patlite")
    with pytest.raises(UsageError, match="head, none"):
        get("pattlite").build("bath", 7)
    with pytest.raises(UsageError, match="at least 2"):
        get("pattlite").build("head", 1)


def test_every_leaked_row_says_why():
    for spec in MODELS.values():
        assert {row.tag for row in spec.published} <= {"usable", "leaked", "doubtful"}
        assert all(row.note for row in spec.published if row.tag != "usable")
        assert any(row.tag == "usable" for row in spec.published)


def test_importing_the_zoo_imports_no_torch():
    code = "import sys, edgefer.models as m; m.get('pattlite'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name", MODELS)
def test_the_sizes_that_are_listed_are_those_of_the_networks(name):
    spec = MODELS[name]
    counted = {
        variant: Counts(count(spec, variant), keras_total(spec, variant), macs(spec, variant))
        for variant in spec.variants
    }
    assert counted == dict(spec.counts)

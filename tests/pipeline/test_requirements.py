"""What is missing is named before work begins, with the command that gets it."""

from __future__ import annotations

import pytest

from edgefer.pipeline.requirements import EXTRAS, missing, require
from edgefer_runtime.errors import MissingError


def test_a_missing_module_is_named_with_its_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "train", ("json", "no_such_module"))
    assert missing("train") == ["no_such_module"]
    with pytest.raises(MissingError, match=r'(?s)no_such_module.*pip install "edgefer\[train\]"') as caught:
        require("train", "training")
    assert caught.value.exit_code == 6


def test_what_is_installed_passes() -> None:
    for extra in EXTRAS:
        require(extra, "anything")

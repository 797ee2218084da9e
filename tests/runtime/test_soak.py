"""The short form of tools/soak.py: thousands of calls from eight threads, good crops and bad."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefer_runtime import Bundle

SOAK = Path(__file__).parents[2] / "tools/soak.py"


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_thousands_of_calls_leave_nothing_behind(make_bundle: Callable[..., Bundle], target: str) -> None:
    pytest.importorskip(target)
    command = [sys.executable, SOAK, make_bundle(target).path, "--calls", "10000", "--threads", "8"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    outcome = json.loads(done.stdout)
    assert outcome["wrong"] == [] and done.returncode == 0, {**outcome, "error": done.stderr}

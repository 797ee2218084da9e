"""What every test area shares."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
Edgefer = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def edgefer(tmp_path: Path) -> Edgefer:
    """Run the `edgefer` command as a user would, in an empty folder."""

    def run(*words: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edgefer.cli.main", *words],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "160", **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run

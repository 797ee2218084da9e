"""What every test area shares."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
Edgefer = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let Ctrl-C reach what tests start: a shell's background jobs, and all their children, ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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

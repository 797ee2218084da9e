"""What every test area shares."""

from __future__ import annotations

import json
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


@pytest.fixture
def recorded_machine(tmp_path: Path) -> Callable[[str], Path]:
    """The root of a machine recorded in ``tests/runtime/recorded``; its programs print what is recorded."""

    def unfold(name: str) -> Path:
        root = tmp_path / name
        tree = json.loads((ROOT / f"tests/runtime/recorded/{name}.json").read_text())
        printing = {path: f"#!/bin/sh\ncat <<'END'\n{text}END\n" for path, text in tree["programs"].items()}
        for path, text in {**tree["files"], **printing}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            (root / path).chmod(0o755 if path in printing else 0o644)
        return root

    return unfold

"""README and docs: links resolve, and every command they show is one that edgefer knows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "runtime").glob("*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_resolve(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        assert target.startswith("https://") or (document.parent / target).exists(), target


def shown_commands() -> list[list[str]]:
    lines = [line for document in DOCUMENTS for line in document.read_text().splitlines()]
    commands = {
        line.strip().removeprefix("$ ").split("  #")[0]
        for line in lines
        if re.match(r"^ {4}(\$ )?edgefer ", line)
    }
    return [shlex.split(command) for command in sorted(commands)]


@pytest.mark.parametrize("command", shown_commands(), ids=" ".join)
def test_a_command_shown_is_a_command_known(command: list[str]) -> None:
    from edgefer.cli.main import app

    words = command[1:]
    named = [
        word
        for word in words[:2]
        if not word.startswith("-")
        and word
        in (
            *(
                "models",
                "datasets",
                "show",
                "prepare",
                "devices",
                "doctor",
                "train",
                "eval",
                "export",
                "check",
            ),
            *("bench", "compare", "report", "run", "serve", "pack", "demo"),
            *("calibrate", "make", "study", "sensitivity"),
        )
    ]
    assert named, f"no command in {command}"
    result = CliRunner().invoke(app, [*named, "--help"])
    assert result.exit_code == 0
    for option in (word for word in words if word.startswith("-") and word != "-h"):
        assert re.search(rf"(^|[\s,]){re.escape(option)}([\s,=]|$)", result.output), (
            f"{option} is no option of {named}"
        )


def test_the_readme_says_what_synthetic_faces_prove() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    assert "say nothing about accuracy on people" in text

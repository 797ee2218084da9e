"""Text that a terminal would obey, and files that would have ssh run programs."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from edgefer_bench.devices import known_devices
from edgefer_bench.remote.hosts import choose_hosts, read_fleet
from edgefer_bench.remote.options import refused_option
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.documents import parse_json, read_toml
from edgefer_runtime.errors import DataError, DeviceError, visible

from .documents_kit import tiny_bundle

ESCAPE = "\x1b]0;owned\x07\x1b[31mred\x9b1m\u202eback\r"


def test_what_is_made_visible() -> None:
    """Every control character but line end and tab is written out; letters of all scripts stay."""
    for code in (*range(9), *range(11, 32), *range(127, 160), 0x202E, 0x2066, 0xFEFF, 0xD800):
        assert visible(f"a{chr(code)}b").isascii()
    for text in ("größer – 日本語 عربى 👩‍🔬", "a\tb\nc", ""):
        assert visible(text) == text
    dice = random.Random(0)
    for _ in range(300):
        text = "".join(chr(dice.choice([dice.randrange(256), dice.randrange(0x110000)])) for _ in range(20))
        shown = visible(text)
        assert visible(shown) == shown and "\x1b" not in shown
        shown.encode()


def test_an_error_shows_what_it_quotes() -> None:
    """A message that quotes a robot, a file's name or a manifest cannot move the cursor or hide a line."""
    error = DeviceError(f"robot: {ESCAPE}", expected=ESCAPE, action=ESCAPE)
    for text in (str(error), error.found, error.expected, error.action, *map(str, error.args)):
        assert text.isprintable() or "\n" in text
        assert "\x1b" not in text and "\\x1b" in text


@pytest.mark.parametrize("field", ["classes", "model", "variant", "precision"])
def test_names_of_a_manifest(tmp_path: Path, field: str) -> None:
    """A class or model whose name holds a terminal escape: exit 3, and the field is named."""
    bundle = tiny_bundle(tmp_path)
    path = bundle.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest[field] = [ESCAPE, "green", "blue"] if field == "classes" else ESCAPE
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=field):
        Bundle.open(bundle.folder)


def test_licence_and_provenance_are_printed_as_text(tmp_path: Path) -> None:
    """Free text of a manifest (licence, notice) is read, and never obeyed by a terminal, in JSON or text."""
    bundle = tiny_bundle(tmp_path, licence=ESCAPE, provenance={"notice": ESCAPE})
    words = [sys.executable, "-m", "edgefer_runtime", "verify", str(bundle.folder)]
    for more in ([], ["--json"]):
        done = subprocess.run([*words, *more], capture_output=True, check=True)
        assert not {*done.stdout} & {0x1B, 0x07, 0x0D} and b"\xc2\x9b" not in done.stdout
    assert json.loads(done.stdout)["manifest"]["licence"] == ESCAPE
    from edgefer.cli.terminal import Console

    text = io.StringIO()
    Console(file=text, force_terminal=True, width=200).print(ESCAPE, style="bold", markup=False)
    assert "\x1b]0" not in text.getvalue() and "\\x1b" in text.getvalue() and "\x1b[1m" in text.getvalue()


def test_names_of_files_in_errors(tmp_path: Path) -> None:
    """A file whose name is an escape sequence."""
    path = tmp_path / "\x1b[2Jgone.edgefer"
    path.write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-m", "edgefer_runtime", "verify", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 3 and "\x1b" not in done.stderr and "\\x1b[2Jgone" in done.stderr


@pytest.mark.parametrize("name", [*known_devices(), "all"])
def test_a_fleet_that_takes_a_built_in_name(tmp_path: Path, name: str) -> None:
    """``devices.toml`` of the current folder replaced a built-in profile without a word: exit 3, named."""
    path = tmp_path / "devices.toml"
    path.write_text(f"[{name}]\nhost = 'me@there'\n")
    with pytest.raises(DataError, match="edgefer's own"):
        choose_hosts(name, None, read_fleet(path))


REFUSED = (
    ["-o", "ProxyCommand=touch owned"], ["-oProxyCommand=touch owned"], ["-o", "proxycommand touch owned"],
    ["-o", " ProxyCommand = touch owned"], ["-o", "LocalCommand=touch owned"],
    ["-o", "PermitLocalCommand=yes"],
    ["-o", "KnownHostsCommand=/bin/touch owned"], ["-o", "PKCS11Provider=./evil.so"],
    ["-o", "SecurityKeyProvider=./evil.so"], ["-o", "Include=./config"], ["-F", "./config"], ["-F./config"],
    ["-I", "./evil.so"], ["-E", "/tmp/log"], ["-A"], ["-4A"], ["-vvoProxyCommand=touch owned"],
    ["-L", "1:a:1"],
    ["-R", "1:a:1"], ["-D", "1"], ["-w", "0:0"], ["-W", "a:1"], ["-X"], ["-o", "ForwardAgent=yes"],
    ["-o", "XAuthLocation=./evil"], ["-o", "RemoteCommand=evil"], ["-o", "SendEnv=SECRET"], ["-S", "x"],
    ["-i", "key", "other-host"], ["-J", "a;touch owned"], ["-o"], ["-"], ["--"], ["-o", "User=`touch owned`"],
)  # fmt: skip


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_options_with_which_ssh_runs_programs(tmp_path: Path, options: list[str]) -> None:
    """A file that came with a folder had ssh run what it liked: exit 3, with where to write it instead."""
    path = tmp_path / "devices.toml"
    path.write_text(f"[arm]\nhost = 'me@arm'\nssh_options = {json.dumps(options)}\n")
    with pytest.raises(DataError, match="the ssh option") as caught:
        read_fleet(path)
    assert "`Host arm` in ~/.ssh/config" in caught.value.action


def test_options_that_stay() -> None:
    """Keys, ports, jump hosts, known hosts: what docs/remote.md shows, glued or apart."""
    for options in (
        ["-i", "~/.ssh/arm"],
        ["-i~/.ssh/arm", "-p", "2222", "-J", "me@gate:22"],
        ["-o", "StrictHostKeyChecking=accept-new", "-oUserKnownHostsFile=/tmp/known"],
        ["-4", "-C", "-vvv", "-F", "none", "-l", "pi"],
    ):
        assert refused_option(options) is None


@pytest.mark.parametrize("host", ["-oProxyCommand=touch owned", "a b", "me@`touch owned`", "", 7, ["a"]])
def test_hosts_that_are_none(tmp_path: Path, host: object) -> None:
    """An address is one word that ssh cannot take for an option, nor a shell for a command."""
    path = tmp_path / "devices.toml"
    path.write_text(f"[arm]\nhost = {json.dumps(host)}\n")
    with pytest.raises(DataError, match="host"):
        read_fleet(path)


def test_a_host_of_the_file_is_told(tmp_path: Path) -> None:
    """Whoever runs `edgefer bench --device arm` sees which machine that is, and what ssh is told."""
    (tmp_path / "devices.toml").write_text("[arm]\nhost='no@robot.invalid'\nssh_options=['-F','none']\n")
    tiny_bundle(tmp_path)
    words = ["bench", str(tmp_path / "bundle"), "--data", "synthfer:test[:70]", "--device", "arm"]
    code = (
        "import sys; from edgefer.cli import bench; from edgefer.pipeline import far\n"
        "far.bench_hosts = lambda *words, **more: sys.exit(9)\n"  # what follows needs a robot
        "from edgefer.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert "devices.toml: arm is ssh -F none no@robot.invalid" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "a = nan"),
        (b'{"a": [1, 1e999]}', r"a\.1 = inf"),
        (b'{"a": ' + b"9" * 60 + b"}", "beyond 128 bits"),
        (b'{"a": "\\ud800"}', r"a = '\\ud800'"),
        (b'{"\\udfff": 1}', "the key"),
        (b"[" * 40 + b"]" * 40, "more than 32 levels"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"a": "\xff"}', "is no JSON"),
        (b" " * (5 << 20), "more than 4,194,304 bytes"),
        (b"{} {}", "is no JSON"),
    ],
)
def test_json_that_is_none(text: bytes, found: str) -> None:
    """What one reader takes and another does not, or nobody can reckon with or write again: exit 3, named."""
    with pytest.raises(DataError, match=found):
        parse_json(text, "the file")


@pytest.mark.parametrize("text", ["a = nan", "a = [1, inf]", "a = " + "9" * 60, "a = 1\na = 2", "a = \x00"])
def test_toml_that_is_none(tmp_path: Path, text: str) -> None:
    """The same for recipes and fleets."""
    path = tmp_path / "some.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"some\.toml"):
        read_toml(path)

"""Nothing is sent anywhere, and no file is left outside the output, the cache and the temporary folder.

No library is believed: strace watches every command, and each engine long enough for a report that comes late
(ONNX Runtime's comes some nine seconds after its import). A run with the switch turned back shows that the
watch would see it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

strace = pytest.mark.skipif(shutil.which("strace") is None, reason="NOT WATCHED: strace is not installed")

LATE_S = 12
"""Until when a report may come that is not sent at once."""

CALLS = "connect,sendto,sendmsg,sendmmsg,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,symlink"
LOOPBACK = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "(::1|::ffff:127\.)')
ADDRESS = re.compile(r"sa_family=AF_INET6?, sin6?_port=htons\((\d+)\)")
WRITTEN = re.compile(r"^(open|openat|creat)\(.*(O_WRONLY|O_RDWR|O_CREAT).* = \d+<([^>]*)>")
MADE = re.compile(r'^(mkdir|mkdirat|rename|renameat|renameat2|symlink)\(.*"([^"]*)".*\) = 0')
SYSTEM = ("/dev/", "/proc/", "pipe:", "socket:", "anon_inode:")
"""What is written there is no file that stays."""


class Seen(NamedTuple):
    """What strace saw a process and its children do."""

    code: int
    output: str
    sent: list[str]
    written: set[str]


class Place(NamedTuple):
    """A user's home, working folder, cache and temporary folder, each of its own."""

    home: Path
    work: Path
    cache: Path
    temporary: Path

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
        return kept | {
            "HOME": str(self.home),
            "EDGEFER_CACHE": str(self.cache),
            "TMPDIR": str(self.temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def strangers(self, seen: Seen) -> list[str]:
        """What was written where a user did not ask for it."""
        known = tuple(map(str, (self.work, self.cache, self.temporary)))
        return sorted(path for path in seen.written if not path.startswith((*known, *SYSTEM)))


def watch(place: Place, *words: str, interrupt_s: float | None = None, **environment: str) -> Seen:
    """Run a Python command under strace, a Ctrl-C after ``interrupt_s`` if given."""
    log = place.temporary.parent / "strace.log"
    # -I2: strace lets Ctrl-C through to what it watches.
    command = ["strace", "-f", "-qq", "-I2", "--seccomp-bpf", "-y", "-s", "400", "-e", f"trace={CALLS}"]
    process = subprocess.Popen(
        [*command, "-o", str(log), sys.executable, *words],
        cwd=place.work,
        env=place.environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=interrupt_s or 600)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    calls = [line.split(None, 1)[1] for line in log.read_text(errors="replace").splitlines() if " " in line]
    sent = [
        call
        for call in calls
        if (address := ADDRESS.search(call)) and (address[1] == "53" or not LOOPBACK.search(call))
    ]
    written = {found[3] for call in calls if (found := WRITTEN.match(call))}
    written |= {found[2] for call in calls if (found := MADE.match(call)) and found[2].startswith("/")}
    return Seen(process.returncode, output, sent, written)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("watched")
    found = Place(*(root / name for name in ("home", "work", "cache", "tmp")))
    for folder in found:
        folder.mkdir()
    # Drawn faces are made once a session, not once more here.
    shared = os.environ.get("EDGEFER_CACHE") or Path.home() / ".cache/edgefer"
    return found._replace(cache=Path(shared))


@pytest.fixture(scope="module")
def faces(place: Place) -> Path:
    """A set of noise: seven classes of four pictures for each split."""
    random = np.random.default_rng(1)
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    for split in ("train", "val", "test"):
        for name in names:
            folder = place.work / "faces" / split / name
            folder.mkdir(parents=True)
            for number in range(4):
                pixels = random.integers(0, 255, (48, 48), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return Path("faces")


@pytest.fixture(scope="module")
def bundles(place: Place, faces: Path) -> list[str]:
    """Bundles of both targets; made under the watch, too."""
    words = ("export", "pattlite", "--int8", "--target", "onnxruntime", "--target", "openvino")
    sets = ("--data", "synthfer:eval[:70]", "--calibration", "synthfer:train[:70]", "-o", "bundles")
    seen = watch(place, "-m", "edgefer.cli.main", *words, *sets)
    assert (seen.code, seen.sent, place.strangers(seen)) == (0, [], []), seen.output
    return sorted(
        str(path.parent.relative_to(place.work)) for path in place.work.glob("bundles/**/manifest.json")
    )


COMMANDS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "models": lambda bundle: ("models",),
    "devices": lambda bundle: ("devices",),
    "datasets": lambda bundle: ("datasets",),
    "datasets check": lambda bundle: ("datasets", "check", "faces"),
    "doctor": lambda bundle: ("doctor",),
    "train": lambda bundle: ("train", "lanmsff", "--data", "faces", "--epochs", "1", "-o", "trained"),
    "eval": lambda bundle: ("eval", bundle, "--data", "faces"),
    "check": lambda bundle: ("check", bundle),
    "calibrate make": lambda bundle: (
        "calibrate",
        "make",
        "--data",
        "synthfer:train[:140]",
        "--against",
        "synthfer:eval[:70]",
        "--count",
        "100",
        "-o",
        "drawn.npz",
    ),
    "bench": lambda bundle: ("bench", bundle, "--duration", "0.2", "--data", "faces", "-o", "records"),
    "run": lambda bundle: ("run", bundle, "faces/test/happiness"),
    "pack": lambda bundle: ("pack", bundle, "-o", "wheels"),
}


@strace
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_sends_nothing_and_leaves_no_file_elsewhere(
    place: Place, bundles: list[str], name: str
) -> None:
    """Telemetry of a library (faults B.1), behind every command: no DNS query, no stray file."""
    bundle = next(each for each in bundles if "onnxruntime-int8" in each)
    seen = watch(place, "-m", "edgefer.cli.main", *COMMANDS[name](bundle))
    assert seen.code == 0, seen.output
    assert (seen.sent, place.strangers(seen)) == ([], [])
    assert not list(place.home.iterdir())


@strace
def test_a_report_and_a_comparison_send_nothing(place: Place, bundles: list[str]) -> None:
    int8 = [each for each in bundles if "int8" in each]
    for number, bundle in enumerate(int8):
        words = ("bench", bundle, "--duration", "0.2", "--data", "faces", "-o", f"compared/{number}")
        assert watch(place, "-m", "edgefer.cli.main", *words).code == 0
    records = [str(path.relative_to(place.work)) for path in place.work.glob("compared/*/*.json")]
    for words in (("compare", *records[:2]), ("report", *records, "-o", "report.html")):
        seen = watch(place, "-m", "edgefer.cli.main", *words)
        assert (seen.code, seen.sent, place.strangers(seen)) == (0, [], []), seen.output


OPEN_AND_STAY = """
import sys, time
import numpy as np
from edgefer_runtime import Classifier
classifier = Classifier.open(sys.argv[1])
classifier(np.zeros((64, 64, 3), np.uint8))
print(classifier.engine.target)
time.sleep(float(sys.argv[2]))
"""


@strace
@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_an_engine_sends_nothing_for_as_long_as_it_is_open(
    place: Place, bundles: list[str], target: str
) -> None:
    """ONNX Runtime 1.31.1 asks for its maker's host nine seconds after its import (faults B.1)."""
    bundle = next(each for each in bundles if f"{target}-int8" in each)
    seen = watch(place, "-c", OPEN_AND_STAY, bundle, str(LATE_S))
    assert (seen.code, seen.output.strip()) == (0, target)
    assert (seen.sent, place.strangers(seen)) == ([], [])
    assert not list(place.home.iterdir())


@strace
def test_a_server_sends_nothing(place: Place, bundles: list[str]) -> None:
    bundle = next(each for each in bundles if "onnxruntime-int8" in each)
    seen = watch(place, "-m", "edgefer.cli.main", "serve", bundle, "--port", "0", interrupt_s=LATE_S)
    assert "127.0.0.1" in seen.output, seen.output
    assert (seen.sent, place.strangers(seen)) == ([], [])


@strace
def test_the_watch_would_see_a_report(place: Place) -> None:
    """A planted report: a datagram to a name server, and a file in the home folder."""
    planted = (
        "import socket, pathlib; pathlib.Path.home().joinpath('planted').touch();"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 53))"
    )
    seen = watch(place, "-c", planted)
    assert len(seen.sent) == 1 and "192.0.2.1" in seen.sent[0]
    assert place.strangers(seen) == [str(place.home / "planted")]
    (place.home / "planted").unlink()


def test_what_the_user_has_set_is_kept() -> None:
    program = "import os; from edgefer_runtime.engines.libraries import import_onnxruntime as load; load();"
    program += "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for given, kept in ((None, "1"), ("0", "0")):
        environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        environment |= {} if given is None else {"ORT_DISABLE_TELEMETRY": given}
        printed = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
        assert printed.stdout.strip() == kept

"""One bench on one host: look, send, set up, measure, fetch, clean up.

Everything lies in one fresh folder over there, with an environment of its own that sees the packages of the
host's Python. No network but ssh's own is needed on the far side, and nothing stays.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from edgefer_bench.devices import Device, require_device
from edgefer_bench.remote.answers import Facts, read_facts, read_look, read_progress, require_complete
from edgefer_bench.remote.hosts import Host
from edgefer_bench.remote.ssh import Connection
from edgefer_bench.remote.wheel import write_runtime_wheel
from edgefer_bench.scoring import Faces, check_classes
from edgefer_runtime.benching import ARRAYS, RUN, BenchPlan, BenchRun, Report
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DeviceError, EdgeferError, MissingError, kind_of
from edgefer_runtime.job import BUNDLES, PACK, write_job
from edgefer_runtime.pack import write_pack

LEAST_PYTHON = (3, 10)
MOST_BYTES = 256 << 20
"""Of a run's JSON and of its arrays: ten minutes of an engine that takes 0.2 ms are 50 MB."""

ROOM = 1.3
"""Free space that is asked for, as a multiple of what is sent: the environment and the run need some too."""

# Any Python 3 reads these two, so that one that is too old can say so.
LOOK = """
import json, os, shutil, sys, tempfile
base = sys.argv[1] or tempfile.gettempdir()
found = {"python": list(sys.version_info[:3]), "base": base, "folder": None, "free": 0}
if os.path.isdir(base):
    found["free"] = shutil.disk_usage(base).free
    if sys.version_info >= (3, 10) and os.access(base, os.W_OK):
        found["folder"] = tempfile.mkdtemp(prefix="edgefer-", dir=base)
print(json.dumps(found))
"""
SET_UP = """
import compileall, pathlib, sys, sysconfig, venv, zipfile
folder = pathlib.Path(sys.argv[1])
venv.create(folder / "venv", system_site_packages=True, with_pip=False, symlinks=True)
site = next((folder / "venv").glob("lib/python*/site-packages"))
zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(site)
if not compileall.compile_dir(site / "edgefer_runtime", quiet=1):
    sys.exit("No space left for compiled modules")
if sys.prefix != sys.base_prefix:  # this Python is an environment's, whose packages the new one would not see
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (site / "outer.pth").write_text("".join(place + chr(10) for place in places))
"""


@dataclass(frozen=True)
class Far:
    """What came back from a host.

    Attributes:
        run: what was measured.
        device: the profile of the machine.
        bundles: those measured, in the order of the run.
        left_out: targets of bundles that could not run there, and why.
    """

    run: BenchRun
    device: Device
    bundles: tuple[Bundle, ...]
    left_out: tuple[str, ...]


def bench_far(
    host: Host,
    bundles: Sequence[Bundle],
    faces: Faces,
    plan: BenchPlan,
    *,
    notice: str = "",
    on_progress: Report = lambda stage, done, total: None,
) -> Far:
    """Measure bundles on a host.

    Raises:
        DeviceError: it cannot be reached or stopped answering, is not the device it should be, has too old a
            Python or too little room.
        MissingError: it has no library for any of the bundles.
        EdgeferError: what the bench itself raised over there.
    """
    for bundle in bundles:
        check_classes(bundle.manifest.classes, bundle.path, faces)
    with Connection(host) as connection:
        on_progress("connect", 0, 1)
        folder = _look(connection, bundles, faces)
        on_progress("connect", 1, 1)
        try:
            with tempfile.TemporaryDirectory(prefix="edgefer-far-") as near:
                return _bench_in(connection, folder, Path(near), bundles, faces, plan, notice, on_progress)
        finally:
            with suppress(EdgeferError):  # where the connection is gone, the far side clears up on its own
                connection.run(["rm", "-rf", "--", folder], timeout_s=60)


def _bench_in(
    connection: Connection,
    folder: str,
    near: Path,
    bundles: Sequence[Bundle],
    faces: Faces,
    plan: BenchPlan,
    notice: str,
    on_progress: Report,
) -> Far:
    """Measure in ``folder`` over there, with what passes through ``near`` here."""
    host, job = connection.host, near / "job"
    with ThreadPoolExecutor(1) as aside:  # the faces are packed while the other side is set up
        packing = aside.submit(_pack, faces, job / PACK, notice)
        wheel = write_runtime_wheel(near)
        _send(connection, {wheel.name: wheel}, folder)
        python = _set_up(connection, folder)
        facts = _ask(connection, [python, "-m", "edgefer_runtime", "environment", "--json"])
        device = require_device(host.device, facts["board"], host=host.name)
        chosen, left_out = _choose(host, bundles, device, facts)
        packing.result()
    write_job(job, replace(plan, power_rails=device.power_rails), len(chosen))
    parts = {f"job/{BUNDLES}/{place}": bundle.folder for place, bundle in enumerate(chosen)}
    _send(connection, {"job": job, **parts}, folder, on_progress)
    _measure(connection, python, folder, on_progress)
    for name in (ARRAYS, RUN):
        connection.fetch(f"{folder}/out/{name}", near / name, MOST_BYTES)
    run = BenchRun.load(near)
    require_complete(run, chosen, len(faces.images), host.name)
    return Far(run, device, tuple(chosen), tuple(left_out))


def _pack(faces: Faces, folder: Path, notice: str) -> None:
    write_pack(
        folder,
        name=faces.name,
        images=faces.images,
        labels=faces.labels,
        classes=faces.classes,
        attributes=faces.attributes,
        fingerprint=faces.fingerprint(),
        notice=notice,
    )


def _look(connection: Connection, bundles: Sequence[Bundle], faces: Faces) -> str:
    """Whether there is a Python that is new enough, and room; the fresh folder."""
    host = connection.host
    answer = connection.run([host.python, "-", host.folder or ""], stdin=LOOK.encode())
    if answer.code or not answer.out.strip():
        raise DeviceError(
            f"{host.name} has no {host.python} that answers ({answer.told or 'silence'})",
            expected="Python 3.10 or newer",
            action="install it, or name another as `python` in devices.toml",
        )
    found = read_look(answer.out, host.name)
    version = ".".join(map(str, found["python"]))
    if tuple(found["python"]) < LEAST_PYTHON:
        raise DeviceError(
            f"{host.name} has Python {version} as {host.python}",
            expected="3.10 or newer",
            action="name a newer one as `python` in devices.toml; on a Jetson, JetPack 6 brings 3.10",
        )
    if found["folder"] is None:
        raise DeviceError(
            f"{host.name}: {found['base']} is no folder that can be written to",
            expected="a folder for a while",
            action="name one as `folder` in devices.toml",
        )
    faces_bytes = int(len(faces.images) * _pixels(faces))
    needed = ROOM * (sum(bundle.size_bytes for bundle in bundles) + faces_bytes) + 2e6
    if found["free"] < needed:
        with suppress(EdgeferError):
            connection.run(["rm", "-rf", "--", found["folder"]], timeout_s=60)
        raise _full(host, f"{found['free'] / 1e6:.0f} MB free in {found['base']}", f"{needed / 1e6:.0f} MB")
    return found["folder"]


def _pixels(faces: Faces) -> int:
    _, height, width, channels = faces.images.shape
    return height * width * channels


def _is_full(told: str) -> bool:
    """Whether a program failed for want of room; tar says otherwise of a file that was begun."""
    return "No space left" in told or "Wrote only" in told


def _full(host: Host, found: str, needed: str) -> DeviceError:
    return DeviceError(
        f"{host.name}: the disk is full: {found}",
        expected=f"room for {needed}",
        action="free some, name another `folder` in devices.toml, or send fewer faces: "
        "--data 'synthfer:eval[:350]'",
    )


def _send(
    connection: Connection,
    parts: dict[str, Path],
    folder: str,
    on_progress: Report = lambda stage, done, total: None,
) -> None:
    """Unpack files and folders, by the name they get, in ``folder``."""
    files = [path for part in parts.values() for path in ([part] if part.is_file() else part.rglob("*"))]
    total = sum(path.stat().st_size for path in files if path.is_file())

    def write(stdin: IO[bytes]) -> None:
        counted = _Counted(stdin, lambda done: on_progress("upload", min(done, total) >> 10, total >> 10))
        with tarfile.open(fileobj=counted, mode="w|") as archive:  # type: ignore[call-overload]
            for name, path in parts.items():
                archive.add(path, name)

    answer = connection.send(["tar", "-x", "-m", "-C", folder], write)
    if answer.code:
        if _is_full(answer.told):
            raise _full(connection.host, "the upload did not fit", f"{ROOM * total / 1e6:.0f} MB")
        raise DeviceError(
            f"{connection.host.name} did not take the upload ({answer.told or 'silence'})",
            expected="tar, and a folder that can be written to",
            action=f"look at {folder} there",
        )


class _Counted:
    """A file to write to that tells how many bytes have gone."""

    def __init__(self, target: IO[bytes], on_bytes: Callable[[int], None]) -> None:
        self._target, self._on_bytes, self._done = target, on_bytes, 0

    def write(self, data: bytes) -> int:
        self._target.write(data)
        self._done += len(data)
        self._on_bytes(self._done)
        return len(data)


def _set_up(connection: Connection, folder: str) -> str:
    """Make the environment; returns its Python."""
    answer = connection.run([connection.host.python, "-", folder], stdin=SET_UP.encode())
    if answer.code:
        if _is_full(answer.told):
            raise _full(connection.host, "no environment could be made", "some megabytes")
        raise DeviceError(
            f"{connection.host.name}: no environment could be made ({answer.told.splitlines()[-1:]})",
            expected="Python's own venv",
            action="apt-get install python3-venv over there",
        )
    return f"{folder}/venv/bin/python"


def _ask(connection: Connection, words: Sequence[str]) -> Facts:
    answer = connection.run(words)
    if answer.code:
        raise kind_of(answer.code)(
            f"{connection.host.name}: {answer.told.removeprefix('error: ') or f'exit code {answer.code}'}"
        )
    return read_facts(answer.out, connection.host.name)


def _choose(
    host: Host, bundles: Sequence[Bundle], device: Device, facts: Facts
) -> tuple[list[Bundle], list[str]]:
    """The bundles whose engines run there, and why the others do not."""
    pip = f"ssh {host.address} {host.python} -m pip install"
    if "numpy" not in facts["packages"]:
        raise MissingError(
            f"{host.name}: {host.python} has no numpy", expected="numpy 1.24 or newer", action=f"{pip} numpy"
        )
    chosen = [bundle for bundle in bundles if bundle.manifest.target in facts["targets"]]
    absent = sorted({bundle.manifest.target for bundle in bundles} - {*facts["targets"]})
    if not chosen:
        raise MissingError(
            f"{host.name}: {host.python} has no library for {', '.join(absent)}",
            expected=f"one of {', '.join(device.targets)}",
            action=f"{pip} {absent[0]}"
            if absent[0] != "tensorrt"
            else "apt-get install python3-libnvinfer over there",
        )
    return chosen, [f"{target}: its library is not installed on {host.name}" for target in absent]


def _measure(connection: Connection, python: str, folder: str, on_progress: Report) -> None:
    host, last = connection.host, "nothing"

    def on_line(line: str) -> None:
        nonlocal last
        if told := read_progress(line):
            last = told["stage"]
            on_progress(last, told["done"], told["total"])

    job, out = f"{folder}/job", f"{folder}/out"
    quiet = ["env", "PYTHONDONTWRITEBYTECODE=1"]  # half a compiled module on a full disk is worse than none
    words = [
        *quiet,
        python,
        "-m",
        "edgefer_runtime",
        "bench",
        job,
        "--output",
        out,
        "--leash",
        folder,
        "--json",
    ]
    try:
        answer = connection.follow(["exec", *words], on_line)
    except DeviceError as error:
        raise DeviceError(
            f"{error.found}, while it was at: {last}", expected=error.expected, action=error.action
        ) from error
    if answer.code:
        raise kind_of(answer.code)(
            f"{host.name}, at {last}: {answer.told.removeprefix('error: ') or f'exit code {answer.code}'}"
        )

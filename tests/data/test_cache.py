"""SynthFER from the cache: rendered once, resumed, checked, and never left half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from edgefer.data.cache import cache_folder
from edgefer.data.synthetic.cache import load_split
from edgefer.data.synthetic.splits import SPLITS, Shot
from edgefer.data.synthetic.workers import Job, render, render_all
from edgefer_runtime.errors import DataError

SIZE = 16
EACH = SPLITS["eval"].shots_each
FIRST = SPLITS["eval"].identities[0]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache; gives the folder its shards go to."""
    monkeypatch.setenv("EDGEFER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "synthfer" / f"v1-{SIZE}px"


def load(limit: int, **options):
    return load_split("eval", limit, size=SIZE, workers=1, **options)


def run_script(script: str, cache: Path, **options):
    """A child process that uses the cache; its progress lines read ``at DONE``."""
    environment = {**os.environ, "EDGEFER_CACHE": str(cache), "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", script], env=environment, text=True, **pipes, **options)


def running_with(cache: Path) -> list[str]:
    """Command lines of the processes that were started with this cache."""
    marker, found = f"EDGEFER_CACHE={cache}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if marker in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
    return found


def test_the_cache_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("EDGEFER_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path("/home/someone/.cache/edgefer")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert cache_folder() == Path("/var/cache/edgefer")
    monkeypatch.setenv("EDGEFER_CACHE", "~/faces")
    assert cache_folder() == Path("/home/someone/faces")


def test_rendered_once_then_read(cache):
    reports = []
    first = load(EACH, progress=lambda done, total: reports.append((done, total)))
    assert reports == [(0, EACH), (EACH, EACH)]
    again = load(EACH, progress=lambda done, total: pytest.fail("rendered again"))
    assert again.fingerprint() == first.fingerprint()
    assert [shard.name for shard in cache.iterdir()] == [f"identity-{FIRST:04d}.faces"]


def test_a_limit_takes_the_first_faces_and_renders_no_further(cache):
    some = load(3)
    assert some.name == "synthfer:eval[:3]" and len(some) == 3
    assert some.attributes["subject"].tolist() == [FIRST] * 3
    assert some.attributes["yaw"].tolist() == [-90, -45, 0]
    assert set(some.attributes["session"]) <= {"studio", "wild"}
    assert np.array_equal(load(EACH).images[:3], some.images)
    assert len(list(cache.iterdir())) == 1


def test_workers_give_what_one_process_gives():
    jobs = [Job(number, [Shot(3, 2, 0, "none")], SIZE) for number in (FIRST, FIRST + 1, FIRST + 2)]
    apart = {job.identity: images for job, images in render_all(jobs, workers=2)}
    assert set(apart) == {job.identity for job in jobs}
    assert all(np.array_equal(apart[job.identity], render(job)) for job in jobs)


def test_damaged_shards_are_rendered_again_and_told_of_in_one_line(cache, caplog):
    whole = load(2 * EACH)
    for shard in cache.iterdir():
        shard.write_bytes(shard.read_bytes()[:-1])
    assert load(2 * EACH).fingerprint() == whole.fingerprint()
    (note,) = caplog.messages
    assert note.startswith(f"note: cache: 2 entries in {cache}, such as identity-0400.faces, were damaged")
    assert load(2 * EACH).fingerprint() == whole.fingerprint() and len(caplog.messages) == 1


def test_one_person_is_not_taken_for_another(cache, caplog):
    whole = load(2 * EACH)
    one, other = sorted(cache.iterdir())
    other.write_bytes(one.read_bytes())
    assert load(2 * EACH).fingerprint() == whole.fingerprint()
    assert caplog.messages == [f"note: cache: {other} was damaged or of another version: made anew"]


def test_a_shard_of_the_first_format_is_rendered_again(cache):
    """As edgefer 0.1.0 wrote them before seals: 160 bytes of JSON, then the pixels."""
    whole = load(3)
    (shard,) = cache.iterdir()
    old = json.dumps({"shape": [EACH, SIZE, SIZE, 3], "sha256": "0" * 64}).encode().ljust(159) + b"\n"
    shard.write_bytes(old + bytes(EACH * SIZE * SIZE * 3))
    assert load(3).fingerprint() == whole.fingerprint()


def test_too_little_free_disk_is_said_before_rendering(cache):
    with pytest.raises(DataError, match="bytes free for") as caught:
        load_split("train-large", size=65536, progress=lambda done, total: pytest.fail("began"))
    needed = int(caught.value.expected.split(" bytes, ")[1].split()[0].replace(",", ""))
    assert 0 < needed - 21000 * 65536**2 * 3 < 300 * 1000, "the pixels of 300 people, and a header for each"
    assert str(cache.parent.parent) in str(caught.value)


def test_a_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EDGEFER_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="cannot be written"):
        load(1)


def test_an_interrupt_ends_the_workers_before_anyone_hears_of_it(cache):
    def interrupt(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as held:
        load_split("eval", 3 * EACH, size=SIZE, workers=2, progress=interrupt)
    assert held.tb, "whoever keeps the traceback keeps the frames, and with them the workers' generator"
    assert not Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    assert len(list(cache.iterdir())) == 1


SCRIPT = f"""
from edgefer.data.synthetic.cache import load_split
load_split("eval", {4 * EACH}, size=48, workers=2, progress=lambda done, total: print("at", done))
"""


def test_ctrl_c_stops_at_once_keeps_what_is_done_and_goes_on_from_there(tmp_path):
    cache = tmp_path / "cache"
    child = run_script(SCRIPT, cache, start_new_session=True)
    done = 0
    while not done:
        done = int(child.stdout.readline().removeprefix("at "))
    os.killpg(child.pid, signal.SIGINT)
    stopped = time.monotonic()
    _, errors = child.communicate(timeout=20)
    assert time.monotonic() - stopped < 3
    assert child.returncode != 0 and errors.count("Traceback") == 1 and "KeyboardInterrupt" in errors
    kept = sorted((cache / "synthfer" / "v1-48px").iterdir())
    assert kept and all(shard.suffix == ".faces" for shard in kept)
    deadline = time.monotonic() + 5
    while running_with(cache):
        assert time.monotonic() < deadline, running_with(cache)
        time.sleep(0.05)

    again = run_script(SCRIPT, cache)
    reports, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert [int(line.removeprefix("at ")) for line in reports.split("\n")[:-1]] == list(
        range(len(kept) * EACH, 4 * EACH + 1, EACH)
    )


def test_a_killed_worker_is_reported_and_the_rest_is_ended(tmp_path):
    cache = tmp_path / "cache"
    child = run_script(SCRIPT, cache)
    assert child.stdout.readline() == "at 0\n"
    workers: list[int] = []
    while not workers:
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text()
        workers = [int(number) for number in children.split()]
    os.kill(workers[0], signal.SIGKILL)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 1
    assert "a rendering process was ended by signal 9" in errors and "what is done is kept" in errors
    assert not running_with(cache)

"""The cache's entries: the same number again, or made anew; never half-written, never another's."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer.data import cache
from edgefer.data.cache import ABANDONED_S, BLOCK_BYTES, Entry, entry
from edgefer_runtime.errors import DataError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEFER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def numbers(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((6, 3), dtype=np.float32)


def made(name: str = "a", **version: object) -> Entry:
    return entry("answers", name, dtype=np.float32, shape=(6, 3), of={"name": name}, version=version)


def test_kept_once_and_found_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = made()
    assert one.read() is None and not one.is_there()
    first = one.recall(numbers)
    again = one.recall(lambda: pytest.fail("made again"))
    assert np.array_equal(first, numbers()) and np.array_equal(again, first) and again.dtype == np.float32
    assert [path.parent for path in folder.rglob("*.npy")] == [folder / "answers"]
    assert np.array_equal(np.load(one.path), first), "anybody can look into it"
    assert one.path.stat().st_size == one.file_bytes and not caplog.messages


def test_nothing_to_make_is_nothing_to_keep(folder: Path) -> None:
    assert made().recall(lambda: None) is None
    assert not folder.exists()


def test_another_version_takes_the_place_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    old, new = made(torch="2.6"), made(torch="2.7")
    old.write(numbers(1))
    assert new.path == old.path and np.array_equal(new.recall(numbers), numbers())
    assert caplog.messages == [f"note: cache: {new.path} was damaged or of another version: made anew"]
    assert old.read() is None and list(new.path.parent.iterdir()) == [new.path]


def test_what_cannot_be_made_anew_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    one = made()
    one.write(numbers())
    one.path.write_bytes(one.path.read_bytes()[:-1])
    assert one.recall(lambda: None) is None
    assert caplog.messages[0].endswith("not used, and nothing is at hand to make it anew from")


@pytest.mark.parametrize("wrong", [numbers().astype(np.float64), numbers()[:, :2], numbers()[:5]])
def test_what_is_kept_is_what_was_promised(wrong: np.ndarray) -> None:
    one = made()
    with pytest.raises(ValueError, match="float32"):
        one.recall(lambda: wrong)
    assert not one.is_there() and not list(one.path.parent.iterdir())


@settings(deadline=None)
@given(st.lists(st.integers(0, 3 * 1024), min_size=1, max_size=5))
def test_the_checksum_does_not_depend_on_the_parts(lengths: list[int]) -> None:
    """Blocks of 1,024 bytes: written in parts of any length, read in blocks, by one core or many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "BLOCK_BYTES", 1024)
        parts = [np.random.default_rng(length).integers(0, 256, length, np.uint8) for length in lengths]
        big = entry("parts", "big", dtype=np.uint8, shape=(sum(lengths),), of={"of": lengths}, version={})
        big.write_parts(parts)
        assert np.array_equal(big.read(), np.concatenate(parts))
        big.ensure(lambda: pytest.fail("made again"), "bytes")
        content = bytearray(big.path.read_bytes())
        for place in {0, len(content) // 2, len(content) - 1}:
            content[place] ^= 1
            big.path.write_bytes(content)
            assert big.read() is None
            content[place] ^= 1


def test_an_entry_of_several_blocks_is_checked_to_its_last_byte() -> None:
    shape = (2 * BLOCK_BYTES + 5,)
    big = entry("big", "big", dtype=np.uint8, shape=shape, of={}, version={})
    big.write(np.zeros(shape, np.uint8))
    with big.path.open("r+b") as file:
        file.seek(big.file_bytes // 2)
        file.write(b"\1")
    assert big.read() is None
    big.ensure(lambda: [np.zeros(shape, np.uint8)], "bytes")
    assert not big.read().any()


def test_a_folder_of_that_name_is_no_entry() -> None:
    one = made()
    one.path.mkdir(parents=True)
    with pytest.raises(DataError, match="cannot be written"):
        one.recall(numbers)


def test_a_disk_that_fills_up_leaves_the_old_entry_and_no_rest() -> None:
    one = made()
    one.write(numbers(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
    try:
        with pytest.raises(DataError, match="no space left for") as caught:
            one.write(numbers(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(one.path) in str(caught.value) and f"{one.file_bytes} bytes" in caught.value.expected
    assert list(one.path.parent.iterdir()) == [one.path] and np.array_equal(one.read(), numbers(1))


KILLED = """
import os, signal, numpy as np
from edgefer.data.cache import Entry
from pathlib import Path
def parts():
    yield np.zeros((3, 3), np.float32)
    os.kill(os.getpid(), signal.SIGKILL)
Entry(Path({path!r}), np.dtype(np.float32), (6, 3), {of!r}).write_parts(parts())
"""


def test_a_killed_writer_leaves_nothing_that_is_believed_or_stays() -> None:
    one = made()
    script = KILLED.format(path=str(one.path), of=dict(one.of))
    assert subprocess.run([sys.executable, "-c", script]).returncode == -signal.SIGKILL
    (rest,) = one.path.parent.iterdir()
    assert rest.name.startswith(".") and one.read() is None
    assert np.array_equal(one.recall(numbers), numbers())
    assert rest.exists(), "another process might still be at it"
    os.utime(rest, (time.time() - 2 * ABANDONED_S,) * 2)
    one.write(numbers())
    assert list(one.path.parent.iterdir()) == [one.path]


WRITER = """
import time, numpy as np
from edgefer.data.cache import Entry
from pathlib import Path
one = Entry(Path({path!r}), np.dtype(np.float32), (6, 3), {of!r})
numbers = np.random.default_rng(0).random((6, 3), dtype=np.float32)
for _ in range(200):
    one.write(numbers)
"""


def test_two_processes_at_once_see_whole_entries() -> None:
    one = made()
    one.write(numbers())
    script = WRITER.format(path=str(one.path), of=dict(one.of))
    writers = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        kept = one.read()
        assert kept is not None and np.array_equal(kept, numbers())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert list(one.path.parent.iterdir()) == [one.path]


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Entry, np.ndarray]]]:
    """Entries alike in kind, type and shape, and others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEFER_CACHE", str(tmp_path_factory.mktemp("entries")))
        pairs = [(made(name), numbers(seed)) for seed, name in enumerate("abc")]
        for dtype, shape in ((np.uint8, (2, 4, 4, 3)), (np.int32, (18,)), (np.float32, (3, 6))):
            one = entry("other", "a", dtype=dtype, shape=shape, of={"name": "a"}, version={})
            pairs.append((one, np.arange(np.prod(shape)).astype(dtype).reshape(shape)))
        for one, array in pairs:
            one.write(array)
        yield pairs


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_flip_cut_extend_swap_or_retype_any_byte_of_any_entry_never_gives_another_number(
    entries: list[tuple[Entry, np.ndarray]], data: st.DataObject
) -> None:
    one, expected = entries[data.draw(st.integers(0, len(entries) - 1), "entry")]
    good = one.path.read_bytes()
    damage = data.draw(st.sampled_from(["flip", "set", "cut", "drop", "extend", "insert", "swap", "retype"]))
    place = data.draw(st.integers(0, len(good) - 1), "place")
    some = data.draw(st.binary(min_size=1, max_size=40), "bytes")
    bad = {
        "flip": good[:place] + bytes([good[place] ^ 1 << data.draw(st.integers(0, 7))]) + good[place + 1 :],
        "set": good[:place] + some + good[place + len(some) :],
        "cut": good[:place],
        "drop": good[:place] + good[place + len(some) :],
        "extend": good + some,
        "insert": good[:place] + some + good[place:],
        "swap": entries[data.draw(st.integers(0, len(entries) - 1), "other")][0].path.read_bytes(),
        "retype": good.replace(one.dtype.str.encode(), data.draw(st.sampled_from([b"<i4", b"|S4", b"<U1"]))),
    }[damage]
    one.path.write_bytes(bad)
    try:
        found = one.read()
        assert (found is None) == (bad != good)
        assert found is None or np.array_equal(found, expected)
        assert np.array_equal(one.recall(lambda: expected), expected)
        assert one.path.read_bytes() == good
    finally:
        one.path.write_bytes(good)

"""What a video file's own head says of its length, and whether the file is as long as it says.

Only what tells a cut file from a whole one is read: MP4 and MOV (ISO/IEC 14496-12), Matroska and WebM
(RFC 9559), AVI. Of other kinds, and of files that were written as a stream, nothing is known.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

HEAD_LIMIT = 1 << 26
"""Bytes of a head that are read at most: hours of video have less."""

UNKNOWN_SIZE = -1


@dataclass(frozen=True)
class Declared:
    """What is declared of the first video track.

    Attributes:
        missing_bytes: how much of the file is not there.
        frames: how many frames are shown; None where that is not told exactly.
        duration_s: from the first to the end of the last; None where it is not told.
    """

    missing_bytes: int = 0
    frames: int | None = None
    duration_s: float | None = None


def read_declared(path: Path) -> Declared:
    """What ``path`` says of itself; damage in the head counts as saying nothing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        try:
            if start[:4] == b"RIFF":
                return _avi(file, size)
            if start[:4] == b"\x1a\x45\xdf\xa3":
                return _matroska(file, size)
            if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return _mp4(file, size)
        except (struct.error, IndexError, KeyError, ZeroDivisionError):
            pass
    return Declared()


def _avi(file: BinaryIO, size: int) -> Declared:
    """One RIFF chunk, or several in a row; the first one's head tells of its own frames."""
    file.seek(20)
    name, kind, _, period_us, frames = struct.unpack("<4s4sII12xI", file.read(32))
    duration_s = frames * period_us / 1e6 if (name, kind) == (b"hdrl", b"avih") else 0.0
    place = 0
    while place + 8 <= size:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or length in (0, 0xFFFFFFFF):  # the writer never came back to fill it in
            return Declared(duration_s=duration_s or None)
        place += 8 + length + length % 2
    return Declared(max(0, place - size - 1), None, duration_s or None)  # the last padding may be left out


def _mp4(file: BinaryIO, size: int) -> Declared:
    place, missing, head = 0, 0, b""
    while place + 8 <= size:
        file.seek(place)
        start = file.read(16)
        length, name = struct.unpack(">I4s", start[:8])
        skip = 8
        if length == 1:
            length, skip = *struct.unpack(">Q", start[8:16]), 16
        elif length == 0:
            length = size - place
        if length < skip or not name.isascii():
            break
        if name == b"moov" and length <= HEAD_LIMIT:
            file.seek(place + skip)
            head = file.read(length - skip)
        place += length
        missing = max(0, place - size)
    return _movie(head, missing) if head else Declared(missing)


def _movie(head: bytes, missing: int) -> Declared:
    """The first video track of a ``moov`` box."""
    boxes = dict(_boxes(head))
    for name, track in _boxes(head):
        if name != b"trak":
            continue
        media = dict(_boxes(dict(_boxes(track))[b"mdia"]))
        if media[b"hdlr"][8:12] != b"vide":
            continue
        if b"mvex" in boxes:  # in fragments, which tell of themselves only
            return Declared(missing)
        scale, length = _clock(media[b"mdhd"])
        movie_scale, _ = _clock(boxes[b"mvhd"])
        shown_s = _edited_s(dict(_boxes(track)).get(b"edts", b""), movie_scale)
        if shown_s is not None and shown_s < 0.99 * length / scale:
            return Declared(missing, None, shown_s)  # frames are hidden, and nobody knows how many
        table = dict(_boxes(dict(_boxes(media[b"minf"]))[b"stbl"]))[b"stts"]
        rows = struct.unpack_from(f">{2 * struct.unpack_from('>I', table, 4)[0]}I", table, 8)
        return Declared(missing, sum(rows[::2]), length / scale)
    return Declared(missing)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        if length < 8:
            return
        yield name, content[place + 8 : place + length]
        place += length


def _clock(header: bytes) -> tuple[int, int]:
    """Units a second, and the length in them, of ``mvhd`` and ``mdhd``."""
    form, place = (">IQ", 20) if header[0] == 1 else (">II", 12)
    scale, length = struct.unpack_from(form, header, place)
    return scale, length


def _edited_s(edits: bytes, scale: int) -> float | None:
    """How long an edit list shows the track; None without one."""
    table = dict(_boxes(edits)).get(b"elst")
    if table is None:
        return None
    form = ">QqI" if table[0] == 1 else ">IiI"
    (count,) = struct.unpack_from(">I", table, 4)
    rows = [struct.unpack_from(form, table, 8 + row * struct.calcsize(form)) for row in range(count)]
    return float(sum(length for length, begin, _ in rows if begin >= 0) / scale)


SEGMENT, INFO, TRACKS, TRACK, CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0x1F43B675
SCALE, DURATION, TIMESTAMP = 0x2AD7B1, 0x4489, 0xE7


def _matroska(file: BinaryIO, size: int) -> Declared:
    """A segment's length, and if it is a video track's alone its duration, which counts from zero."""
    scale_ns, duration, tracks, begin, missing = 1_000_000, None, 0, 0, 0
    for name, place, length in _elements(file, 0, size):
        if name != SEGMENT:
            continue
        end = size if length == UNKNOWN_SIZE else min(size, place + length)
        missing = 0 if length == UNKNOWN_SIZE else max(0, place + length - size)
        for part, at, span in _elements(file, place, end):
            children = _children(file, part, at, end if span == UNKNOWN_SIZE else min(end, at + span))
            if part == INFO:
                scale_ns = int.from_bytes(children.get(SCALE, b"\x0f\x42\x40"), "big")
                if value := children.get(DURATION):
                    (duration,) = struct.unpack(">f" if len(value) == 4 else ">d", value)
            elif part == TRACKS:
                tracks = sum(name == TRACK for name, _, _ in _elements(file, at, at + span))
            elif part == CLUSTER:
                begin = int.from_bytes(children.get(TIMESTAMP, b""), "big")
                break
        break
    if duration is None or not math.isfinite(duration) or tracks != 1:
        return Declared(missing)
    return Declared(missing, None, (duration - begin) * scale_ns / 1e9)


def _children(file: BinaryIO, part: int, place: int, end: int) -> dict[int, bytes]:
    """The small elements within one; of a cluster those up to its time."""
    if part not in (INFO, CLUSTER):
        return {}
    found: dict[int, bytes] = {}
    for name, at, span in _elements(file, place, end):
        file.seek(at)
        found[name] = file.read(min(max(span, 0), 8))
        if name == TIMESTAMP:
            break
    return found


def _elements(file: BinaryIO, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Id, place and length of the contents of each element from ``place`` to ``end``."""
    while place < end:
        file.seek(place)
        start = file.read(12)
        id_width = 9 - start[0].bit_length()
        if id_width > 4:
            return
        width = 9 - start[id_width].bit_length()
        if width > 8:
            return
        length = int.from_bytes(start[id_width : id_width + width], "big") & ((1 << 7 * width) - 1)
        if length == (1 << 7 * width) - 1:
            length = UNKNOWN_SIZE
        inside = place + id_width + width
        yield int.from_bytes(start[:id_width], "big"), inside, length
        if length == UNKNOWN_SIZE:
            return
        place = inside + length

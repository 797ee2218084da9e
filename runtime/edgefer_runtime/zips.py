"""Zip archives from elsewhere, read with nothing about them believed, and never further than declared.

A zip says everything twice: in front of each entry, and in the directory at its end. Readers differ in which
they follow, so that one archive can hold two things. Here both must agree, entries must lie one behind the
other without sharing a byte, and only stored and deflated ones are read, in pieces, up to the size declared.
Spanned and encrypted archives are refused, and those of 4 GiB: no bundle is one (APPNOTE 6.3.10, section 4).
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from edgefer_runtime.files import CHUNK_BYTES

STORED, DEFLATED = 0, 8
ENCRYPTED = 0x2041
"""Flags of encryption, of patches aside: bits 0, 6 and 13."""

DESCRIBED = 0x8
"""Flag of an entry whose sizes stand behind it, and again in the directory."""

UTF_8 = 0x800
WIDE = 0xFFFFFFFF

_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")


class ZipError(Exception):
    """What is wrong with an archive, in words."""


@dataclass(frozen=True)
class Entry:
    """A file in an archive.

    Attributes:
        name: as the archive has it.
        size, packed: bytes declared, and bytes that it takes in the archive.
        crc: of its content.
        deflated: or else stored.
        start: where its content begins.
        mode: of its file, as Unix has it; 0 where the archive does not say.
    """

    name: str
    size: int
    packed: int
    crc: int
    deflated: bool
    start: int
    mode: int

    @property
    def is_plain(self) -> bool:
        """Whether it is no link and no device."""
        return stat.S_IFMT(self.mode) in (0, stat.S_IFREG, stat.S_IFDIR)


def read_directory(file: BinaryIO, most: int) -> list[Entry]:
    """The entries of the archive in ``file``, in the order of its directory; names are not judged.

    Args:
        file: the archive, seekable.
        most: how many entries it may have.

    Raises:
        ZipError: it is no zip, has more entries, or is damaged or contradicts itself.
    """
    start, size, count = _find_directory(file)
    if count > most:
        raise ZipError(f"{count} entries, more than {most}")
    file.seek(start)
    directory = file.read(size)
    entries: list[tuple[int, Entry]] = []
    place = 0
    for _ in range(count):
        entry, offset, place = _read_entry(file, directory, place)
        entries.append((offset, entry))
    if place != size:
        raise ZipError("damaged zip (its directory has another length)")
    _require_apart(entries, start)
    return [entry for _, entry in entries]


def read_entry(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The content of an entry in pieces, as many bytes as it declares.

    Raises:
        ZipError: it holds fewer or more bytes, others than its checksum says, or no deflated ones.
    """
    crc, got, left = 0, 0, entry.packed
    inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.deflated else None
    file.seek(entry.start)
    while left:
        data = file.read(min(CHUNK_BYTES, left))
        if not data:
            raise ZipError(f"damaged zip ({entry.name!r} is cut short)")
        left -= len(data)
        while data:
            piece = data if inflater is None else _inflate(inflater, data, entry)
            data = b"" if inflater is None else inflater.unconsumed_tail
            crc, got = zlib.crc32(piece, crc), got + len(piece)
            if got > entry.size:
                raise ZipError(
                    f"damaged zip ({entry.name!r} holds more than the {entry.size} bytes declared)"
                )
            yield piece
    ended = inflater is None or (inflater.eof and not inflater.unused_data)
    if got != entry.size or crc != entry.crc or not ended:
        raise ZipError(f"damaged zip ({entry.name!r} does not hold what its size and checksum say)")


def _inflate(inflater: zlib._Decompress, data: bytes, entry: Entry) -> bytes:
    try:
        return inflater.decompress(data, CHUNK_BYTES)
    except zlib.error as error:
        raise ZipError(f"damaged zip ({entry.name!r}: {error})") from error


def _find_directory(file: BinaryIO) -> tuple[int, int, int]:
    """Where the directory begins, its bytes, and its entries; the archive must end with its end record."""
    length = file.seek(0, 2)
    file.seek(max(0, length - _END.size - 0xFFFF))
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) - place < _END.size:
        raise ZipError("damaged zip (no directory at its end)")
    _, disk, first, here, count, size, start, comment = _END.unpack_from(tail, place)
    at = length - len(tail) + place
    if disk or first or here != count or count == 0xFFFF or WIDE in (size, start):
        raise ZipError("damaged zip (spanned, or zip64)")
    if start + size != at or at + _END.size + comment != length:
        raise ZipError("damaged zip (something before, behind or within it is none of its own)")
    return start, size, count


def _read_entry(file: BinaryIO, directory: bytes, place: int) -> tuple[Entry, int, int]:
    """The entry at ``place`` of the directory, where it lies in the archive, and the place of the next."""
    if len(directory) - place < _CENTRAL.size:
        raise ZipError("damaged zip (its directory is cut short)")
    head = _CENTRAL.unpack_from(directory, place)
    magic, _, _, flags, method, _, _, crc, packed, size, named, extra, comment, disk, _, mode, offset = head
    begin = place + _CENTRAL.size
    raw = directory[begin : begin + named]
    if magic != b"PK\1\2" or len(raw) != named or disk:
        raise ZipError("damaged zip (its directory is none)")
    try:
        name = raw.decode("utf-8" if flags & UTF_8 else "cp437")
    except UnicodeDecodeError as error:
        raise ZipError(f"damaged zip (a name that is no text: {error})") from error
    if flags & ENCRYPTED:
        raise ZipError(f"damaged zip ({name!r} is encrypted)")
    if method not in (STORED, DEFLATED):
        raise ZipError(f"damaged zip ({name!r} is packed by method {method}, neither stored nor deflated)")
    if method == STORED and packed != size:
        raise ZipError(f"damaged zip ({name!r} is stored in {packed} bytes and declares {size})")
    start = _behind_head(file, offset, raw, flags, method, (crc, packed, size))
    entry = Entry(name, size, packed, crc, method == DEFLATED, start, mode >> 16)
    return entry, offset, begin + named + extra + comment


def _behind_head(
    file: BinaryIO, offset: int, name: bytes, flags: int, method: int, sums: tuple[int, int, int]
) -> int:
    """Where an entry's content begins, once its own head says what the directory says of it."""
    file.seek(offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or head[:4] != b"PK\3\4":
        raise ZipError(f"damaged zip (no entry where {name!r} should be)")
    _, _, local_flags, local_method, _, _, *local_sums, named, extra = _LOCAL.unpack(head)
    same = (local_flags, local_method, file.read(named)) == (flags, method, name)
    if local_sums[1:] == [WIDE, WIDE]:  # as Python writes what it streams: the sizes stand in a wider field
        local_sums[1:] = _wide_sizes(file.read(extra))
    known = tuple(local_sums) == sums or (flags & DESCRIBED and not any(local_sums))
    if not same or not known:
        raise ZipError(f"damaged zip (the head of {name!r} contradicts the directory)")
    return offset + _LOCAL.size + int(named) + int(extra)


def _wide_sizes(extra: bytes) -> list[int]:
    """Packed and true size in an entry's zip64 field (id 1, the true one first); none without that field."""
    place = 0
    while place + 20 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == 1 and length >= 16:
            size, packed = struct.unpack_from("<2Q", extra, place + 4)
            return [packed, size]
        place += 4 + length
    return []


def _require_apart(entries: list[tuple[int, Entry]], end: int) -> None:
    """Raise where two entries share bytes, or one reaches into the directory."""
    for (_, entry), (beyond, _) in pairwise([*sorted(entries, key=lambda each: each[0]), (end, None)]):
        if entry is not None and entry.start + entry.packed > beyond:
            raise ZipError(f"damaged zip ({entry.name!r} overlaps what follows)")

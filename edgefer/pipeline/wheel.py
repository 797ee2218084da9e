"""A wheel that holds files and no code, written by hand: the same bytes for the same files, everywhere.

Files are stored, not deflated: compressed bytes depend on the version of zlib, and weights hardly shrink.
"""

from __future__ import annotations

import base64
import csv
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefer import __version__
from edgefer_runtime.archive import pack
from edgefer_runtime.files import copy_hashed, replacing

TAG = "py3-none-any"
WHEEL = f"Wheel-Version: 1.0\nGenerator: edgefer {__version__}\nRoot-Is-Purelib: true\nTag: {TAG}\n"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """What a wheel is made of.

    Attributes:
        distribution: name of the package, lower case, words joined by single hyphens.
        version: normalised as PEP 440 has it.
        fields: further fields of METADATA in order, name and one-line value; empty ones are left out.
        description: Markdown, the end of METADATA.
        licence: text of the licence.
        entry_points: name -> value, by group.
        files: where each file is, by path inside the package's folder.
    """

    distribution: str
    version: str
    fields: Sequence[tuple[str, str]]
    description: str
    licence: str
    entry_points: Mapping[str, Mapping[str, str]]
    files: Mapping[str, Path]

    @property
    def package(self) -> str:
        """Folder that the files are installed in, beside other packages."""
        return self.distribution.replace("-", "_")

    @property
    def filename(self) -> str:
        """As the wheel format asks for it; installers read name, version and tag from it."""
        return f"{self.package}-{self.version}-{TAG}.whl"


def write_wheel(wheel: Wheel, folder: Path) -> Path:
    """Write ``wheel`` into ``folder``, whole or not at all; one of that name is replaced.

    Raises:
        DataError: it cannot be written.
    """
    info = f"{wheel.package}-{wheel.version}.dist-info"
    texts = {
        f"{info}/METADATA": _metadata(wheel),
        f"{info}/WHEEL": WHEEL,
        f"{info}/entry_points.txt": _entry_points(wheel.entry_points),
        f"{info}/licenses/LICENSE": wheel.licence,
    }
    sources = {f"{wheel.package}/{name}": path for name, path in sorted(wheel.files.items())}
    out = folder / wheel.filename
    with replacing(out) as temporary, tempfile.TemporaryDirectory(prefix="edgefer-wheel-") as name:
        stage = Path(name)
        for path, text in texts.items():
            sources[path] = stage / "texts" / path
            sources[path].parent.mkdir(parents=True, exist_ok=True)
            sources[path].write_bytes(text.encode())
        rows = [_copy(source, stage, path) for path, source in sources.items()]
        record = f"{info}/RECORD"
        (stage / record).write_bytes(_csv([*rows, (record, "", "")]))
        pack(stage, [*sources, record], temporary)
    return out


def _metadata(wheel: Wheel) -> str:
    fields = [
        ("Metadata-Version", "2.4"),
        ("Name", wheel.distribution),
        ("Version", wheel.version),
        *wheel.fields,
        ("License-File", "LICENSE"),
        ("Description-Content-Type", "text/markdown"),
    ]
    # A value's line breaks would begin fields of their own.
    lines = [f"{name}: {' '.join(value.split())}\n" for name, value in fields if value.strip()]
    return "".join(lines) + f"\n{wheel.description}"


def _entry_points(groups: Mapping[str, Mapping[str, str]]) -> str:
    return "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(entries.items()))
        for group, entries in sorted(groups.items())
    )


def _copy(source: Path, stage: Path, name: str) -> tuple[str, str, str]:
    """Copy a file to where it will lie; its row of RECORD."""
    target = stage / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, target.open("wb") as writer:
        size, digest = copy_hashed(reader, writer)
    encoded = base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()
    return name, f"sha256={encoded}", str(size)


def _csv(rows: Sequence[tuple[str, str, str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()

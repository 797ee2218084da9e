"""Planted damage and malice: each is found before an engine's library, or the disk, sees any of it."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from edgefer_runtime import archive
from edgefer_runtime.bundle import Bundle, pack_zip
from edgefer_runtime.errors import DataError
from edgefer_runtime.zips import Entry

Damage = Callable[[Path], object]


def edit(change: Callable[[dict], object]) -> Damage:
    """Damage that rewrites the manifest."""

    def damage(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return damage


def flip(name: str) -> Damage:
    """Damage that changes one bit in the middle of a file and not its size."""

    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return damage


def cut(name: str) -> Damage:
    """Damage that loses the last half of a file."""
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def link_out(folder: Path) -> None:
    outside = folder.parent / "outside.onnx"
    (folder / "model.onnx").rename(outside)
    (folder / "model.onnx").symlink_to(outside)


FOLDER_DAMAGE = {
    "altered engine": (flip("model.onnx"), "model.onnx was altered"),
    "engine cut short": (cut("model.onnx"), "model.onnx has .* bytes, the manifest says"),
    "a stranger": (
        lambda folder: (folder / "model.bin").write_bytes(b"x"),
        "model.bin is not in the manifest",
    ),
    "a stranger in a folder": (
        lambda folder: ((folder / "sub").mkdir(), (folder / "sub/weights").write_bytes(b"x")),
        "sub/weights is not in the manifest",
    ),
    "a link to a folder elsewhere": (
        lambda folder: (folder / "elsewhere").symlink_to("/tmp"),
        "elsewhere is not in the manifest",
    ),
    "missing engine": (lambda folder: (folder / "model.onnx").unlink(), "model.onnx is missing"),
    "engine is a folder": (
        lambda folder: ((folder / "model.onnx").unlink(), (folder / "model.onnx").mkdir()),
        "model.onnx is missing",
    ),
    "engine is a link that leaves": (link_out, "model.onnx is a link that leaves the bundle"),
    "altered certificate": (flip("certificate.json"), "certificate.json was altered"),
    "missing certificate": (
        lambda folder: (folder / "certificate.json").unlink(),
        "certificate.json is missing",
    ),
    "manifest cut short": (cut("manifest.json"), "manifest.json is no JSON"),
    "missing manifest": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
    "empty manifest": (lambda folder: (folder / "manifest.json").write_text(""), "manifest.json is no JSON"),
    "huge manifest": (lambda folder: (folder / "manifest.json").write_bytes(b" " * (5 << 20)), "more than"),
    "another schema": (edit(lambda manifest: manifest.update(schema="edgefer.bundle/9")), "edgefer.bundle/9"),
    "no files": (edit(lambda manifest: manifest.update(files=[])), "lists no engine file"),
    "path escape": (
        edit(lambda manifest: manifest["files"][0].update(path="../outside.onnx")),
        "leaves the bundle",
    ),
    "absolute path": (
        edit(lambda manifest: manifest["files"][0].update(path="/etc/passwd")),
        "leaves the bundle",
    ),
    "another sha256": (edit(lambda manifest: manifest["files"][0].update(sha256="0" * 64)), "was altered"),
    "another size": (edit(lambda manifest: manifest["files"][0].update(bytes=7)), "the manifest says 7"),
}


@pytest.mark.parametrize("name", FOLDER_DAMAGE)
def test_a_damaged_folder_is_refused(bundle: Bundle, name: str) -> None:
    damage, found = FOLDER_DAMAGE[name]
    damage(bundle.folder)
    with pytest.raises(DataError, match=found) as caught:
        Bundle.open(bundle.folder)
    assert caught.value.exit_code == 3 and caught.value.expected


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def add(name: str | zipfile.ZipInfo, content: bytes = b"x") -> Damage:
    """Damage that adds an entry to a zip."""

    def damage(path: Path) -> None:
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(name, content)

    return damage


def replace(name: str, content: bytes | None) -> Damage:
    """Damage that swaps one entry's content, or drops it."""

    def damage(path: Path) -> None:
        with zipfile.ZipFile(path) as packed:
            contents = {info.filename: packed.read(info) for info in packed.infolist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for other, old in contents.items():
                if other != name or content is not None:
                    packed.writestr(other, content if other == name and content is not None else old)

    return damage


def flip_in_zip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"ReduceMean") + 2] ^= 1
    path.write_bytes(content)


def encrypt_flag(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


ZIP_DAMAGE = {
    "cut short": (lambda path: os.truncate(path, path.stat().st_size - 40), "cut short"),
    "cut to a quarter": (lambda path: os.truncate(path, path.stat().st_size // 4), "cut short"),
    "a text file": (lambda path: path.write_text("I am a bundle, honestly"), "not a bundle"),
    "an empty file": (lambda path: path.write_bytes(b""), "not a bundle"),
    "a flipped bit": (flip_in_zip, "damaged zip"),
    "encrypted": (encrypt_flag, "damaged zip"),
    "an entry that climbs": (add("../evil.txt"), "outside the bundle"),
    "an absolute entry": (add("/tmp/evil.txt"), "outside the bundle"),
    "a backslash entry": (add("..\\evil.txt"), "outside the bundle"),
    "a folder that climbs": (add("../evil/", b""), "outside the bundle"),
    "a link": (add(entry("link", stat.S_IFLNK | 0o777), b"/etc/passwd"), "a link or a special file"),
    "a device": (add(entry("tty", stat.S_IFCHR | 0o666)), "a link or a special file"),
    "an unlisted entry": (add("extra.so"), "extra.so is not in the manifest"),
    "a bomb under a listed name": (replace("model.onnx", b"\0" * (64 << 20)), "the manifest says"),
    "a bomb of a manifest": (replace("manifest.json", b" " * (64 << 20)), "more than"),
    "a bomb of a signature": (add("signature.json", b" " * (64 << 20)), "more than"),
    "no manifest": (replace("manifest.json", None), "manifest.json is missing"),
    "no certificate": (replace("certificate.json", None), "certificate.json is missing"),
    "no engine": (replace("model.onnx", None), "model.onnx is missing"),
    "another engine": (replace("model.onnx", b"short"), "model.onnx has 5 bytes, the manifest says"),
}


@pytest.fixture
def packed(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zip whose private folder would be made in ``tmp_path/scratch``."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return pack_zip(bundle, tmp_path / "tiny.edgefer")


@pytest.mark.parametrize("name", ZIP_DAMAGE)
def test_a_damaged_zip_is_refused_and_leaves_nothing(packed: Path, tmp_path: Path, name: str) -> None:
    damage, found = ZIP_DAMAGE[name]
    damage(packed)
    with pytest.raises(DataError, match=found):
        Bundle.open(packed)
    assert not list((tmp_path / "scratch").iterdir())
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(packed: Path) -> None:
    add("model.onnx")(packed)
    with pytest.raises(DataError, match=r"two entries are called 'model\.onnx'"):
        Bundle.open(packed)


def test_sizes_are_compared_before_anything_is_unpacked(
    packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace("model.onnx", b"\0" * (64 << 20))(packed)
    unpacked: list[str] = []
    read_entry = archive.read_entry

    def watched(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
        unpacked.append(entry.name)
        return read_entry(file, entry)

    monkeypatch.setattr(archive, "read_entry", watched)
    with pytest.raises(DataError, match="the manifest says"):
        Bundle.open(packed)
    assert unpacked == ["manifest.json"]


def test_limits_hold_whatever_the_manifest_says(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "TOTAL_LIMIT_BYTES", 100)
    with pytest.raises(DataError, match="more than 100"):
        Bundle.open(packed)
    monkeypatch.undo()
    monkeypatch.setattr(archive, "ENTRY_LIMIT", 2)
    with pytest.raises(DataError, match="3 entries, more than 2"):
        Bundle.open(packed)


def test_every_cut_of_a_zip_is_refused(packed: Path) -> None:
    whole = packed.read_bytes()
    for length in range(0, len(whole), 37):
        packed.write_bytes(whole[:length])
        with pytest.raises(DataError):
            Bundle.open(packed)


def test_nothing_there_and_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such bundle"):
        Bundle.open(tmp_path / "nowhere.edgefer")
    with pytest.raises(DataError, match=r"manifest\.json is missing"):
        Bundle.open(tmp_path)


def test_messages_name_the_zip_and_not_the_private_folder(packed: Path) -> None:
    replace("certificate.json", b"{}")(packed)
    with pytest.raises(DataError, match=str(packed)):
        Bundle.open(packed)

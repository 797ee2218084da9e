"""Bundles written, packed, opened and replaced."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgefer_runtime.bundle import Bundle, pack_zip, write_bundle
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import replacing
from edgefer_runtime.manifest import Manifest

Make = Callable[..., Bundle]

CERTIFICATE = {"schema": "edgefer.certificate/1", "checks": [{"name": "parity", "passed": True}]}


def manifest(entry: str) -> Manifest:
    return Manifest(
        model="tiny",
        variant="head",
        parameters=9,
        classes=("happiness", "sadness"),
        input=InputContract(4, 4, "GRAY", mean=(0.0,), std=(1.0,)),
        target="onnxruntime",
        precision="fp32",
        entry=entry,
    )


def write(
    folder: Path, contents: Mapping[str, bytes], certificate: Mapping[str, Any] = CERTIFICATE
) -> Bundle:
    """A bundle of these files; what they hold is nobody's business until an engine opens them."""
    sources = {}
    for number, (name, content) in enumerate(contents.items()):
        sources[name] = folder.parent / f"source-{number}"
        sources[name].write_bytes(content)
    return write_bundle(folder, manifest(next(iter(contents))), sources, certificate)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


names = st.from_regex(r"[a-z0-9_]{1,8}(/[a-z0-9_]{1,8})?\.(onnx|bin)", fullmatch=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(contents=st.dictionaries(names, st.binary(max_size=3000), min_size=1, max_size=4), note=st.text())
def test_round_trip_through_folder_and_zip(contents: dict[str, bytes], note: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        certificate = {**CERTIFICATE, "note": note.encode("utf-8", "replace").decode()}
        written = write(Path(scratch) / "tiny", contents, certificate)
        with Bundle.open(pack_zip(written, Path(scratch) / "tiny.edgefer")) as packed:
            assert packed.manifest == written.manifest
            assert packed.certificate == written.certificate == certificate
            assert tree(packed.folder) == tree(written.folder)
            assert {
                file.path: (packed.folder / file.path).read_bytes() for file in packed.manifest.files
            } == contents
            assert packed.size_bytes == sum(map(len, contents.values()))
            assert packed.entry.read_bytes() == next(iter(contents.values()))


def test_a_signature_travels_unread_until_the_bundle_is_replaced(tmp_path: Path) -> None:
    unsigned = write(tmp_path / "tiny", {"model.onnx": b"abc"})
    files = {"model.onnx": unsigned.folder / "model.onnx"}

    def sign(manifest: bytes) -> dict[str, str]:
        return {"over": hashlib.sha256(manifest).hexdigest()}

    signed = write_bundle(tmp_path / "signed", manifest("model.onnx"), files, CERTIFICATE, sign)
    stated = json.loads((signed.folder / "signature.json").read_text())
    assert stated["over"] == hashlib.sha256((signed.folder / "manifest.json").read_bytes()).hexdigest()
    with Bundle.open(pack_zip(signed, tmp_path / "signed.edgefer")) as packed:
        assert packed.signed and tree(packed.folder) == tree(signed.folder)
        assert pack_zip(packed, tmp_path / "again.edgefer").read_bytes() == packed.path.read_bytes()
    (signed.folder / "signature.json").write_bytes(b"not even JSON")
    assert Bundle.open(signed.folder).signed, "a robot runs it all the same: it has no key to judge with"
    assert not write_bundle(signed.folder, manifest("model.onnx"), files, CERTIFICATE).signed
    assert not unsigned.signed


def test_the_same_bundle_packs_to_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "first", {"model.onnx": b"abc", "model.bin": b"x" * 5000})
    again = write(tmp_path / "again", {"model.onnx": b"abc", "model.bin": b"x" * 5000})
    packed = pack_zip(first, tmp_path / "first.edgefer").read_bytes()
    assert packed == pack_zip(again, tmp_path / "again.edgefer").read_bytes()
    with Bundle.open(tmp_path / "first.edgefer") as bundle:
        assert packed == pack_zip(bundle, tmp_path / "repacked.edgefer").read_bytes()
    with zipfile.ZipFile(tmp_path / "first.edgefer") as archive:
        facts = {
            (info.date_time[0], oct(info.external_attr >> 16), info.create_system)
            for info in archive.infolist()
        }
    assert facts == {(1980, "0o100644", 3)}, "neither the clock nor the machine that packed it shows"


def test_a_zip_packed_by_hand_opens_too(tmp_path: Path) -> None:
    bundle = write(tmp_path / "tiny", {"engine/model.onnx": b"abc" * 1000})
    archive = Path(shutil.make_archive(str(tmp_path / "tiny"), "zip", bundle.folder))
    with Bundle.open(archive) as opened:
        assert opened.manifest == bundle.manifest


def test_closing_or_forgetting_removes_the_private_folder(tmp_path: Path) -> None:
    packed = pack_zip(write(tmp_path / "tiny", {"model.onnx": b"abc"}), tmp_path / "tiny.edgefer")
    with Bundle.open(packed) as bundle:
        assert bundle.entry.exists()
    bundle.close()
    assert not bundle.folder.exists()
    forgotten = Bundle.open(packed)
    folder = forgotten.folder
    del forgotten
    gc.collect()
    assert not folder.exists()


def test_closing_a_folder_leaves_it(tmp_path: Path) -> None:
    with write(tmp_path / "tiny", {"model.onnx": b"abc"}) as bundle:
        pass
    assert Bundle.open(bundle.path).manifest == bundle.manifest


def test_a_bundle_is_replaced_whole(tmp_path: Path) -> None:
    write(tmp_path / "tiny", {"model.xml": b"old", "model.bin": b"old"})
    write(tmp_path / "tiny", {"model.onnx": b"new"})
    assert tree(tmp_path / "tiny").keys() == {"manifest.json", "certificate.json", "model.onnx"}
    assert {path.name for path in tmp_path.iterdir()} == {"tiny", "source-0", "source-1"}


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    assert write(tmp_path / "tiny", {"model.onnx": b"abc"}).entry.read_bytes() == b"abc"


def test_anything_else_is_not_overwritten(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter1.tex").write_text("years of work")
    with_notes = write(tmp_path / "tiny", {"model.onnx": b"abc"}).folder
    (with_notes / "notes.txt").write_text("mine")
    file = tmp_path / "file"
    file.write_text("mine")
    for destination, stranger in ((thesis, "chapter1.tex"), (with_notes, "notes.txt"), (file, "file")):
        before = tree(tmp_path)
        with pytest.raises(DataError, match=stranger):
            write(destination, {"model.onnx": b"new"})
        after = {name: text for name, text in tree(tmp_path).items() if not name.startswith("source")}
        assert after == {name: text for name, text in before.items() if not name.startswith("source")}


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_bundle_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    write(tmp_path / "tiny", {"model.onnx": b"old"})
    before = tree(tmp_path / "tiny")
    rename = Path.rename

    def fail_on_the_new(path: Path, target: Path) -> Path:
        if target == tmp_path / "tiny" and "new" in (path / "model.onnx").read_text():
            raise failure
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_on_the_new)
    with pytest.raises((DataError, KeyboardInterrupt)):
        write(tmp_path / "tiny", {"model.onnx": b"new"})
    assert tree(tmp_path / "tiny") == before
    assert {path.name for path in tmp_path.iterdir()} == {"tiny", "source-0"}


def test_a_full_disk_is_a_data_error(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with (
        pytest.raises(DataError, match="No space left"),
        replacing(tmp_path / "out"),
        full.open("wb") as sink,
    ):
        sink.write(b"x" * 100_000)
    assert not list(tmp_path.iterdir())


def test_replacing_keeps_the_old_file_when_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert tree(tmp_path) == {"report.html": b"old"}
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert tree(tmp_path) == {"report.html": b"new"}


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", "manifest.json", "certificate.json"])
def test_engine_files_lie_inside_and_under_their_own_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        write(tmp_path / "tiny", {name: b"abc"})
    assert {path.name for path in tmp_path.iterdir()} == {"source-0"}


def test_the_entry_is_one_of_the_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.onnx"):
        write_bundle(tmp_path / "tiny", manifest("model.onnx"), {}, CERTIFICATE)

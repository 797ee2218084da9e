"""Bundles made to harm: each is refused, exit 3 or 4, before a library of an engine sees a byte of it."""

from __future__ import annotations

import bz2
import hashlib
import json
import random
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgefer_runtime.bundle import Bundle, pack_zip, write_bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError

from .documents_kit import ROUNDS, tiny_bundle

MIB = 1 << 20


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return tiny_bundle(tmp_path)


def by_hand(out: Path, parts: dict[str, tuple[int, bytes, bytes]]) -> Path:
    """A zip of entries ``name: (method, packed, true content)``, both of whose heads tell what is true."""
    body, directory = b"", b""
    for name, (method, packed, true) in parts.items():
        label, where = name.encode(), len(body)
        common = struct.pack("<HHHHIII", 0, method, 0, 33, zlib.crc32(true), len(packed), len(true))
        body += (
            b"PK\3\4" + struct.pack("<H", 46) + common + struct.pack("<HH", len(label), 0) + label + packed
        )
        directory += b"PK\1\2" + struct.pack("<HH", 46, 46) + common
        directory += struct.pack("<HHHHHII", len(label), 0, 0, 0, 0, 0o100644 << 16, where) + label
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(parts), len(parts), len(directory), len(body), 0)
    out.write_bytes(body + directory + end)
    return out


def bombs() -> dict[int, bytes]:
    """By method, 160 MiB of zeros."""
    fat, thin, block = bz2.BZ2Compressor(9), zlib.compressobj(9, zlib.DEFLATED, -15), bytes(16 * MIB)
    return {
        12: b"".join(fat.compress(block) for _ in range(10)) + fat.flush(),
        8: b"".join(thin.compress(block) for _ in range(10)) + thin.flush(),
    }


@pytest.mark.parametrize("method", [12, 8])
def test_a_small_zip_that_would_fill_the_memory(bundle: Bundle, tmp_path: Path, method: int) -> None:
    """A bomb behind a small declared size (own trial: 1.3 MB took 4.2 GB): refused under 100 MB and 1 s.

    bzip2 is refused by its number, and what is deflated is inflated no further than declared.
    """
    parts = {}
    for name in ("manifest.json", "certificate.json", "model.onnx"):
        true = (bundle.folder / name).read_bytes()
        parts[name] = (0, true, true)
    parts["manifest.json"] = (method, bombs()[method], parts["manifest.json"][2])
    code = (
        "import sys, time; from edgefer_runtime.bundle import Bundle\n"
        "from edgefer_runtime.errors import DataError\n"
        "from edgefer_runtime.footprint import peak_resident_bytes\n"
        "begin = time.process_time()\n"
        "try: Bundle.open(sys.argv[1])\n"
        "except DataError as error: print(peak_resident_bytes(), time.process_time() - begin, error.found)\n"
    )
    path = by_hand(tmp_path / "bomb.edgefer", parts)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    peak, seconds, found = done.stdout.split(" ", 2)
    assert int(peak) < 100e6 and float(seconds) < 1 and "manifest.json" in found
    done = subprocess.run(
        [sys.executable, "-m", "edgefer_runtime", "verify", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 3 and "Traceback" not in done.stderr


def rezip(path: Path, change: Callable[[bytearray], object]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def at(content: bytearray, magic: bytes, number: int = 0) -> int:
    place = -1
    for _ in range(number + 1):
        place = content.index(magic, place + 1)
    return place


def other_local_name(content: bytearray) -> None:
    content[at(content, b"PK\3\4") + 30] ^= 1


def other_local_size(content: bytearray) -> None:
    content[at(content, b"PK\3\4") + 22] ^= 1


def other_local_method(content: bytearray) -> None:
    content[at(content, b"PK\3\4") + 8] = 8


def encrypted(content: bytearray) -> None:
    content[at(content, b"PK\3\4") + 6] |= 1
    content[at(content, b"PK\1\2") + 8] |= 1


def overlapping(content: bytearray) -> None:
    """The third entry begins where the first does."""
    third = at(content, b"PK\1\2", 2)
    content[third + 42 : third + 46] = bytes(4)


def bytes_between(content: bytearray) -> None:
    directory = at(content, b"PK\1\2")
    content[directory:directory] = b"spare"


def bytes_before(content: bytearray) -> None:
    content[:0] = b"#!/bin/sh\n"


def bytes_behind(content: bytearray) -> None:
    content += b"spare"


def fewer_entries(content: bytearray) -> None:
    end = content.rindex(b"PK\5\6")
    content[end + 8] = content[end + 10] = 2


def past_the_end(content: bytearray) -> None:
    first = at(content, b"PK\1\2")
    content[first + 42 : first + 46] = b"\xff\xff\xff\x7f"


CONTRADICTIONS = (
    other_local_name, other_local_size, other_local_method, encrypted, overlapping, bytes_between,
    bytes_before, bytes_behind, fewer_entries, past_the_end,
)  # fmt: skip


@pytest.mark.parametrize("change", CONTRADICTIONS)
def test_a_zip_that_contradicts_itself(
    bundle: Bundle, tmp_path: Path, change: Callable[[bytearray], object]
) -> None:
    """A zip whose two tables differ is two archives, one for each reader: exit 3, whichever it favours."""
    path = pack_zip(bundle, tmp_path / "tiny.edgefer")
    rezip(path, change)
    with pytest.raises(DataError, match=r"damaged zip|not a bundle|is missing"):
        Bundle.open(path)


def test_a_zip_with_a_million_entries(tmp_path: Path) -> None:
    """The number of entries is looked at before any is read."""
    path = tmp_path / "many.edgefer"
    with zipfile.ZipFile(path, "w") as packed:
        for number in range(300):
            packed.writestr(f"{number}", b"")
    with pytest.raises(DataError, match="300 entries, more than 256"):
        Bundle.open(path)


def test_weights_that_the_manifest_does_not_list(tmp_path: Path) -> None:
    """A manifest of ``model.xml`` alone, and another ``model.bin`` beside it (own trial: it opened, with
    other answers, and a signature over it still passed): a folder takes no strangers, exit 3."""
    openvino = pytest.importorskip("openvino")
    whole = tiny_bundle(tmp_path / "onnx")
    model = openvino.Core().read_model(whole.entry)
    folder = tmp_path / "ir"
    shutil.copytree(whole.folder, folder)
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    (folder / "model.onnx").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / "model.xml").read_bytes()
    files = [{"path": "model.xml", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}]
    changed = {"target": "openvino", "entry": "model.xml", "files": files, "options": {}}
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changed}))
    with pytest.raises(DataError, match=r"model\.bin is not in the manifest"):
        Bundle.open(folder)
    (folder / "model.bin").unlink()
    with pytest.raises(DataError, match="cannot open"):  # listed as it is, and useless
        Classifier.open(folder)


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "{outside}"])
def test_weights_outside_of_the_bundle(bundle: Bundle, tmp_path: Path, location: str) -> None:
    """An ONNX whose weights lie in a file that the manifest does not list, beside it or elsewhere: exit 3."""
    outside = tmp_path / "weights.bin"
    outside.write_bytes(np.full(3000, 0.125, np.float32).tobytes())
    model = onnx.load(bundle.entry)
    gain = next(tensor for tensor in model.graph.initializer if tensor.name == "gain")
    gain.ClearField("raw_data")
    gain.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location.format(outside=outside)), ("offset", "0"), ("length", "12")):
        entry = gain.external_data.add()
        entry.key, entry.value = key, value
    source = tmp_path / "external.onnx"
    source.write_bytes(model.SerializeToString())
    shutil.rmtree(bundle.folder)
    made = write_bundle(bundle.path, bundle.manifest, {"model.onnx": source}, bundle.certificate)
    if location == "weights.bin":
        shutil.copy(outside, made.folder)
        with pytest.raises(DataError, match=r"weights\.bin is not in the manifest"):
            Bundle.open(made.folder)
        (made.folder / "weights.bin").unlink()
    with pytest.raises(DataError, match="cannot open"):
        Classifier.open(made.folder)


@pytest.mark.parametrize("value", [0, -1, 1e-9, float("nan"), float("inf"), "x", None, 10**9, [1.05]])
def test_a_crop_of_no_size(bundle: Bundle, value: object) -> None:
    """``crop_scale`` 0, NaN or a word in a manifest (own trial: all faces had one label): exit 3, named."""
    path = bundle.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["input"]["crop_scale"] = value
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="crop_scale"):
        Bundle.open(bundle.folder)
    if isinstance(value, (int, float)):
        with pytest.raises(DataError, match="crop_scale"):
            InputContract(8, 8, "GRAY", mean=(0.0,), std=(1.0,), crop_scale=value)


@pytest.mark.parametrize(
    "option", ["session.collect_node_memory_stats_to_file", "session.optimized_model_filepath"]
)
def test_an_option_that_leads_to_a_file(tmp_path: Path, option: str) -> None:
    """An option in a manifest says how to compute, never where files lie: exit 3, nothing written."""
    target = tmp_path / "written"
    made = tiny_bundle(tmp_path, options={option: str(target)})
    with pytest.raises(DataError, match=option):
        Classifier.open(made)
    assert not target.exists()


def test_an_engine_whose_signature_failed_is_not_opened(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``edgefer check --verify KEY`` ran the engine of a bundle not signed with KEY: exit 4, no engine."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from typer.testing import CliRunner

    from edgefer.cli.main import app
    from edgefer_export import evidence

    key = tmp_path / "key.pub"
    public = Ed25519PrivateKey.generate().public_key()
    key.write_bytes(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    looked = []
    monkeypatch.setattr(evidence, "redo", lambda *words: looked.append(words) or [])
    monkeypatch.setattr(evidence.Evidence, "from_json", classmethod(lambda cls, value: looked.append(value)))
    done = CliRunner().invoke(app, ["check", str(bundle.folder), "--verify", str(key), "--json"])
    rows = {row["name"]: row["passed"] for row in json.loads(done.stdout)["checks"]}
    assert done.exit_code == 4 and rows == {"files": True, "signature": False} and not looked
    CliRunner().invoke(app, ["check", str(bundle.folder), "--json"])
    assert looked, "without a key to verify, the engine is checked"


def test_a_zip_with_any_byte_changed(bundle: Bundle, tmp_path: Path) -> None:
    """Whatever a flipped, cut or doubled piece of a zip makes of it: refused, or the very same files."""
    path = pack_zip(bundle, tmp_path / "tiny.edgefer")
    whole, dice = path.read_bytes(), random.Random(6)
    files = {name: (bundle.folder / name).read_bytes() for name in bundle.names}
    for _ in range(ROUNDS):
        content = bytearray(whole)
        start = dice.randrange(len(content))
        if dice.random() < 0.6:
            start = dice.choice([start, content.rindex(b"PK\1\2") + dice.randrange(60)])
            content[start % len(content)] = dice.randrange(256)
        else:
            content[start : start + dice.randrange(40)] = content[start : start + dice.randrange(40)]
        path.write_bytes(content)
        try:
            with Bundle.open(path) as opened:
                assert {name: (opened.folder / name).read_bytes() for name in opened.names} == files
        except DataError as error:
            assert error.found


@pytest.mark.parametrize("batch", [None, 3])
def test_a_batch_size_that_the_engine_has_not(tmp_path: Path, batch: int | None) -> None:
    """A manifest that says another batch size than its engine takes (2 of 482 edited manifests ended in the
    library's own traceback at the first call): exit 3, when it is opened."""
    with pytest.raises(DataError, match="takes 1 images a call"):
        Classifier.open(tiny_bundle(tmp_path, batch=batch))

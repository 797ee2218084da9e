"""`edgefer check`: a bundle is measured again from what it holds; anything altered exits 4 with its row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.pipeline.check import check_subject
from edgefer.pipeline.export import ExportSettings, export_bundles
from edgefer_runtime.bundle import Bundle, pack_zip, write_bundle
from edgefer_runtime.errors import DataError, UsageError


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two key pairs: ``mine`` and ``theirs``, the public halves with .pub."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "theirs"):
        key = Ed25519PrivateKey.generate()
        (folder / name).write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, serialization.NoEncryption())
        )
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        (folder / f"{name}.pub").write_bytes(public)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Path:
    """LANMSFF, the smallest of the zoo, in float for ONNX Runtime, signed."""
    out = tmp_path_factory.mktemp("exported")
    settings = ExportSettings(
        "lanmsff", data="synthfer:test[:35]", targets=("onnxruntime",), output=out, sign=keys / "mine"
    )
    (row,) = export_bundles(settings)
    assert row["signed"]
    return Path(row["path"])


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "bundle"))


def checked(path: Path, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and rows of the command."""
    done = CliRunner().invoke(app, ["check", str(path), "--json", *words])
    rows = json.loads(done.stdout)["checks"] if done.stdout else []
    return done.exit_code, {row["name"]: row for row in rows}


def test_a_bundle_as_exported(bundle: Path, tmp_path: Path) -> None:
    zipped = pack_zip(Bundle.open(bundle), tmp_path / "lanmsff.edgefer")
    for path in (bundle, zipped):
        code, rows = checked(path)
        assert code == 0 and all(row["passed"] for row in rows.values())
        assert {"files", "classes", "selection", "gates", "as-claimed", "parity/onnxruntime-fp32"} <= set(
            rows
        )
    assert (bundle / "certificate.json").stat().st_size < 128 * 1024


def test_the_table_for_people(bundle: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(bundle)])
    assert done.exit_code == 0 and "as-claimed" in done.stdout and "FAILED" not in done.stdout
    (bundle / "model.onnx").write_bytes(b"altered")
    done = CliRunner().invoke(app, ["check", str(bundle)])
    assert done.exit_code == 4 and "FAILED" in done.stdout
    assert "check files failed" in done.stderr and "model.onnx" in done.stderr


def test_a_signature_is_verified_with_the_rest(bundle: Path, keys: Path, tmp_path: Path) -> None:
    zipped = pack_zip(Bundle.open(bundle), tmp_path / "lanmsff.edgefer")
    for path in (bundle, zipped):
        code, rows = checked(path, "--verify", str(keys / "mine.pub"))
        assert code == 0 and [*rows][:2] == ["files", "signature"] and "parity/onnxruntime-fp32" in rows


def test_a_signature_that_does_not_stand(bundle: Path, keys: Path) -> None:
    code, rows = checked(bundle, "--verify", str(keys / "theirs.pub"))
    failed = [name for name, row in rows.items() if not row["passed"]]
    assert code == 4 and failed == ["signature"] and "another key" in rows["signature"]["detail"]
    unsigned = rewritten(bundle, lambda certificate: None)
    code, rows = checked(unsigned, "--verify", str(keys / "mine.pub"))
    assert code == 4 and "missing" in rows["signature"]["detail"]
    code, rows = checked(unsigned)
    assert code == 0 and "signature" not in rows
    (bundle / "model.onnx").write_bytes(b"altered")
    code, rows = checked(bundle, "--verify", str(keys / "mine.pub"))
    assert code == 4 and [*rows] == ["files"]


def test_keys_that_are_none(bundle: Path, keys: Path) -> None:
    assert checked(bundle, "--verify", str(keys / "mine"))[0] == 3  # the private half
    assert checked(bundle / "model.onnx", "--verify", str(keys / "mine.pub"))[0] == 2
    with pytest.raises(DataError, match="Ed25519 private key"):
        export_bundles(ExportSettings("lanmsff", sign=keys / "mine.pub"))


def test_an_altered_zip(bundle: Path, tmp_path: Path) -> None:
    zipped = pack_zip(Bundle.open(bundle), tmp_path / "lanmsff.edgefer")
    data = bytearray(zipped.read_bytes())
    data[len(data) // 2] ^= 1
    zipped.write_bytes(data)
    code, rows = checked(zipped)
    assert code == 4 and [*rows] == ["files"]


def rewritten(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The bundle with another certificate, sealed as if it had been exported so."""
    opened = Bundle.open(bundle)
    certificate = json.loads((bundle / "certificate.json").read_text())
    change(certificate)
    files = {file.path: bundle / file.path for file in opened.manifest.files}
    return write_bundle(bundle.with_name("rewritten"), opened.manifest, files, certificate).folder


def other_engine_answers(certificate: dict[str, Any]) -> None:
    answers = np.array(certificate["evidence"]["engine"])
    certificate["evidence"]["engine"] = np.roll(answers, 1, axis=1).tolist()


def other_network_answers(certificate: dict[str, Any]) -> None:
    answers = np.array(certificate["evidence"]["network"])
    certificate["evidence"]["network"] = np.roll(answers, 1, axis=1).tolist()


def better_number(certificate: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in certificate["evidence"]["checks"]}
    rows["precision/onnxruntime-fp32"]["measured"] = -1.0


def other_classes(certificate: dict[str, Any]) -> None:
    certificate["evidence"]["classes"].reverse()


@pytest.mark.parametrize(
    ("change", "row"),
    [
        (other_engine_answers, "as-exported/onnxruntime-fp32"),
        (other_network_answers, "parity/onnxruntime-fp32"),
        (better_number, "as-claimed"),
        (other_classes, "classes"),
    ],
)
def test_a_certificate_that_does_not_fit(
    change: Callable[[dict[str, Any]], Any], row: str, bundle: Path
) -> None:
    code, rows = checked(rewritten(bundle, change))
    assert code == 4 and not rows[row]["passed"] and rows["files"]["passed"]


def test_a_certificate_without_evidence(bundle: Path) -> None:
    code, rows = checked(rewritten(bundle, lambda certificate: certificate.pop("evidence")))
    assert code == 3 and not rows


def test_a_float_graph_is_held_against_itself(bundle: Path) -> None:
    code, rows = checked(bundle / "model.onnx")
    assert code == 0 and {"operators/openvino", "axes/openvino", "gates", "sum/probabilities"} <= set(rows)


def test_what_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        check_subject(tmp_path / "nothing.edgefer")
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(DataError, match="no ONNX file"):
        check_subject(tmp_path / "broken.onnx")
    (tmp_path / "notes.txt").write_text("no bundle")
    with pytest.raises(UsageError):
        check_subject(tmp_path / "notes.txt")

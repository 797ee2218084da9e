"""Signatures: made and read with the tools people have, and refused when anything was changed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from edgefer_export.signature import check_signature, fingerprint, open_signer, read_public_key
from edgefer_runtime.bundle import Bundle, pack_zip, write_bundle
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError
from edgefer_runtime.manifest import Manifest

PASSPHRASE = "correct horse"


class Pair:
    """An Ed25519 key pair in files: private as PKCS 8, OpenSSH, and OpenSSH with a passphrase."""

    def __init__(self, folder: Path) -> None:
        key = ed25519.Ed25519PrivateKey.generate()
        forms = serialization.PrivateFormat
        protection = serialization.BestAvailableEncryption(PASSPHRASE.encode())
        self.pem = folder / "key.pem"
        self.openssh = folder / "key"
        self.protected = folder / "protected"
        for path, form, locked in (
            (self.pem, forms.PKCS8, serialization.NoEncryption()),
            (self.openssh, forms.OpenSSH, serialization.NoEncryption()),
            (self.protected, forms.PKCS8, protection),
        ):
            path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
        public, encodings = key.public_key(), serialization.Encoding
        self.pem_public, self.openssh_public = folder / "pub.pem", folder / "key.pub"
        self.pem_public.write_bytes(
            public.public_bytes(encodings.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        self.openssh_public.write_bytes(
            public.public_bytes(encodings.OpenSSH, serialization.PublicFormat.OpenSSH) + b" me@here\n"
        )


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    (tmp_path / "mine").mkdir()
    return Pair(tmp_path / "mine")


@pytest.fixture
def stranger(tmp_path: Path) -> Pair:
    (tmp_path / "theirs").mkdir()
    return Pair(tmp_path / "theirs")


@pytest.fixture
def manifest() -> Manifest:
    contract = InputContract(height=8, width=8, color="RGB", mean=(0.0,) * 3, std=(1.0,) * 3)
    return Manifest(
        model="tiny",
        variant="head",
        parameters=1,
        classes=("calm", "cross"),
        input=contract,
        target="onnxruntime",
        precision="fp32",
        entry="model.onnx",
    )


@pytest.fixture
def write(tmp_path: Path, manifest: Manifest) -> Callable[..., Bundle]:
    def make(key: Path | None, name: str = "bundle", content: bytes = b"engine") -> Bundle:
        (tmp_path / "model.onnx").write_bytes(content)
        files = {"model.onnx": tmp_path / "model.onnx"}
        return write_bundle(tmp_path / name, manifest, files, {}, None if key is None else open_signer(key))

    return make


@pytest.mark.parametrize("private", ["pem", "openssh"])
@pytest.mark.parametrize("public", ["pem_public", "openssh_public"])
def test_either_form_of_a_key_signs_and_verifies(
    private: str, public: str, pair: Pair, write: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle, key = write(getattr(pair, private)), read_public_key(getattr(pair, public))
    assert check_signature(bundle, key).passed
    with Bundle.open(pack_zip(bundle, tmp_path / "signed.edgefer")) as packed:
        assert packed.signed and check_signature(packed, key).passed


def test_the_signature_is_plain_ed25519_over_the_manifest(pair: Pair, write: Callable[..., Bundle]) -> None:
    bundle = write(pair.pem)
    stated = json.loads((bundle.folder / "signature.json").read_text())
    key = serialization.load_pem_public_key(pair.pem_public.read_bytes())
    key.verify(base64.b64decode(stated["signature"]), (bundle.folder / "manifest.json").read_bytes())
    assert (stated["algorithm"], stated["key"]) == (
        "ed25519",
        fingerprint(read_public_key(pair.openssh_public)),
    )


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")
def test_keys_of_ssh_keygen_and_its_fingerprint(tmp_path: Path, write: Callable[..., Bundle]) -> None:
    for name, passphrase in (("open", ""), ("locked", PASSPHRASE)):
        path = tmp_path / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "open.pub"], capture_output=True, text=True, check=True
    )
    key = read_public_key(tmp_path / "open.pub")
    assert fingerprint(key) in shown.stdout.split()
    assert check_signature(write(tmp_path / "open"), key).passed
    sign = open_signer(tmp_path / "locked", lambda: PASSPHRASE)
    assert sign(b"manifest")["key"] == fingerprint(read_public_key(tmp_path / "locked.pub"))


def test_a_passphrase_is_asked_for_or_the_key_refused(pair: Pair) -> None:
    assert open_signer(pair.protected, lambda: PASSPHRASE)(b"x") == open_signer(pair.pem)(b"x")
    with pytest.raises(DataError, match="a passphrase protects this key"):
        open_signer(pair.protected)
    for wrong in ("wrong", ""):
        with pytest.raises(DataError, match="not with this passphrase"):
            open_signer(pair.protected, lambda answer=wrong: answer)


def altered_manifest(folder: Path, _: Bundle) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"licence": ""', '"licence": "mine"'))


def swapped_signature(folder: Path, other: Bundle) -> None:
    """Of the same key, but over another bundle's manifest."""
    shutil.copy(other.folder / "signature.json", folder)


def removed(folder: Path, _: Bundle) -> None:
    (folder / "signature.json").unlink()


def other_algorithm(folder: Path, _: Bundle) -> None:
    change(folder, algorithm="none")


def no_signature_at_all(folder: Path, _: Bundle) -> None:
    change(folder, signature=None)


def change(folder: Path, **fields: Any) -> None:
    stated = json.loads((folder / "signature.json").read_text())
    (folder / "signature.json").write_text(json.dumps({**stated, **fields}))


def cut(folder: Path, _: Bundle) -> None:
    (folder / "signature.json").write_text('{"schema": "edgefer.sig')


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (altered_manifest, "altered"),
        (swapped_signature, "altered"),
        (removed, "missing"),
        (other_algorithm, "none"),
        (no_signature_at_all, "cannot be read"),
        (cut, "cannot be read"),
    ],
)
def test_what_was_changed_after_signing_fails(
    fault: Callable[[Path, Bundle], None], told: str, pair: Pair, write: Callable[..., Bundle]
) -> None:
    bundle, other = write(pair.pem), write(pair.pem, "other", b"another engine")
    fault(bundle.folder, other)
    row = check_signature(Bundle.open(bundle.folder), read_public_key(pair.pem_public))
    assert not row.passed and row.name == "signature" and told in row.detail


def test_another_key_s_signature_fails_whatever_it_says_of_itself(
    pair: Pair, stranger: Pair, write: Callable[..., Bundle]
) -> None:
    bundle, mine = write(stranger.pem), read_public_key(pair.pem_public)
    row = check_signature(bundle, mine)
    assert not row.passed and fingerprint(read_public_key(stranger.pem_public)) in row.detail
    change(bundle.folder, key=fingerprint(mine))
    assert not check_signature(bundle, mine).passed


def test_an_engine_swapped_under_a_new_manifest_fails(pair: Pair, write: Callable[..., Bundle]) -> None:
    bundle, forged = write(pair.pem), write(None, "forged", b"another engine")
    for name in ("model.onnx", "manifest.json"):
        shutil.copy(forged.folder / name, bundle.folder)
    assert not check_signature(Bundle.open(bundle.folder), read_public_key(pair.pem_public)).passed


def test_replacing_a_signed_bundle_without_a_key_leaves_no_signature(
    pair: Pair, write: Callable[..., Bundle]
) -> None:
    assert write(pair.pem).signed
    assert not write(None, content=b"a newer engine").signed


def test_what_is_no_ed25519_key_is_refused(pair: Pair, tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    wrong = tmp_path / "wrong"
    wrong.write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    text = tmp_path / "notes.txt"
    text.write_text("no key")
    for path in (wrong, text, tmp_path / "nowhere", pair.openssh_public, tmp_path):
        with pytest.raises(DataError, match="Ed25519 private key"):
            open_signer(path)
    for path in (wrong, text, tmp_path / "nowhere", pair.pem, pair.openssh):
        with pytest.raises(DataError, match="Ed25519 public key"):
            read_public_key(path)

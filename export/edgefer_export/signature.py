"""Ed25519 signatures of bundles: who made this, and is it still what they made?

The signature is over the bytes of ``manifest.json``, which states the sha256 of every engine file and of the
certificate; it stands beside it in ``signature.json``. Any Ed25519 tool can verify it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from edgefer_export.checks.check import Check
from edgefer_runtime.bundle import Bundle, Sign
from edgefer_runtime.documents import read_json
from edgefer_runtime.errors import DataError
from edgefer_runtime.manifest import MANIFEST, SIGNATURE
from edgefer_runtime.tables import Line, read_table

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SCHEMA = "edgefer.signature/1"
ALGORITHM = "ed25519"


class SignatureJson(TypedDict):
    """``signature.json``."""

    schema: Annotated[str, Line()]
    algorithm: Annotated[str, Line()]
    key: Annotated[str, Line()]
    signature: Annotated[str, Line()]


Ask = Callable[[], str]
"""Asks whoever is there for the passphrase of a key."""


def open_signer(path: Path, ask: Ask | None = None) -> Sign:
    """What signs manifests with the private key at ``path``.

    Args:
        path: an Ed25519 private key, PEM (PKCS 8) or OpenSSH.
        ask: called when a passphrase protects the key; None when there is nobody to ask.

    Raises:
        DataError: no such key, a key of another kind, or one whose passphrase is not known.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    data = _read(path, "private")
    openssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        try:
            key = load(data, None)
        except TypeError:  # how both loaders say that there is a passphrase
            if ask is None:
                raise DataError(
                    f"{path}: a passphrase protects this key",
                    expected="a terminal to ask for it",
                    action="export from a terminal, or sign with a key that has none",
                ) from None
            key = load(data, ask().encode())
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "private", f"cannot be read, or not with this passphrase ({error})") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private", f"holds an {type(key).__name__}")

    def sign(manifest: bytes) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "algorithm": ALGORITHM,
            "key": fingerprint(key.public_key()),
            "signature": base64.b64encode(key.sign(manifest)).decode(),
        }

    return sign


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The Ed25519 public key at ``path``, PEM or OpenSSH.

    Raises:
        DataError: no such key, or a key of another kind.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    data = _read(path, "public")
    pem = data.lstrip().startswith(b"-----BEGIN")
    try:
        key = (serialization.load_pem_public_key if pem else serialization.load_ssh_public_key)(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "public", f"cannot be read ({error})") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "public", f"holds an {type(key).__name__}")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """The key's SHA-256 fingerprint, as ``ssh-keygen -l`` shows it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def check_signature(bundle: Bundle, key: Ed25519PublicKey) -> Check:
    """The row ``signature``: passed when ``key`` signed this very manifest."""
    fault = _fault(bundle, key)
    detail = fault or f"manifest.json is signed with {fingerprint(key)}"
    return Check.at_most("signature", fault is not None, 0, "faults", detail)


def _fault(bundle: Bundle, key: Ed25519PublicKey) -> str | None:
    from cryptography.exceptions import InvalidSignature

    if not bundle.signed:
        return f"{SIGNATURE} is missing: nobody signed this bundle, or its plan was built after it was signed"
    try:
        stated = read_table(SignatureJson, read_json(bundle.folder / SIGNATURE), SIGNATURE)
        signature = base64.b64decode(stated["signature"], validate=True)
    except (DataError, ValueError) as error:
        return f"{SIGNATURE} cannot be read ({getattr(error, 'found', error)})"
    kind, signed_with = (stated["schema"], stated["algorithm"]), stated["key"]
    if kind != (SCHEMA, ALGORITHM):
        return f"{SIGNATURE} is of schema and algorithm {kind}, not {(SCHEMA, ALGORITHM)}"
    if signed_with != fingerprint(key):
        return f"signed with another key: {signed_with}, not {fingerprint(key)}"
    try:
        key.verify(signature, (bundle.folder / MANIFEST).read_bytes())
    except InvalidSignature:
        return f"the signature is not {fingerprint(key)}'s over this {MANIFEST}: one of them was altered"
    return None


def _read(path: Path, half: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _no_key(path, half, f"cannot be read ({error.strerror})") from error


def _no_key(path: Path, half: str, found: str) -> DataError:
    return DataError(
        f"{path}: {found}",
        expected=f"an Ed25519 {half} key, PEM or OpenSSH",
        action="make a pair: ssh-keygen -t ed25519 -f KEY writes KEY (private) and KEY.pub (public)",
    )

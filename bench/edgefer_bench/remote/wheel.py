"""The wheel of the runtime that is installed here, made from its own files: pure Python, so any robot's."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import edgefer_runtime

EPOCH = (1980, 1, 1, 0, 0, 0)


def write_runtime_wheel(folder: Path) -> Path:
    """Write the wheel into ``folder``, the same bytes for the same files; returns its path."""
    version = edgefer_runtime.__version__
    package = Path(edgefer_runtime.__file__).parent
    info = f"edgefer_runtime-{version}.dist-info"
    contents = {
        f"{package.name}/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.suffix in (".py", ".typed")
    }
    contents[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: edgefer-runtime\nVersion: {version}\nRequires-Python: >=3.10\n"
        "Requires-Dist: numpy>=1.24\n"
    ).encode()
    contents[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: edgefer\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    rows = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    wheel = folder / f"edgefer_runtime-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    return wheel


def _digest(data: bytes) -> str:
    """As RECORD wants it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

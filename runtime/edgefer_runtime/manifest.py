"""The manifest of a bundle: what the engine is, what it takes and gives, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import is_inside

MANIFEST, CERTIFICATE, SIGNATURE = "manifest.json", "certificate.json", "signature.json"
OWN_FILES = frozenset({MANIFEST, CERTIFICATE, SIGNATURE})
"""Files of a bundle that are none of the engine's; the signature need not be there."""

JSON_LIMIT_BYTES = 4 << 20
SCHEMA = "edgefer.bundle/1"
OUTPUT = "probabilities"


@dataclass(frozen=True)
class EngineFile:
    """One file of a bundle: its path inside the bundle, its size and its sha256 in hex."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that is known about an engine; ``manifest.json`` of its bundle.

    Attributes:
        model, variant: the architecture and its named switch.
        parameters: trainable parameters of the float network.
        classes: class names in the order of the probabilities.
        input: the input contract; the engine resizes and normalises inside.
        output: always ``"probabilities"``, float32 N x K.
        target, precision: where the engine runs, and in what arithmetic.
        batch: the static batch size, or None when it is dynamic.
        entry: the file the engine is opened from, one of ``files``.
        files: the engine's files; filled by :func:`edgefer_runtime.bundle.write_bundle`.
        certificate_sha256: sha256 of ``certificate.json``; filled by ``write_bundle``.
        options: options of the engine, e.g. ``{"INFERENCE_PRECISION_HINT": "f32"}``.
        tools: versions of what built it, by name.
        quantization: how INT8 or FP16 was made from float32, and on which faces; None for other engines.
        accuracy: what was measured when the bundle was made; None if nothing was.
        licence, provenance: of weights and data.
    """

    model: str
    variant: str
    parameters: int
    classes: tuple[str, ...]
    input: InputContract
    target: str
    precision: str
    entry: str
    batch: int | None = 1
    output: str = OUTPUT
    files: tuple[EngineFile, ...] = ()
    certificate_sha256: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    quantization: Mapping[str, Any] | None = None
    accuracy: Mapping[str, Any] | None = None
    licence: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise DataError(
                f"a manifest whose {problem}",
                expected=f"a manifest of schema {SCHEMA}",
                action="export the bundle again with this version of edgefer",
            )

    def _problem(self) -> str | None:
        for name in ("model", "variant", "target", "precision", "entry", "certificate_sha256", "licence"):
            if not isinstance(getattr(self, name), str):
                return f"{name} is no string"
        if not _is_count(self.parameters):
            return f"parameters are {self.parameters!r}"
        if self.batch is not None and not (_is_count(self.batch) and self.batch):
            return f"batch is {self.batch!r}"
        if not self.classes or not all(isinstance(name, str) and name for name in self.classes):
            return f"classes are {self.classes!r}"
        if len({*self.classes}) != len(self.classes):
            return "classes are not distinct"
        if self.output != OUTPUT:
            return f"output is {self.output!r}"
        for name in ("options", "tools", "provenance"):
            if not isinstance(getattr(self, name), Mapping):
                return f"{name} is no object"
        for name in ("quantization", "accuracy"):
            if not isinstance(getattr(self, name), Mapping | None):
                return f"{name} is neither an object nor null"
        for file in self.files:
            if not isinstance(file.path, str) or not is_inside(file.path):
                return f"file {file.path!r} leaves the bundle"
            if not _is_count(file.bytes) or not _is_sha256(file.sha256):
                return f"file {file.path!r} has no proper size and sha256"
        if len({file.path for file in self.files}) != len(self.files):
            return "files are not distinct"
        if self.files and self.entry not in {file.path for file in self.files}:
            return f"entry {self.entry!r} is not among its files"
        return None

    @property
    def name(self) -> str:
        """The engine's, which an installed model has too: ``"pattlite-onnxruntime-int8"``."""
        return f"{self.model}-{self.target}-{self.precision}"

    @property
    def size_bytes(self) -> int:
        """What the engine's files take on disk."""
        return sum(file.bytes for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """The manifest as a JSON object, schema included."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, value: Any) -> Manifest:
        """The manifest written by :meth:`to_json`; fields a later version added are passed over.

        Raises:
            DataError: another schema, a field missing, or a field of the wrong kind.
        """
        schema = value.get("schema") if isinstance(value, Mapping) else None
        if schema != SCHEMA:
            raise DataError(
                f"a manifest of schema {schema!r}",
                expected=SCHEMA,
                action="open it with the version of edgefer-runtime that it was made for",
            )
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        try:
            known["classes"] = (*known["classes"],) if isinstance(known["classes"], list) else ()
            known["input"] = InputContract.from_json(known["input"])
            known["files"] = tuple(EngineFile(**file) for file in known["files"])
            return cls(**known)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else error
            raise DataError(
                f"a manifest that cannot be read: {reason}",
                expected=f"every field of {SCHEMA}",
                action="export the bundle again with this version of edgefer",
            ) from error


def parse_manifest(data: bytes, shown: Path) -> Manifest:
    """The manifest in ``data``, the text of the ``manifest.json`` of the bundle ``shown``.

    Raises:
        DataError: no JSON, another schema, or fields that do not fit.
    """
    return Manifest.from_json(parse_json(data, f"{shown}: {MANIFEST}"))


def parse_json(data: bytes, name: str) -> Any:
    """The value of a JSON text; ``name`` is what messages call it.

    Raises:
        DataError: it is no JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{name} is no JSON ({error})", expected="a whole JSON object", action="copy the bundle again"
        ) from error


def format_json(value: Mapping[str, Any]) -> bytes:
    """``value`` as JSON text: the same bytes for the same value."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and {*value} <= {*"0123456789abcdef"}

"""The manifest of a bundle: what the engine is, what it takes and gives, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from edgefer_runtime.contract import InputContract
from edgefer_runtime.documents import LIMIT_BYTES, parse_json, shown
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import is_inside
from edgefer_runtime.tables import Line, Within, read_table, require_fields

MANIFEST, CERTIFICATE, SIGNATURE = "manifest.json", "certificate.json", "signature.json"
OWN_FILES = frozenset({MANIFEST, CERTIFICATE, SIGNATURE})
"""Files of a bundle that are none of the engine's; the signature need not be there."""

JSON_LIMIT_BYTES = LIMIT_BYTES
"""Of the manifest and of each other JSON file of a bundle."""

SCHEMA = "edgefer.bundle/1"
OUTPUT = "probabilities"
AGAIN = "export the bundle again with this version of edgefer"

Name: TypeAlias = Annotated[str, Line(apart=True)]
Count: TypeAlias = Annotated[int, Within(0, 1 << 53)]
Classes: TypeAlias = tuple[Annotated[str, Line()], ...]
Setting: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class EngineFile:
    """One file of a bundle: its path inside the bundle, its size and its sha256 in hex."""

    path: Annotated[str, Line(1024)]
    bytes: Count
    sha256: str

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise DataError(f"file {self.path!r} {problem}", expected="a file's own path, size and sha256")

    def _problem(self) -> str | None:
        if not is_inside(self.path):
            return "leaves the bundle"
        if self.path in OWN_FILES:
            return "is none of the engine's"
        if len(self.sha256) != 64 or not {*self.sha256} <= {*"0123456789abcdef"}:
            return "has no proper sha256"
        return None


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

    model: Name
    variant: Name
    parameters: Count
    classes: Classes
    input: InputContract
    target: Name
    precision: Name
    entry: str
    batch: Annotated[int, Within(1, 1 << 16)] | None = 1
    output: Literal["probabilities"] = "probabilities"
    files: tuple[EngineFile, ...] = ()
    certificate_sha256: str = ""
    options: Mapping[str, Setting] = field(default_factory=dict)
    tools: Mapping[str, Annotated[str, Line()]] = field(default_factory=dict)
    quantization: Mapping[str, Any] | None = None
    accuracy: Mapping[str, Any] | None = None
    licence: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_fields(self, "manifest")
        if problem := self._problem():
            raise DataError(
                f"a manifest whose {problem}", expected=f"a manifest of schema {SCHEMA}", action=AGAIN
            )

    def _problem(self) -> str | None:
        require_classes(self.classes, "manifest")
        paths = [file.path for file in self.files]
        if len({*paths}) != len(paths):
            return "files are not distinct"
        if self.files and self.entry not in paths:
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
        return read_manifest(value, "manifest")


def read_manifest(value: Any, where: str) -> Manifest:
    """As :meth:`Manifest.from_json`; ``where`` is what messages call it.

    Raises:
        DataError: another schema, a field missing, or a field of the wrong kind.
    """
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise DataError(
            f"{where} of schema {shown(schema)}",
            expected=SCHEMA,
            action="open it with the version of edgefer-runtime that it was made for",
        )
    if not isinstance(value.get("files"), list):
        raise DataError(f"{where}: files = {shown(value.get('files'))}", expected="a list", action=AGAIN)
    try:
        return read_table(Manifest, value, where, later=True)
    except DataError as error:
        raise DataError(error.found, expected=error.expected, action=error.action or AGAIN) from error


def parse_manifest(data: bytes, path: Path) -> Manifest:
    """The manifest in ``data``, the text of the ``manifest.json`` of the bundle ``path``.

    Raises:
        DataError: no JSON, another schema, or fields that do not fit.
    """
    name = f"{path}: {MANIFEST}"
    return read_manifest(parse_json(data, name, action="copy the bundle again"), name)


def require_classes(classes: Sequence[str], where: str) -> None:
    """Raise unless there are class names, each once.

    Raises:
        DataError: none, or one twice.
    """
    twice = [name for place, name in enumerate(classes) if name in classes[:place]]
    if not classes or twice:
        raise DataError(
            f"{where}: classes are not distinct: {shown(twice[0])} stands twice"
            if twice
            else f"{where}: no classes",
            expected="one name a class, in the order of the probabilities",
            action=AGAIN,
        )


def format_json(value: Mapping[str, Any]) -> bytes:
    """``value`` as JSON text: the same bytes for the same value."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()

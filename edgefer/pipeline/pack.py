"""A bundle as a wheel: a robot's program depends on its model like on any other package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edgefer_runtime
from edgefer.models import MODELS
from edgefer.pipeline.subjects import find_bundle
from edgefer.pipeline.wheel import Wheel, write_wheel
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.files import require_writable
from edgefer_runtime.installed import GROUP
from edgefer_runtime.manifest import Manifest

PREFIX = "edgefer-model"
PURPOSE = "facial expressions, opened by edgefer-runtime"
EXTRAS = ("onnxruntime", "openvino")
"""Targets whose library is an extra of edgefer-runtime; TensorRT comes with the robot's system."""

_NUMBER = "(0|[1-9][0-9]*)"
_LOCAL = f"({_NUMBER}|[0-9]*[a-z][a-z0-9]*)"
VERSION = re.compile(
    rf"([1-9][0-9]*!)?{_NUMBER}(\.{_NUMBER})*((a|b|rc){_NUMBER})?(\.post{_NUMBER})?(\.dev{_NUMBER})?"
    rf"(\+{_LOCAL}(\.{_LOCAL})*)?"
)
"""A version as PEP 440 normalises it."""


@dataclass(frozen=True)
class Packed:
    """A wheel that was written.

    Attributes:
        path: where.
        name, short_name: what ``Classifier.open`` finds the model by; only ``name`` names its target.
        distribution, version: what pip calls it.
        requires: the requirement that brings its engine's library.
        licence: of the weights, as the manifest states it; empty when it states none.
    """

    path: Path
    name: str
    short_name: str
    distribution: str
    version: str
    requires: str
    licence: str

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object, the wheel's size in bytes included."""
        return {**vars(self), "path": str(self.path), "size_bytes": self.path.stat().st_size}


def pack_bundle(path: Path, version: str, folder: Path, licence: Path | None = None) -> Packed:
    """Write the bundle at ``path`` into ``folder`` as a wheel, ``edgefer_model_MODEL_TARGET_PRECISION-...``.

    Two targets are two packages, so that both can be installed; a variant that is not the model's default is
    part of the model's name. The package's folder is the bundle, file by file, its signature included.

    Args:
        path: a bundle's folder or zip.
        version: of the package, normalised as PEP 440 has it.
        folder: the wheel's; a wheel of that name is replaced.
        licence: text of the weights' licence; without it the wheel says what the manifest states.

    Raises:
        UsageError: ``version`` is none.
        DataError: no bundle, or a damaged one; ``licence`` is no text; the wheel cannot be written.
    """
    require_writable(folder, folder=True)
    if not VERSION.fullmatch(version):
        raise UsageError(
            f"version {version!r}",
            expected="a version as PEP 440 writes it: 1.0, 1.2.3, 2.0rc1, 1.0.post1, 1.0+robot.7",
        )
    text = None if licence is None else _read(licence)
    with Bundle.open(find_bundle(path)) as bundle:
        manifest = bundle.manifest
        name, short_name = _names(manifest)
        extra = f"[{manifest.target}]" if manifest.target in EXTRAS else ""
        requires = f"edgefer-runtime{extra}>={edgefer_runtime.__version__}"
        distribution = f"{PREFIX}-{name}"
        package = distribution.replace("-", "_")
        wheel = Wheel(
            distribution=distribution,
            version=version,
            fields=(
                ("Summary", f"{manifest.model}, {manifest.precision} for {manifest.target}: {PURPOSE}"),
                ("License", manifest.licence),
                ("Requires-Python", ">=3.10"),
                ("Requires-Dist", requires),
            ),
            description=_description(manifest, name),
            licence=text or _statement(manifest),
            entry_points={GROUP: {name: package, short_name: package}},
            files={file: bundle.folder / file for file in bundle.names},
        )
        out = write_wheel(wheel, folder)
    return Packed(out, name, short_name, distribution, version, requires, manifest.licence)


def _names(manifest: Manifest) -> tuple[str, str]:
    """The name with the target in it, and the one without."""
    model = manifest.model
    if model in MODELS and manifest.variant != MODELS[model].default_variant:
        model = f"{model}-{manifest.variant}"
    full, short = (
        re.sub("[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")
        for words in ((model, manifest.target, manifest.precision), (model, manifest.precision))
    )
    return full, short


def _description(manifest: Manifest, name: str) -> str:
    return (
        f"# {name}\n\n"
        "```python\n"
        "from edgefer_runtime import Classifier\n\n"
        f'classifier = Classifier.open("{name}")\n'
        "print(classifier(crop).label)  # uint8, H x W x 3, RGB, any size\n"
        "```\n\n"
        f"Classes: {', '.join(manifest.classes)}.\n\n"
        f"{manifest.provenance.get('notice', '')}\n"
    )


def _statement(manifest: Manifest) -> str:
    """What stands in for the text of a licence."""
    licence = manifest.licence or "not stated by whoever exported them"
    return f"Licence of the weights: {licence}.\nWhere they come from is in manifest.json.\n"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error})", expected="the licence as UTF-8 text", action="name another"
        ) from error

"""What a bundle carries so that its engine can be checked again without the network it was made from.

A dozen small faces, what the network in float32 and the engine answered to them, and the rows that were
measured on them: some 85 KB of the certificate. Whoever has the bundle measures the same rows again.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks import check_engine
from edgefer_export.checks.attention import attention
from edgefer_export.checks.check import Check
from edgefer_export.checks.engine import answering
from edgefer_export.checks.operators import foreign_operators, opens
from edgefer_export.checks.parity import DIFFERENCE_LIMIT, difference
from edgefer_export.checks.selection import selection
from edgefer_export.targets.base import BuiltEngine, Target
from edgefer_runtime.errors import DataError
from edgefer_runtime.manifest import Classes
from edgefer_runtime.tables import Within, read_table

NARROW_LIMIT = 0.05
"""Of a probability, between an INT8 or 16-bit engine here and where it was built. Processors round partial
sums of INT8 products differently."""

TOLERANCE = 0.1
"""Of a row's limit: how far from the certificate's number the same row may be measured again."""

PIXELS_LIMIT_BYTES = 16 << 20


Side: TypeAlias = Annotated[int, Within(1, 4096)]
Probability: TypeAlias = Annotated[float, Within(-1, 2)]


class EvidenceJson(TypedDict):
    """What :meth:`Evidence.to_json` writes."""

    crops: str
    shape: tuple[Side, Side, Side, Literal[3]]
    classes: Classes
    network: tuple[tuple[Probability, ...], ...]
    engine: tuple[tuple[Probability, ...], ...]
    selections: tuple[str, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Evidence:
    """See the module.

    Attributes:
        crops: faces, uint8 M x S x S x 3.
        classes: names of the K classes, in the order of the probabilities.
        network: the float network's probabilities of ``crops``, M x K.
        engine: the engine's, M x K.
        selections: modules that select features by point.
        checks: the rows measured on ``crops``.
    """

    crops: NDArray[np.uint8]
    classes: tuple[str, ...]
    network: NDArray[np.float32]
    engine: NDArray[np.float32]
    selections: tuple[str, ...]
    checks: tuple[Check, ...]

    def to_json(self) -> dict[str, Any]:
        """The evidence as a JSON object; pixels are deflated and written in base64."""
        return {
            "crops": base64.b64encode(zlib.compress(self.crops.tobytes(), 9)).decode(),
            "shape": list(self.crops.shape),
            "classes": list(self.classes),
            "network": self.network.tolist(),
            "engine": self.engine.tolist(),
            "selections": list(self.selections),
            "checks": [check.to_json() for check in self.checks],
        }

    @classmethod
    def from_json(cls, value: Any) -> Evidence:
        """The evidence written by :meth:`to_json`.

        Raises:
            DataError: it is none, or its parts do not fit each other.
        """
        try:
            read = read_table(EvidenceJson, value, "evidence")
            shape, classes = read["shape"], read["classes"]
            pixels = _inflate(base64.b64decode(read["crops"], validate=True), math.prod(shape))
            network, engine = (_answers(read[name], shape[0], len(classes)) for name in ("network", "engine"))
        except (DataError, ValueError, zlib.error) as error:
            raise DataError(
                f"a certificate whose evidence cannot be read: {getattr(error, 'found', error)}",
                expected=getattr(error, "expected", "")
                or "faces, probabilities and checks, as edgefer export writes them",
                action="export the bundle again",
            ) from error
        return cls(
            crops=np.frombuffer(pixels, np.uint8).reshape(shape),
            classes=classes,
            network=network,
            engine=engine,
            selections=read["selections"],
            checks=read["checks"],
        )


def _answers(rows: Sequence[Sequence[float]], faces: int, classes: int) -> NDArray[np.float32]:
    """Probabilities, M x K.

    Raises:
        DataError: rows of other lengths.
    """
    if len(rows) != faces or any(len(row) != classes for row in rows):
        raise DataError(
            f"answers that are not {faces} x {classes}", expected="one row a face, one number a class"
        )
    return np.array(rows, np.float32)


def gather(
    target: Target,
    engine: BuiltEngine,
    precision: str,
    *,
    crops: NDArray[np.uint8],
    network: NDArray[np.float32],
    classes: Sequence[str],
    selections: Sequence[str],
) -> Evidence:
    """The evidence for an engine that was just built; arguments as in :class:`Evidence`."""
    rows = engine_rows(target, engine, precision, crops, network, selections)
    return Evidence(
        crops=crops,
        classes=tuple(classes),
        network=network,
        engine=target.session(engine)(crops),
        selections=tuple(selections),
        checks=tuple(rows),
    )


def engine_rows(
    target: Target,
    engine: BuiltEngine,
    precision: str,
    crops: NDArray[np.uint8],
    network: NDArray[np.float32],
    selections: Sequence[str],
) -> list[Check]:
    """The rows that an engine alone allows; of an ONNX engine also those that look into its graph."""
    checks = check_engine(target, engine, precision, crops, network)
    if engine.path.suffix != ".onnx":
        return checks
    import onnx

    model = onnx.load(engine.path)
    inside = [] if precision == "fp16" else selection(model, selections, crops)
    return [foreign_operators(model), *checks, *attention(model, crops), *inside]


def redo(
    target: Target, engine: BuiltEngine, precision: str, classes: Sequence[str], evidence: Evidence
) -> list[Check]:
    """Measure the rows of ``evidence`` again on a bundle's engine, and hold the bundle against them.

    Args:
        target, engine, precision, classes: what the bundle says it is.
        evidence: from its certificate.

    Returns:
        The rows as measured now, and four more: the classes' order; whether the engine's library opens it,
        without which there is nothing else; the engine's answers then and now; and how many rows differ from
        the certificate's by more than :data:`TOLERANCE` of their limits.
    """
    moved = sum(first != second for first, second in zip(classes, evidence.classes, strict=False))
    moved += abs(len(classes) - len(evidence.classes))
    opened, run = opens(target.name, lambda _: target.session(engine), engine.path)
    if run is None:
        return [opened]
    rows = engine_rows(target, engine, precision, evidence.crops, evidence.network, evidence.selections)
    far = difference(evidence.engine, run(evidence.crops))
    limit = DIFFERENCE_LIMIT if precision == "fp32" else NARROW_LIMIT
    return [
        Check.at_most("classes", moved, 0, "classes", "manifest against certificate, in order"),
        opened,
        *rows,
        Check.at_most(
            f"as-exported/{answering(target, precision)}",
            far,
            limit,
            "probability",
            f"the engine's answers to {len(evidence.crops)} faces, here and where it was exported",
        ),
        _as_claimed({check.name: check for check in evidence.checks}, rows),
    ]


def _as_claimed(claimed: Mapping[str, Check], rows: Sequence[Check]) -> Check:
    found = {check.name: check for check in rows}
    differing = [f"{name}: not measured here" for name in claimed if name not in found]
    for name, row in found.items():
        if name not in claimed:
            differing.append(f"{name}: not in the certificate")
        elif not abs(row.measured - claimed[name].measured) <= TOLERANCE * row.limit:
            differing.append(f"{name}: {row.measured:.3g} here, {claimed[name].measured:.3g} claimed")
    detail = f"{len(found)} rows against the certificate's, to a tenth of their limits"
    return Check.at_most("as-claimed", len(differing), 0, "rows", "; ".join([detail, *differing]))


def _inflate(data: bytes, size: int) -> bytes:
    """``data`` inflated, which must give ``size`` bytes; a stream that would go on is not followed."""
    if size > PIXELS_LIMIT_BYTES:
        raise ValueError(f"pixels of {size:,} bytes")
    inflater = zlib.decompressobj()
    pixels = inflater.decompress(data, size + 1)
    if len(pixels) != size or not inflater.eof:
        raise ValueError(f"pixels that are not {size} bytes")
    return pixels

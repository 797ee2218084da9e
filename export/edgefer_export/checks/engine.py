"""The engine is what it says: its layers run in the precision on the label, on this machine."""

from __future__ import annotations

from edgefer_export.checks.check import Check
from edgefer_export.targets.base import BuiltEngine, Layer, Target

INT8_SHARE_LIMIT = 0.75
"""Of the convolutions. Recipes leave a few in float on purpose; without Q/DQ an engine has none in INT8."""


def check_engine(target: Target, engine: BuiltEngine, precision: str) -> list[Check]:
    """Count the layers of the compiled engine that run in another precision than ``precision``.

    An int8 engine passes when at least :data:`INT8_SHARE_LIMIT` of its convolutions run in INT8 and nothing
    runs in 16 bits; any other engine when every layer runs in ``precision``.
    """
    layers = target.layers(engine)
    if precision != "int8":
        others = [layer for layer in layers if layer.precision != precision]
        detail = _detail(f"{len(layers)} layers", others)
        return [Check.at_most(f"precision/{target.name}", len(others), 0, "layers", detail)]
    convolutions = [layer for layer in layers if layer.convolution]
    floats = [layer for layer in convolutions if layer.precision != "int8"]
    narrow = [layer for layer in layers if layer.precision not in ("int8", "fp32")]
    share = 1 - len(floats) / len(convolutions) if convolutions else 0.0
    return [
        Check.at_least(
            f"int8/{target.name}",
            share,
            INT8_SHARE_LIMIT,
            "of the convolutions",
            _detail(f"{len(convolutions)} convolutions", floats),
        ),
        Check.at_most(
            f"float-islands/{target.name}",
            len(narrow),
            0,
            "layers in 16 bits",
            _detail(f"{len(layers)} layers", narrow),
        ),
    ]


def _detail(counted: str, others: list[Layer]) -> str:
    if not others:
        return f"{counted}, all as labelled"
    return f"{counted}; elsewhere: " + ", ".join(f"{layer.module} ({layer.precision})" for layer in others)

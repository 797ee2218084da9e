"""The models there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edgefer.models.spec import ModelSpec
from edgefer.models.specs.dsan import DSAN
from edgefer.models.specs.fcsdnet import FCSDNET
from edgefer.models.specs.gmslpa import GMSLPA
from edgefer.models.specs.lanmsff import LANMSFF
from edgefer.models.specs.pattlite import PATTLITE
from edgefer_runtime.suggestions import unknown

MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {spec.name: spec for spec in (LANMSFF, PATTLITE, FCSDNET, DSAN, GMSLPA)}
)
"""Every model by name."""


def get(name: str) -> ModelSpec:
    """The model called ``name``.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise unknown("model", name, MODELS, action="see `edgefer models`") from None

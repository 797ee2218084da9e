"""The zoo as JSON, for tables and scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgefer.models import MODELS, count, get, keras_total, macs
from edgefer.pipeline.requirements import require
from edgefer.pipeline.subjects import SHIPPED


def describe_models(name: str | None = None) -> list[dict[str, Any]]:
    """What is known of one model, or of all; counts are taken from the networks, for seven classes.

    Raises:
        UsageError: no model of that name.
        MissingError: torch is not installed.
    """
    specs = [get(name)] if name else list(MODELS.values())
    require("train", "counting a network's parameters")
    return [
        {
            "name": spec.name,
            "title": spec.title,
            "paper": spec.paper,
            "variants": spec.variants,
            "default_variant": spec.default_variant,
            "parameters": count(spec),
            "keras_total": keras_total(spec),
            "published_parameters": spec.published_parameters,
            "published_convention": spec.published_convention,
            "macs": macs(spec),
            "input": spec.contract.to_json(),
            "weights_shipped": (SHIPPED / f"{spec.name}.json").exists(),
            "published": [asdict(row) for row in spec.published],
        }
        for spec in specs
    ]

"""The zoo as JSON, for tables and scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgefer.models import MODELS, get
from edgefer.pipeline.subjects import SHIPPED


def describe_models(name: str | None = None) -> list[dict[str, Any]]:
    """What is known of one model, or of all; counts are for seven classes. No network is built.

    Raises:
        UsageError: no model of that name.
    """
    specs = [get(name)] if name else list(MODELS.values())
    return [
        {
            "name": spec.name,
            "title": spec.title,
            "paper": spec.paper,
            "variants": spec.variants,
            "default_variant": spec.default_variant,
            "parameters": spec.counts[spec.default_variant].parameters,
            "keras_total": spec.counts[spec.default_variant].keras_total,
            "published_parameters": spec.published_parameters,
            "published_convention": spec.published_convention,
            "macs": spec.counts[spec.default_variant].macs,
            "input": spec.contract.to_json(),
            "weights_shipped": (SHIPPED / f"{spec.name}.json").exists(),
            "published": [asdict(row) for row in spec.published],
        }
        for spec in specs
    ]

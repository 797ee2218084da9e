"""The zoo as JSON, for tables and scripts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgefer.models import MODELS, get
from edgefer.pipeline.subjects import SYNTHFER, tagged
from edgefer.training.card import read_card


def describe_models(name: str | None = None) -> list[dict[str, Any]]:
    """What is known of one model, or of all; counts are for seven classes. No network is built.

    Raises:
        UsageError: no model of that name.
    """
    specs, weights = [get(name)] if name else list(MODELS.values()), tagged()
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
            "weights_shipped": f"{spec.name}.{SYNTHFER}" in weights,
            "weights": [
                _weights(name, path) for name, path in weights.items() if name.partition(".")[0] == spec.name
            ],
            "published": [asdict(row) for row in spec.published],
        }
        for spec in specs
    ]


def _weights(name: str, path: Path) -> dict[str, Any]:
    """What the card of weights that come with edgefer says of them; accuracies in percent."""
    card = read_card(path)
    test = card.provenance["test"]
    return {
        "name": name,
        "data": card.provenance["train"]["name"],
        "test": test["data"],
        "accuracy": test["accuracy"],
        "interval": test["interval"],
        "classes": list(card.classes),
        "bytes": card.weights["bytes"],
        "notice": card.provenance["notice"],
    }

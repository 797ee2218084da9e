"""Put the weights of a finished SynthFER training where edgefer ships them, with what they reach.

    python tools/ship_weights.py runs/fcsdnet/train-max-ceil "edgefer train fcsdnet --seed 0"

Kernels are stored in float16, so it is these weights, not the training's own, that are evaluated. The
card says how they came to be, and that nothing of it concerns people.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from edgefer.models import get
from edgefer.pipeline.evaluate import EvaluationSettings, evaluate
from edgefer.pipeline.subjects import SHIPPED
from edgefer.training.checkpoint import load_checkpoint, save_checkpoint

DATA = "synthfer:test"
NOTICE = (
    "Trained from scratch on rendered synthetic faces. It shows that the pipeline works; it says nothing "
    "about accuracy on people."
)


def main(source: str, command: str, how: str = "") -> None:
    """Ship the checkpoint at ``source``, which ``command`` made; ``how`` tells what it does not say."""
    checkpoint = load_checkpoint(source)
    trained_on = checkpoint.provenance["train"]["name"]
    if not trained_on.startswith("synthfer:"):
        sys.exit(f"{source} was trained on {trained_on}; only what SynthFER taught may be shipped")
    spec = get(checkpoint.model)
    suffix = "" if checkpoint.variant == spec.default_variant else f"-{checkpoint.variant}"
    with tempfile.TemporaryDirectory() as folder:
        draft = save_checkpoint(Path(folder) / "half", checkpoint, half=True)
        test = evaluate(EvaluationSettings(str(draft), data=DATA, batch_size=1))
    provenance = {
        **checkpoint.provenance,
        "command": command,
        "how": how,
        "licence": "Apache-2.0",
        "notice": NOTICE,
        "test": {key: value for key, value in test.items() if key not in ("subject", "order_check")},
    }
    shipped = replace(checkpoint, provenance=provenance)
    card = save_checkpoint(SHIPPED / (checkpoint.model + suffix), shipped, half=True)
    size_mb = card.with_suffix(".safetensors").stat().st_size / 1e6
    print(f"{card}: {size_mb:.2f} MB, {test['accuracy']:.1f} % on {DATA}")


if __name__ == "__main__":
    main(*sys.argv[1:])

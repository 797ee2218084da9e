"""What ``edgefer export --int8`` does between the float graph and the engine."""

from pathlib import Path
from typing import Any

import numpy as np
from contract import Given


def recipe(target: str, given: Given, path: Path) -> dict[str, Any]:
    """Quantize the whole graph for ``target``; preprocessing is recognised and stays float."""
    from edgefer_calibration import CalibrationSet
    from edgefer_calibration.quantize import quantize
    from edgefer_export import targets

    faces = CalibrationSet(given.calibration, "given", np.arange(len(given.calibration)))
    prepared = targets.get(target).prepare(given.graph, path.parent)
    return quantize(target, prepared, faces, path).recipe

"""Ours within a budget: what ``edgefer export --int8 --max-drop 0.5`` does where plain INT8 loses more."""

from pathlib import Path
from typing import Any

import numpy as np
from contract import ONNX_MODEL, Given, enter

MAX_DROP = 0.5
JUDGED = 3500
"""Faces that the engine found is judged on; the choice has to keep the budget on so many."""

NO_LIMIT_S = 1e6


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    from edgefer.data.faceset import FaceSet
    from edgefer.pipeline.candidates import Candidates
    from edgefer.pipeline.islands import find_islands
    from edgefer_calibration import CalibrationSet
    from edgefer_export import targets

    class Counting(Candidates):
        """Candidates that count the faces they answer."""

        faces = 0

        def ask(self, run: Any, faces: FaceSet, *rest: Any) -> Any:
            self.faces += len(faces)
            return super().ask(run, faces, *rest)

    images, labels = map(np.array, zip(*given.validation(), strict=True))
    classes = tuple(map(str, range(labels.max() + 1)))
    target = targets.get("openvino")
    calibration = CalibrationSet(given.calibration, "given", np.arange(len(given.calibration)))
    (work := out / "candidates").mkdir()
    candidates = Counting(target, target.prepare(given.graph, out), calibration, classes, work)
    found = find_islands(
        candidates,
        FaceSet("given", images, labels, classes, {}),
        max_drop=MAX_DROP,
        judged=JUDGED,
        time_s=NO_LIMIT_S,
        journal=out / "search.json",
        on_progress=lambda stage, done, total: None,
    )
    candidates.quantize(found.float_modules, out / ONNX_MODEL)
    return {
        "max_drop": MAX_DROP,
        "faces": candidates.faces + len(calibration),
        "float": [*found.best.float_modules],
        "kept": found.chosen is not None,
    }


enter(_quantize, "edgefer", "onnxruntime", "openvino")

"""What the runtime adds to a bare ONNX Runtime session. Run with ``-s`` to see the microseconds."""

from __future__ import annotations

import numpy as np
import onnxruntime

from edgefer_runtime import Bundle, Classifier
from edgefer_runtime.measuring import MeasureSettings, measure


def test_a_prediction_costs_little_more_than_a_bare_session(bundle: Bundle, faces: np.ndarray) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(bundle.entry, options, providers=["CPUExecutionProvider"])
    classifier = Classifier.open(bundle, threads=1)
    subjects = {
        "session": lambda image: session.run(["probabilities"], {"images": image}),
        "engine": classifier.engine.run,
        "classifier": lambda image: classifier(image[0]),
    }
    settings = MeasureSettings(duration_s=1, min_warmup_s=0.5, max_warmup_s=2)
    measured = measure(subjects, [face[None] for face in faces], settings)
    median_us = {name: np.median(samples.latency_ns) / 1e3 for name, samples in measured.samples.items()}
    print({name: f"{median:.1f} us" for name, median in median_us.items()})
    # This session does next to nothing, 10 to 20 us: so little is added to any network.
    assert median_us["engine"] < 1.25 * median_us["session"]
    assert median_us["classifier"] < 1.75 * median_us["session"]

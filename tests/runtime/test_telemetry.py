"""Nothing is sent anywhere: opening an engine never imports OpenVINO's own reporting."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from edgefer_runtime import Bundle


def test_openvino_is_opened_without_its_telemetry(make_bundle: Callable[..., Bundle]) -> None:
    program = (
        "import sys; from edgefer_runtime import Classifier;"
        f"classifier = Classifier.open({str(make_bundle('openvino').path)!r});"
        "print(classifier.engine.target, *(n for n in sys.modules if n.startswith('openvino_telemetry.')))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout.split() == ["openvino"]

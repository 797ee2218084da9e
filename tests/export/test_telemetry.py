"""Nothing is sent anywhere: OpenVINO's own reporting is never imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_openvino_is_imported_without_its_telemetry(exported: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from edgefer_export.targets import get;"
        f"get('openvino').build(Path({str(exported)!r}), 'fp32', Path({str(tmp_path)!r}));"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry.')])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
    assert (tmp_path / "model.xml").is_file()

"""A packed model on a robot: pip installs it offline beside the runtime, a program opens it by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from edgefer.data import load
from edgefer.pipeline.export import ExportSettings, export_bundles
from edgefer.pipeline.pack import pack_bundle
from edgefer_runtime import Classifier

ROOT = Path(__file__).parents[2]
LIBRARIES = ("numpy", "onnxruntime", "PIL", "pillow")


@pytest.mark.slow
def test_pip_installs_a_model_offline_and_takes_it_away_again(tmp_path: Path) -> None:
    settings = ExportSettings(
        "lanmsff", data="synthfer:test[:35]", targets=("onnxruntime",), output=tmp_path / "out"
    )
    (row,) = export_bundles(settings)
    packed = pack_bundle(Path(row["path"]), "1.0", tmp_path / "dist")
    build = ("-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"))
    run(sys.executable, *build, str(ROOT / "runtime"))
    (runtime,) = (tmp_path / "dist").glob("edgefer_runtime-*.whl")

    run(sys.executable, "-m", "venv", str(tmp_path / "robot"))
    python = str(tmp_path / "robot/bin/python")
    run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", str(runtime), str(packed.path))
    face = load("synthfer:test[:1]").images[0]
    Image.fromarray(face).save(tmp_path / "face.png")
    predict = ("-m", "edgefer_runtime", "predict", packed.short_name, "face.png", "--json")
    told = json.loads(run(python, *predict, cwd=tmp_path, PYTHONPATH=str(libraries(tmp_path / "libraries"))))
    with Classifier.open(row["path"]) as classifier:
        expected = classifier(face)
    assert told["label"] == expected.label
    np.testing.assert_allclose([*told["probabilities"].values()], expected.probabilities, atol=1e-6)

    (folder,) = (tmp_path / "robot").glob("lib/*/site-packages/edgefer_model_lanmsff_onnxruntime_fp32")
    run(python, "-m", "pip", "uninstall", "-q", "-y", packed.distribution)
    assert not folder.exists()


def run(*command: str, **options: str | Path) -> str:
    """Standard output of a command that must succeed, with no package of this test's own in reach."""
    cwd = options.pop("cwd", None)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**clean, **{name: str(value) for name, value in options.items()}}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def libraries(folder: Path) -> Path:
    """The engine's library and what it needs, from this environment: --no-deps brought none of it."""
    folder.mkdir()
    for path in Path(onnxruntime.__file__).parents[1].iterdir():
        if path.name.partition("-")[0].partition(".")[0] in LIBRARIES:
            (folder / path.name).symlink_to(path)
    return folder

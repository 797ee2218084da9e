"""The two wheels hold what they should and agree with each other."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"edgefer", "edgefer_export", "edgefer_calibration", "edgefer_bench"}


@pytest.fixture(scope="module", params=[".", "runtime"])
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(out),
        str(ROOT / request.param),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_a_wheel_holds_its_own_packages_and_nothing_generic(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist() if ".dist-info" not in name}
    assert tops == (PACKAGES if "edgefer/" in "".join(wheel.namelist()) else {"edgefer_runtime"})


def test_a_wheel_holds_licence_types_and_data(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    for package in {name.split("/")[0] for name in names if ".dist-info" not in name}:
        assert f"{package}/py.typed" in names
    if "edgefer/__init__.py" in names:
        for folder in ("recipes", "weights"):
            files = {path.name for path in (ROOT / "edgefer" / folder).iterdir()}
            assert files == {Path(name).name for name in names if name.startswith(f"edgefer/{folder}/")}
        assert any(name.startswith("edgefer/data/synthetic/") and name.endswith(".npz") for name in names)
    else:
        faces = ROOT / "runtime" / "edgefer_runtime" / "faces" / "weights"
        weights = {path.relative_to(ROOT / "runtime").as_posix() for path in faces.rglob("*.*")}
        assert weights <= {*names}
        assert len([name for name in weights if name.endswith(".onnx")]) == 3
    assert not [name for name in names if name.endswith((".pyc", ".pt", ".pkl")) or "tests/" in name]


def test_both_distributions_have_one_version() -> None:
    import edgefer
    import edgefer_runtime

    runtime, toolchain = (ROOT / folder / "pyproject.toml" for folder in ("runtime", "."))
    for text in (runtime.read_text(), toolchain.read_text()):
        assert f'version = "{edgefer.__version__}"' in text
    assert edgefer_runtime.__version__ == edgefer.__version__
    assert f"edgefer-runtime=={edgefer.__version__}" in toolchain.read_text()

"""Models that pip installed: opened by name, and only when nothing lies at a path of that name."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgefer_runtime import Bundle, Classifier
from edgefer_runtime.__main__ import main
from edgefer_runtime.building import build_bundle
from edgefer_runtime.errors import DataError, UsageError

Make = Callable[..., Bundle]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that this Python finds."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def install(site: Path, bundle: Bundle, *names: str) -> Path:
    """What pip leaves of a packed bundle: its folder, and the names it is found by."""
    package = "edgefer_model_" + names[-1].replace("-", "_")
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {package}\n" for name in names]
    (info / "entry_points.txt").write_text("[edgefer.models]\n" + "".join(lines))
    return Path(shutil.copytree(bundle.folder, site / package))


def test_both_names_open_it_and_the_folder_is_verified(site: Path, bundle: Bundle) -> None:
    folder = install(site, bundle, "tiny-fp32", "tiny-onnxruntime-fp32")
    for name in ("tiny-fp32", "tiny-onnxruntime-fp32", Path("tiny-fp32")):
        with Classifier.open(name) as classifier:
            assert classifier.bundle.path == folder
            assert classifier(np.full((8, 8, 3), (255, 0, 0), np.uint8)).label == "happiness"
    (folder / "model.onnx").write_bytes(b"altered")
    with pytest.raises(DataError, match=r"model\.onnx has 7 bytes"):
        Classifier.open("tiny-fp32")


def test_what_lies_at_the_path_wins(
    site: Path, make_bundle: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, make_bundle(precision="int8"), "tiny-int8", "tiny-onnxruntime-int8")
    shutil.copytree(make_bundle(batch=None).folder, tmp_path / "here" / "tiny-int8")
    assert Bundle.open("tiny-int8").manifest.precision == "int8"
    monkeypatch.chdir(tmp_path / "here")
    assert Bundle.open("tiny-int8").manifest.precision == "fp32"


def test_a_name_that_two_targets_share_is_refused_with_their_full_names(
    site: Path, make_bundle: Make
) -> None:
    for target in ("onnxruntime", "openvino"):
        install(site, make_bundle(target), "tiny-fp32", f"tiny-{target}-fp32")
    with pytest.raises(UsageError) as refused:
        Classifier.open("tiny-fp32")
    assert "2 installed models" in refused.value.found
    assert refused.value.expected == "one of tiny-onnxruntime-fp32, tiny-openvino-fp32"
    assert Bundle.open("tiny-openvino-fp32").manifest.target == "openvino"


def test_an_unknown_name_is_told_what_is_installed(site: Path, bundle: Bundle) -> None:
    with pytest.raises(DataError, match="no such bundle") as refused:
        Bundle.open("tini-fp32")
    assert "none is installed here" in refused.value.expected
    install(site, bundle, "tiny-fp32", "tiny-onnxruntime-fp32")
    with pytest.raises(DataError, match="no such bundle") as refused:
        Bundle.open("tini-fp32")
    assert "(tiny-onnxruntime-fp32)" in refused.value.expected


def test_names_whose_files_are_gone(site: Path, bundle: Bundle) -> None:
    shutil.rmtree(install(site, bundle, "tiny-fp32", "tiny-onnxruntime-fp32"))
    with pytest.raises(DataError, match="edgefer_model_tiny_onnxruntime_fp32: not a bundle"):
        Bundle.open("tiny-fp32")


def test_the_command_line_takes_names(site: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    install(site, bundle, "tiny-fp32", "tiny-onnxruntime-fp32")
    assert main(["verify", "tiny-fp32"]) == 0
    assert "every file is as the manifest says" in capsys.readouterr().out
    assert main(["probe", "tiny-fp32"]) == 0


def test_building_leaves_an_installed_model_as_it_is(site: Path, make_bundle: Make) -> None:
    install(site, make_bundle(target="tensorrt"), "tiny-fp32", "tiny-tensorrt-fp32")
    with pytest.raises(UsageError, match="an installed model"):
        build_bundle(Path("tiny-fp32"))


def test_a_path_never_loads_the_machinery_of_packages(bundle: Bundle) -> None:
    code = (
        f"import sys\nfrom edgefer_runtime.bundle import Bundle\nBundle.open({str(bundle.path)!r})\n"
        "assert 'importlib.metadata' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""`edgefer pack`: a wheel that says what it holds, byte for byte the same for the same bundle."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.metadata import Metadata
from packaging.utils import parse_wheel_filename
from packaging.version import InvalidVersion, Version
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.pipeline.pack import EXTRAS, VERSION, pack_bundle
from edgefer_runtime import __version__
from edgefer_runtime.bundle import Bundle, pack_zip, write_bundle
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.manifest import Manifest

Make = Callable[..., Bundle]
NAME = "edgefer_model_pattlite_onnxruntime_int8-1.0-py3-none-any.whl"
INFO = "edgefer_model_pattlite_onnxruntime_int8-1.0.dist-info"
FILES = ("model.onnx", "weights/a, b.bin")


@pytest.fixture
def make_bundle(tmp_path: Path) -> Make:
    """A signed bundle whose engine nobody opens: ``make_bundle(**manifest fields)``."""

    def make(**changes: Any) -> Bundle:
        fields: dict[str, Any] = {
            "model": "pattlite",
            "variant": "head",
            "parameters": 9,
            "classes": ("happiness", "sadness"),
            "input": InputContract(4, 4, "GRAY", mean=(0.0,), std=(1.0,)),
            "target": "onnxruntime",
            "precision": "int8",
            "entry": "model.onnx",
            "licence": "Apache-2.0",
            "provenance": {"notice": "Rendered faces."},
        }
        sources = {name: tmp_path / f"source-{place}" for place, name in enumerate(FILES)}
        for name, path in sources.items():
            path.write_bytes(name.encode() * 1000)
        manifest = Manifest(**{**fields, **changes})
        return write_bundle(tmp_path / "bundle", manifest, sources, {"checks": []}, lambda _: {"key": "mine"})

    return make


def opened(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_bundle_file_by_file(make_bundle: Make, tmp_path: Path) -> None:
    bundle = make_bundle()
    packed = pack_bundle(bundle.path, "1.0", tmp_path / "dist")
    assert packed.path == tmp_path / "dist" / NAME
    assert parse_wheel_filename(NAME)[:2] == (packed.distribution, Version("1.0"))
    folder = opened(packed.path)
    folder.extractall(tmp_path / "site")
    inside = Bundle.open(tmp_path / "site/edgefer_model_pattlite_onnxruntime_int8")
    assert inside.manifest == bundle.manifest
    assert {*inside.names} == {"manifest.json", "certificate.json", "signature.json", *FILES}
    for name in inside.names:
        assert (inside.folder / name).read_bytes() == (bundle.folder / name).read_bytes()


def test_its_record_lists_every_file_with_its_hash(make_bundle: Make, tmp_path: Path) -> None:
    wheel = opened(pack_bundle(make_bundle().path, "1.0", tmp_path).path)
    rows = list(csv.reader(wheel.read(f"{INFO}/RECORD").decode().splitlines()))
    names = [row[0] for row in rows]
    assert names == wheel.namelist()
    inside = [name for name in names if INFO not in name]
    assert names[: len(inside)] == sorted(inside) and len(inside) == 5
    assert rows[-1] == [f"{INFO}/RECORD", "", ""]
    for name, digest, size in rows[:-1]:
        content = wheel.read(name)
        found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        assert (digest, int(size)) == (f"sha256={found}", len(content))


def test_its_metadata_is_what_installers_read(make_bundle: Make, tmp_path: Path) -> None:
    wheel = opened(pack_bundle(make_bundle().path, "1.0", tmp_path).path)
    metadata = Metadata.from_email(wheel.read(f"{INFO}/METADATA"))
    assert (metadata.name, str(metadata.version)) == ("edgefer-model-pattlite-onnxruntime-int8", "1.0")
    assert metadata.license == "Apache-2.0"
    assert [str(each) for each in metadata.requires_dist or ()] == [
        f"edgefer-runtime[onnxruntime]>={__version__}"
    ]
    assert str(metadata.requires_python) == ">=3.10"
    assert "Rendered faces." in (metadata.description or "")
    assert "Apache-2.0" in wheel.read(f"{INFO}/licenses/LICENSE").decode()
    assert wheel.read(f"{INFO}/entry_points.txt").decode().splitlines() == [
        "[edgefer.models]",
        "pattlite-int8 = edgefer_model_pattlite_onnxruntime_int8",
        "pattlite-onnxruntime-int8 = edgefer_model_pattlite_onnxruntime_int8",
    ]


def test_a_manifest_cannot_write_fields_of_its_own(make_bundle: Make, tmp_path: Path) -> None:
    bundle = make_bundle(licence="MIT\nRequires-Dist: surprise\n\nbody", model="x] [console_scripts")
    packed = pack_bundle(bundle.path, "1.0", tmp_path / "dist")
    assert packed.name == "x-console-scripts-onnxruntime-int8"
    (info,) = {name.split("/")[0] for name in opened(packed.path).namelist() if ".dist-info" in name}
    metadata = Metadata.from_email(opened(packed.path).read(f"{info}/METADATA"))
    assert [each.name for each in metadata.requires_dist or ()] == ["edgefer-runtime"]
    assert opened(packed.path).read(f"{info}/entry_points.txt").decode().count("[") == 1


def test_the_same_bundle_gives_the_same_bytes(make_bundle: Make, tmp_path: Path) -> None:
    bundle = make_bundle()
    zipped = pack_zip(bundle, tmp_path / "b.edgefer")
    first = pack_bundle(bundle.path, "1.0", tmp_path / "one").path.read_bytes()
    for path in bundle.folder.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o755)
    assert pack_bundle(bundle.path, "1.0", tmp_path / "two").path.read_bytes() == first
    assert pack_bundle(zipped, "1.0", tmp_path / "two").path.read_bytes() == first
    assert [path.name for path in (tmp_path / "two").iterdir()] == [NAME]


@pytest.mark.parametrize(
    ("changes", "name", "short_name", "requires"),
    [
        ({"target": "openvino"}, "pattlite-openvino-int8", "pattlite-int8", "edgefer-runtime[openvino]"),
        ({"target": "tensorrt-rtx"}, "pattlite-tensorrt-rtx-int8", "pattlite-int8", "edgefer-runtime"),
        ({"variant": "none"}, "pattlite-none-onnxruntime-int8", "pattlite-none-int8", None),
        ({"model": "My_Net", "precision": "fp32"}, "my-net-onnxruntime-fp32", "my-net-fp32", None),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_names_tell_targets_and_variants_apart(
    make_bundle: Make,
    tmp_path: Path,
    changes: dict[str, str],
    name: str,
    short_name: str,
    requires: str | None,
) -> None:
    packed = pack_bundle(make_bundle(**changes).path, "1.0", tmp_path)
    assert (packed.name, packed.short_name) == (name, short_name)
    assert packed.requires == f"{requires or 'edgefer-runtime[onnxruntime]'}>={__version__}"
    assert str(parse_wheel_filename(packed.path.name)[0]) == packed.distribution


def test_extras_named_are_those_of_the_runtime() -> None:
    text = (Path(__file__).parents[2] / "runtime/pyproject.toml").read_text()
    for extra in EXTRAS:
        assert re.search(rf"^{extra} = ", text, re.MULTILINE)


@given(
    st.from_regex(
        r"([01]!)?v?[0-9]{1,2}(\.[0-9]{1,2}){0,2}(a|b|rc|[.-]?post|\.dev)?[0-9]?(\+[a-z0-9.]{0,4})?"
    )
)
@example("1.0\n")
@example("١.0")
def test_a_version_is_taken_when_it_is_normalised(version: str) -> None:
    try:
        normalised = str(Version(version)) == version
    except InvalidVersion:
        normalised = False
    assert bool(VERSION.fullmatch(version)) == normalised


def test_a_licence_of_ones_own_goes_inside(make_bundle: Make, tmp_path: Path) -> None:
    (tmp_path / "LICENCE").write_text("All wrongs reversed, © me.\n", "utf-8")
    packed = pack_bundle(make_bundle().path, "1.0", tmp_path, tmp_path / "LICENCE")
    assert opened(packed.path).read(f"{INFO}/licenses/LICENSE").decode() == "All wrongs reversed, © me.\n"
    (tmp_path / "LICENCE").write_bytes(b"\xff")
    with pytest.raises(DataError, match="LICENCE: cannot be read"):
        pack_bundle(make_bundle().path, "1.0", tmp_path, tmp_path / "LICENCE")


def test_mistakes_leave_what_was_there(make_bundle: Make, tmp_path: Path) -> None:
    bundle, dist = make_bundle(), tmp_path / "dist"
    before = pack_bundle(bundle.path, "1.0", dist).path.read_bytes()
    with pytest.raises(UsageError, match="version 'v1'"):
        pack_bundle(bundle.path, "v1", dist)
    with pytest.raises(DataError, match=r"manifest\.json is missing"):
        pack_bundle(tmp_path, "1.0", dist)
    with pytest.raises(DataError, match="cannot be written"):
        pack_bundle(bundle.path, "1.0", dist / NAME)
    (bundle.folder / "model.onnx").write_bytes(b"altered")
    with pytest.raises(DataError, match=r"model\.onnx"):
        pack_bundle(bundle.path, "1.0", dist)
    assert [path.name for path in dist.iterdir()] == [NAME]
    assert (dist / NAME).read_bytes() == before


def test_the_command(make_bundle: Make, tmp_path: Path) -> None:
    bundle = make_bundle(licence="")
    words = ["pack", str(bundle.path), "--version", "2.1", "-o", str(tmp_path / "dist")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0
    path = tmp_path / "dist" / NAME.replace("1.0", "2.1")
    assert told.stdout.strip() == str(path)
    assert 'Classifier.open("pattlite-int8")' in told.stderr and "--licence" in told.stderr
    row = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert row["path"] == str(path) and row["size_bytes"] == path.stat().st_size
    assert (row["name"], row["version"]) == ("pattlite-onnxruntime-int8", "2.1")
    for wrong, code in (([*words, "--version", "1.0-x"], 2), (["pack", str(tmp_path)], 3), (["pack"], 2)):
        assert CliRunner().invoke(app, wrong).exit_code == code

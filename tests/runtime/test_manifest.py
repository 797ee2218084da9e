"""The manifest survives its JSON and refuses what it cannot mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgefer_runtime.contract import InputContract
from edgefer_runtime.documents import parse_json
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import is_inside
from edgefer_runtime.manifest import EngineFile, Manifest, format_json

CONTRACT = InputContract(48, 48, "GRAY", mean=(127.5,), std=(127.5,))
names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
words = names.map(lambda name: name.replace("/", "-").replace("\\", "-"))
values = st.dictionaries(names, st.integers() | st.text(max_size=9) | st.none(), max_size=3)
paths = st.lists(names, min_size=1, max_size=3).map("/".join).filter(is_inside)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    sha256 = st.text("0123456789abcdef", min_size=64, max_size=64)
    files = [
        EngineFile(path, draw(st.integers(0, 2**40)), draw(sha256))
        for path in draw(st.lists(paths, min_size=1, max_size=4, unique=True))
    ]
    return Manifest(
        model=draw(words),
        variant=draw(words),
        parameters=draw(st.integers(0, 10**9)),
        classes=tuple(draw(st.lists(names, min_size=1, max_size=9, unique=True))),
        input=CONTRACT,
        target=draw(words),
        precision=draw(words),
        entry=files[0].path,
        batch=draw(st.none() | st.integers(1, 64)),
        files=tuple(files),
        certificate_sha256=draw(sha256),
        options=draw(values),
        tools=draw(st.dictionaries(names, names, max_size=3)),
        quantization=draw(st.none() | values),
        accuracy=draw(st.none() | values),
        licence=draw(names),
        provenance=draw(values),
    )


def whole() -> dict[str, Any]:
    manifest = Manifest(
        model="tiny",
        variant="head",
        parameters=9,
        classes=("happiness", "sadness"),
        input=CONTRACT,
        target="onnxruntime",
        precision="fp32",
        entry="model.onnx",
        files=(EngineFile("model.onnx", 3, "0" * 64),),
    )
    return dict(json.loads(format_json(manifest.to_json())))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(manifests())
def test_json_round_trip(manifest: Manifest) -> None:
    text = format_json(manifest.to_json())
    assert Manifest.from_json(parse_json(text, "manifest.json")) == manifest


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"schema": "edgefer.bundle/2"}, "edgefer.bundle/2"),
        ({"schema": None}, "None"),
        ({"parameters": -1}, "parameters"),
        ({"parameters": True}, "parameters"),
        ({"batch": 0}, "batch"),
        ({"classes": []}, "classes"),
        ({"classes": "anger"}, "classes"),
        ({"classes": ["anger", "anger"]}, "distinct"),
        ({"classes": ["a\x1b[31m"]}, r"classes\[0\]"),
        ({"classes": [["anger"], "fear"]}, r"classes\[0\]"),
        ({"model": "../outside"}, "model"),
        ({"parameters": 10**30}, "parameters"),
        ({"batch": 1.0}, "batch"),
        ({"options": {"provider": ["CPU"]}}, r"options\.provider"),
        ({"output": "logits"}, "logits"),
        ({"files": [{"path": "manifest.json", "bytes": 3, "sha256": "0" * 64}]}, "none of the engine's"),
        ({"options": []}, "options"),
        ({"quantization": "int8"}, "quantization"),
        ({"model": 3}, "model"),
        ({"input": {"height": 3}}, "input: no width"),
        ({"input": None}, "input: None"),
        ({"entry": "other.onnx"}, "other.onnx"),
        ({"files": None}, "files = None"),
        ({"files": [{"path": "model.onnx"}]}, r"files\[0\]: no bytes, sha256"),
        ({"files": [{"path": "model.onnx", "bytes": -3, "sha256": "0" * 64}]}, r"files\[0\]: bytes = -3"),
        ({"files": [{"path": "model.onnx", "bytes": 3, "sha256": "xyz"}]}, "no proper sha256"),
        ({"files": [{"path": "model.onnx", "bytes": 3, "sha256": "0" * 64}] * 2}, "distinct"),
        ({"files": [{"path": "../model.onnx", "bytes": 3, "sha256": "0" * 64}]}, "leaves the bundle"),
    ],
)
def test_nonsense_is_a_data_error(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        Manifest.from_json({**whole(), **changes})


@pytest.mark.parametrize("name", ["model", "classes", "input", "target", "precision", "entry", "files"])
def test_a_missing_field_is_named(name: str) -> None:
    text = {key: value for key, value in whole().items() if key != name}
    with pytest.raises(DataError, match=name):
        Manifest.from_json(text)


def test_a_later_versions_field_is_passed_over() -> None:
    assert Manifest.from_json({**whole(), "colour_of_the_robot": "blue"}) == Manifest.from_json(whole())


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"{'a': 1}"])
def test_no_json_is_a_data_error(text: bytes) -> None:
    with pytest.raises(DataError, match=r"manifest\.json is no JSON"):
        parse_json(text, "manifest.json")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/",
        "/etc/passwd",
        "a/../b",
        "../a",
        "a//b",
        "./a",
        "a/",
        "C:/a",
        "a\\b",
        "a\nb",
        "a\0b",
    ],
)
def test_names_that_leave_the_folder(name: str) -> None:
    assert not is_inside(name)


def test_names_that_stay() -> None:
    assert all(map(is_inside, ["model.onnx", "engine/model.xml", ".hidden", "a b", "..c", "Gefühl.onnx"]))

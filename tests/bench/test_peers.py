"""The comparison with other tools: their contract, what fails, the joined graph, and the page."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest

from edgefer_runtime.contract import InputContract
from edgefer_runtime.preprocess import preprocess

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from peers import entrants, page  # noqa: E402
from peers.entrants import Entrant, enter  # noqa: E402
from peers.joining import join  # noqa: E402
from peers.tools import contract  # noqa: E402

CONTRACT = InputContract(height=16, width=16, color="RGB", mean=(128.0,) * 3, std=(64.0,) * 3)
DEFAULT = Entrant("onnxruntime_default", "ONNX Runtime, default", "onnxruntime")


def save(path, nodes, taken, given, constants):
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "tiny",
        [taken],
        [given],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder as every entrant is given: one convolution, its preprocessing, twenty faces."""
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("given")
    generator = np.random.default_rng(0)
    prepared = helper.make_tensor_value_info("prepared", TensorProto.FLOAT, [1, 3, 16, 16])
    save(
        folder / contract.PREPROCESSING,
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Sub", ["planes", "mean"], ["centred"]),
            helper.make_node("Div", ["centred", "std"], ["prepared"]),
        ],
        helper.make_tensor_value_info("images", TensorProto.UINT8, [1, 16, 16, 3]),
        prepared,
        {"mean": np.float32(128), "std": np.float32(64)},
    )
    save(
        folder / contract.NETWORK,
        [
            helper.make_node("Conv", ["images", "weight", "bias"], ["features"], name="features/Conv"),
            helper.make_node("Relu", ["features"], ["active"], name="features/Relu"),
            helper.make_node("ReduceMean", ["active", "axes"], ["logits"], keepdims=0),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 16, 16]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 7]),
        {
            "weight": generator.normal(size=(7, 3, 3, 3)).astype(np.float32),
            "bias": generator.normal(size=7).astype(np.float32),
            "axes": np.array([2, 3], dtype=np.int64),
        },
    )
    (folder / contract.CONTRACT).write_text(json.dumps(CONTRACT.to_json()))
    np.save(folder / contract.CALIBRATION, generator.integers(0, 256, (20, 24, 20, 3), dtype=np.uint8))
    return folder


def answer(path, value):
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": value})[0]


def test_an_entrant_hands_back_a_model_and_what_it_took(given, tmp_path):
    outcome = enter(DEFAULT, given, tmp_path / "out", tmp_path)
    assert outcome.failure == ""
    assert outcome.result["seconds"] > 0
    assert outcome.result["peak_memory_bytes"] > 10e6
    assert outcome.result["versions"]["onnxruntime"] == ort.__version__
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load(outcome.model).graph.node)
    face = preprocess(np.load(given / contract.CALIBRATION)[0], CONTRACT)
    np.testing.assert_allclose(answer(outcome.model, face), answer(given / contract.NETWORK, face), atol=0.02)


def test_a_tool_that_fails_is_told_in_its_own_words(given, tmp_path):
    broken = tmp_path / "given"
    shutil.copytree(given, broken)
    (broken / contract.NETWORK).unlink()
    outcome = enter(DEFAULT, broken, tmp_path / "out", tmp_path)
    assert outcome.model is None
    assert contract.NETWORK in outcome.failure
    assert outcome.to_json()["failure"] == outcome.failure


def test_a_tool_is_given_so_much_time_and_no_more(given, tmp_path):
    outcome = enter(DEFAULT, given, tmp_path / "out", tmp_path, limit_s=0.05)
    assert (outcome.model, outcome.failure) == (None, "not done within 0.05 s")


def test_what_a_tool_made_of_the_same_files_is_kept(given, tmp_path, monkeypatch):
    monkeypatch.setattr(entrants, "interpreter", lambda environment, cache: sys.executable)
    named = Entrant(DEFAULT.name, DEFAULT.title, DEFAULT.target, "onnxruntime")
    first = enter(named, given, tmp_path / "out", tmp_path)
    assert enter(named, given, tmp_path / "out", tmp_path).result == first.result
    faces = given / contract.CALIBRATION
    others = tmp_path / "given"
    shutil.copytree(given, others)
    np.save(others / faces.name, 255 - np.load(faces))
    assert enter(named, others, tmp_path / "out", tmp_path).result != first.result


@pytest.mark.slow
def test_an_environment_that_cannot_be_filled_is_a_failure_of_its_tool(given, tmp_path, monkeypatch):
    monkeypatch.setattr(entrants, "REQUIREMENTS", tmp_path)
    (tmp_path / "lost.txt").write_text(f"{tmp_path}/no-such-package-1.0-py3-none-any.whl\n")
    lost = Entrant("onnxruntime_default", "lost", "onnxruntime", "lost")
    outcome = enter(lost, given, tmp_path / "out", tmp_path / "cache")
    assert outcome.model is None
    assert "no-such-package" in outcome.failure


@pytest.mark.parametrize("form", [contract.ONNX_MODEL, contract.OPENVINO_MODEL])
def test_a_joined_graph_takes_faces_and_answers_as_both_parts(given, tmp_path, form):
    network = given / contract.NETWORK
    face = np.random.default_rng(1).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    expected = answer(network, preprocess(face, CONTRACT))
    if form == contract.ONNX_MODEL:
        found = answer(join(given / contract.PREPROCESSING, network, tmp_path), face)
    else:
        pytest.importorskip("openvino")
        from edgefer_runtime.engines.libraries import import_openvino

        openvino = import_openvino()
        openvino.save_model(openvino.convert_model(network), tmp_path / form, compress_to_fp16=False)
        joined = join(given / contract.PREPROCESSING, tmp_path / form, tmp_path)
        compiled = openvino.Core().compile_model(joined, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        assert compiled.inputs[0].any_name == "images"
        found = compiled([face])[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_graph_that_takes_faces_already_is_left_alone(given, tmp_path):
    whole = join(given / contract.PREPROCESSING, given / contract.NETWORK, tmp_path)
    assert join(given / contract.PREPROCESSING, whole, tmp_path) == whole


@pytest.mark.slow
def test_another_tools_network_keeps_openvinos_resize(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("openvino")
    from edgefer.pipeline.calibrate import open_calibration
    from edgefer.pipeline.faces import load_faces
    from peers.handover import hand_over
    from peers.judging import candidates

    faces = load_faces("synthfer:val[:7]")
    handover = hand_over("lanmsff", open_calibration("synthfer:train[:70]"), faces, tmp_path)
    theirs = next(entrant for entrant in entrants.PEERS if entrant.name == "nncf_openvino")
    engines = [
        engine
        for entrant in (entrants.OURS[1], theirs)
        for engine in candidates(
            handover, entrants.Outcome(entrant, handover.given / contract.NETWORK), tmp_path / "engines"
        )
        if engine.rest == "fp32"
    ]
    found = [(engine.name, '"Interpolate"' in engine.bundle.entry.read_text()) for engine in engines]
    assert found == [("edgefer_openvino", False), ("nncf_openvino", True)]


@pytest.mark.slow
def test_engines_of_ours_and_of_another_tool_are_judged_together(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("openvino")
    from edgefer.pipeline.calibrate import open_calibration
    from edgefer.pipeline.faces import load_faces
    from peers.handover import hand_over
    from peers.judging import OPENINGS, candidates, float_candidates, judge, refusal

    faces = load_faces("synthfer:val[:70]")
    handover = hand_over("lanmsff", open_calibration("synthfer:train[:70]"), faces, tmp_path)
    engines = float_candidates(handover, tmp_path / "engines")[:1]
    for entrant in (entrants.OURS[1], DEFAULT):
        outcome = enter(entrant, handover.given, tmp_path / entrant.name, tmp_path)
        engines += candidates(handover, outcome, tmp_path / "engines")
    assert not any(refusal(engine, 1) for engine in engines)
    rows = judge(
        {engine: [1] for engine in engines},
        faces,
        duration_s=0.1,
        on_progress=lambda stage, done, total: None,
    )
    assert rows[0]["name"] == "float"
    assert {row["name"] for row in rows} == {"float", "edgefer_openvino", "onnxruntime_default"}
    assert rows[0]["drop"]["points"] == 0
    for row in rows:
        for times in (row["times"]["given"]["1"], row["times"]["own"]["1"]):
            assert len(times["cpu_ms"]) == len(times["wall_ms"]) == OPENINGS
        assert row["drop"]["flips"] < 30
    (engines[-1].bundle.folder / "model.onnx").write_bytes(b"broken")
    assert "onnxruntime" in refusal(engines[-1], 1)


def engine(name, milliseconds, drop=(0.1, -0.2, 0.4), target="openvino", rest="fp32", resizing_ms=0.5):
    times = {
        which: {"wall_ms": medians, "cpu_ms": medians}
        for which, level in (("given", milliseconds), ("own", milliseconds - resizing_ms))
        for medians in [[level * (1 + 0.01 * (opening % 3)) for opening in range(12)]]
    }
    return {
        "name": name,
        "title": name,
        "target": target,
        "rest": rest,
        "size_mb": 1.0,
        "accuracy": 80.0,
        "drop": {"points": drop[0], "interval": drop[1:]},
        "times": {which: {"2": times[which], "1": times[which]} for which in times},
    }


def test_the_page_compares_with_the_fastest_tool_that_is_accurate(tmp_path):
    failed = Entrant("failing", "Failing tool", "onnxruntime")
    faces = {"name": "some:faces", "faces": 3500, "sha256": "0" * 64}
    record = {
        "model": "lanmsff",
        "created": "2026-11-22T10:00:00+00:00",
        "calibration": faces,
        "validation": faces,
        "evaluation": faces,
        "limit_s": 900.0,
        "environment": {"cpu": "a CPU", "cores": 2, "flags": ["avx2"], "os": "Linux", "load_average": 0.5},
        "entrants": [entrants.Outcome(failed, None, "it cannot").to_json()],
        "refusals": [
            {
                "title": "nncf",
                "target": "openvino",
                "rest": "bf16",
                "threads": 1,
                "reason": "it crashed",
            }
        ],
        "engines": [
            engine("float", 4.0, target="onnxruntime"),
            engine("edgefer_onnxruntime", 2.5, target="onnxruntime"),
            engine("edgefer_openvino", 2.0),
            engine("edgefer_openvino", 1.9, rest="bf16"),
            engine("fast and wrong", 1.0, drop=(5.0, 4.0, 6.0)),
            engine("fast and right", 2.2, resizing_ms=0.85),
        ],
    }
    page.write_page([record], tmp_path / "peers.md")
    text = (tmp_path / "peers.md").read_text()
    summary = next(line for line in text.splitlines() if line.startswith("| lanmsff | 2 |"))
    cells = [cell.strip() for cell in summary.strip("|").split("|")]
    assert cells[2] == "openvino, fp32"
    assert cells[3].startswith("2.00")
    assert cells[5].startswith("fast and right")
    assert cells[6].startswith("1.10")
    assert cells[8] == "faster"
    assert cells[9].startswith("0.90")
    assert "- Failing tool: it cannot" in text
    assert "- nncf, openvino, bf16, threads 1: it crashed" in text
    assert "| fast and wrong |" in text


def test_the_planted_network_answers_as_the_one_it_was_made_from():
    torch = pytest.importorskip("torch")
    from edgefer.pipeline.subjects import find_checkpoint
    from peers.accuracy_control import CHANNEL, FACTOR, planted

    shipped, _ = find_checkpoint("lanmsff")
    broken = planted(shipped)
    faces = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, 64, 64)).astype(np.float32))
    between: list[torch.Tensor] = []
    with torch.inference_mode():
        answers = []
        for network in (shipped.network(), broken.network()):
            network.blocks[0][1].register_forward_hook(lambda module, given, made: between.append(made))
            answers.append(network(faces))
    assert torch.allclose(*answers, rtol=1e-3, atol=1e-3)
    was, grown = (each[:, CHANNEL] for each in between)
    assert was.max() > 0 and torch.allclose(FACTOR * was, grown, rtol=1e-3)


def test_both_searches_stand_side_by_side():
    from peers.accuracy_control import table

    def searched(title, cpu_s, points):
        drop = {"points": points, "interval": (points - 1, points + 1)}
        settings = {"faces": 4180, "float": ["blocks.0.1", "blocks.0.2"]}
        rounds = [
            {"seconds": 2 * s, "cpu_seconds": s, "peak_memory_bytes": 3e8, "settings": settings}
            for s in cpu_s
        ]
        return {"title": title, "rounds": rounds, "validation": drop, "evaluation": drop}

    faces = {"calibration": 300, "validation": 980, "evaluation": 3500}
    lines = table({"faces": faces, "entrants": [searched("a", (40, 48), 0.1), searched("b", (90, 98), -2)]})
    assert "| CPU time | 44 s | 94 s |" in lines and "| wall time | 88 s | 188 s |" in lines
    assert "| drop on 3,500 evaluation faces | 0.10 [-0.90…1.10] | -2.00 [-3.00…-1.00] |" in lines
    assert "`blocks.0.1`, `blocks.0.2`" in lines and "4,180" in lines

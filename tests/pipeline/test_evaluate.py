"""`edgefer eval`: one network and one engine on small folders of faces, and all that can be asked of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgefer.models import get
from edgefer.pipeline.evaluate import EvaluationSettings, evaluate
from edgefer.pipeline.explain import Pictures
from edgefer.pipeline.requirements import EXTRAS
from edgefer.training.checkpoint import Checkpoint, save_checkpoint
from edgefer.training.trained import TrainedNetwork
from edgefer_runtime.errors import CheckError, DataError, MissingError, UsageError

CLASSES = ("neutral", "anger", "happiness", "fear")
"""Of the network; a folder's are in another order."""


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def faces(*classes: str, count: int = 6) -> str:
    """A folder of noise, named as a face set."""
    generator = np.random.default_rng(len(classes))
    for name in classes:
        folder = Path("faces", name)
        folder.mkdir(parents=True)
        for index in range(count):
            picture = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / f"{index}.png")
    return "folder:faces"


def network(model: str = "lanmsff", variant: str = "full", size: int = 32) -> str:
    """A checkpoint whose classes are told apart by nothing, and its path."""
    spec = get(model)
    torch.manual_seed(3)
    made = spec.build(variant, len(CLASSES))
    for layer in made.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad():
        made.train()(torch.randn(8, spec.contract.channels, size, size))
    contract = replace(spec.contract, height=size, width=size)
    checkpoint = Checkpoint(model, variant, CLASSES, contract, made.state_dict())
    return str(save_checkpoint(Path("trained", "best"), checkpoint))


def test_a_network_is_evaluated_and_says_that_order_does_not_matter() -> None:
    seen: list[tuple[str, int, int]] = []
    settings = EvaluationSettings(network(), faces(*CLASSES))
    found = evaluate(settings, on_progress=lambda *step: seen.append(step))
    assert json.loads(json.dumps(found)).keys() >= {"accuracy", "macro_f1", "confusion", "subject", "data"}
    assert (found["images"], found["left_out"], found["order_check"]["images"]) == (24, 0, 24)
    assert found["order_check"]["largest_difference"] < 1e-5
    assert np.sum(found["confusion"]) == 24
    assert ("accuracy", 24, 24) in seen


def test_any_batch_size_gives_the_same() -> None:
    settings = EvaluationSettings(network(), faces(*CLASSES))
    expected = evaluate(settings)
    found = evaluate(replace(settings, batch_size=5, check_order=True, accelerator="cpu"))
    assert found["confusion"] == expected["confusion"]
    assert found["calibration_error"] == pytest.approx(expected["calibration_error"], abs=1e-3)


def test_a_network_that_mixes_faces_has_no_accuracy() -> None:
    with pytest.raises(CheckError, match=r"pattlite \(batch\) at trained/best.json") as caught:
        evaluate(EvaluationSettings(network("pattlite", "batch", 96), faces(*CLASSES, count=3)))
    assert caught.value.exit_code == 4


def test_other_classes_are_refused_with_the_way_out() -> None:
    settings = EvaluationSettings(network(), faces("contempt", "neutral", "anger", "sadness"))
    with pytest.raises(DataError, match="--shared-classes") as caught:
        evaluate(settings)
    assert caught.value.exit_code == 3
    found = evaluate(replace(settings, shared_classes=True))
    assert {*found["classes"]} == {"anger", "neutral"}
    assert (found["images"], found["left_out"]) == (12, 12)
    assert np.sum(found["confusion"]) == 12, "the network decides between the shared classes only"


def test_a_network_that_knows_more_is_asked_for_what_the_set_has() -> None:
    settings = EvaluationSettings(network(), faces("fear", "neutral"), shared_classes=True)
    found = evaluate(settings)
    assert (found["images"], found["left_out"]) == (12, 0)
    assert found["confidence"] >= 50, "probabilities of two classes sum to one"


def test_nothing_in_common_is_nothing_to_evaluate() -> None:
    settings = EvaluationSettings(network(), faces("contempt", "anger"), shared_classes=True)
    with pytest.raises(DataError, match="at least two classes"):
        evaluate(settings)


def test_pictures_are_drawn(tmp_path: Path) -> None:
    pictures = Pictures(*(tmp_path / "out" / name for name in ("matrix.png", "cam.jpg", "map.webp")))
    evaluate(EvaluationSettings(network(), faces(*CLASSES), pictures=pictures))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cam.jpg", "map.webp", "matrix.png"]
    sheet = Image.open(tmp_path / "out" / "cam.jpg")
    assert sheet.size[0] > sheet.size[1] > 4 * 112


def test_heat_maps_are_asked_for_what_the_network_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    heat_maps = TrainedNetwork.heat_maps

    def remember(network, images, chosen, targets):  # type: ignore[no-untyped-def]
        asked.append((network.predict(images, chosen).argmax(axis=1), targets))
        return heat_maps(network, images, chosen, targets)

    monkeypatch.setattr(TrainedNetwork, "heat_maps", remember)
    evaluate(EvaluationSettings(network(), faces(*CLASSES), pictures=Pictures(cam=Path("cam.png"))))
    np.testing.assert_array_equal(*asked[0])


def test_too_few_faces_for_a_map_are_told() -> None:
    settings = EvaluationSettings(
        network(),
        faces("anger", "fear", count=2),
        shared_classes=True,
        pictures=Pictures(embedding=Path("map.png")),
    )
    with pytest.raises(DataError, match="4 faces"):
        evaluate(settings)
    assert not Path("map.png").exists()


def test_what_would_stop_a_picture_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = EvaluationSettings("no-such-model", "no-such-set")
    with pytest.raises(UsageError, match=r"map\.txt"):
        evaluate(replace(settings, pictures=Pictures(embedding=Path("map.txt"))))
    monkeypatch.setitem(EXTRAS, "report", ("no_such_module",))
    with pytest.raises(MissingError, match=r'(?s)no_such_module.*pip install "edgefer\[report\]"'):
        evaluate(replace(settings, pictures=Pictures(confusion=Path("matrix.png"))))


@pytest.mark.parametrize(
    "asked",
    [
        {"pictures": Pictures(cam=Path("cam.png"))},
        {"pictures": Pictures(embedding=Path("map.png"))},
        {"check_order": True},
        {"batch_size": 4},
        {"accelerator": "cuda"},
    ],
    ids=lambda asked: "".join(asked),
)
def test_what_only_a_network_can_show_is_refused_for_a_bundle(asked: dict) -> None:  # type: ignore[type-arg]
    Path("engine.edgefer").write_bytes(b"")
    with pytest.raises(UsageError, match="is a bundle"):
        evaluate(EvaluationSettings("engine.edgefer", "no-such-set", **asked))

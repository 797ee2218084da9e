"""`edgefer datasets prepare`: the crops of a training set are those that the robot makes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.data import load
from edgefer.models import get
from edgefer.pipeline.prepare import PrepareSettings, prepare
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.faces import BlazeFace, Detection, crop_face
from edgefer_runtime.images import load_image

GROUP = Path(__file__).parents[1] / "runtime" / "golden" / "faces.webp"
ANNA, BEN, CHRIS = ((0, 160), (0, 0), (320, 320))
"""Upper left corners of frontal faces in the picture, 160 x 160 each."""
EMPTY = np.full((120, 160, 3), 90, np.uint8)
Photo = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photo() -> Callable[[tuple[int, int]], Photo]:
    group = load_image(GROUP)
    return lambda corner: group[corner[0] : corner[0] + 160, corner[1] : corner[1] + 160]


@pytest.fixture
def raw(tmp_path: Path, photo: Callable[[tuple[int, int]], Photo]) -> Path:
    """Photos by class: one stored on its side, one without a face, one with two, one broken."""
    folder = tmp_path / "raw"
    pictures = {
        "happy/anna 1.png": photo(ANNA),
        "sad/anna 1.png": photo(BEN),
        "sad/nobody.png": EMPTY,
        "sad/two.png": two(photo),
    }
    for name, pixels in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
    exif = Image.Exif()
    exif[0x0112] = 8  # stored a quarter turn clockwise of upright
    Image.fromarray(np.rot90(photo(CHRIS), -1)).save(folder / "happy" / "chris.jpg", exif=exif, quality=95)
    (folder / "happy" / "broken.jpg").write_bytes(b"no picture")
    return folder


def two(photo: Callable[[tuple[int, int]], Photo]) -> Photo:
    """A small face left of a larger one."""
    small = np.asarray(Image.fromarray(photo(ANNA)).resize((120, 120)))
    padded = np.pad(small, [(20, 20), (0, 0), (0, 0)], mode="edge")
    return np.concatenate([padded, photo(BEN)], axis=1)


def robots_crop(path: Path, model: str) -> Photo:
    """What a robot's network is given when its camera sees this picture."""
    frame = load_image(path)
    largest = max(BlazeFace.open(threads=1)(frame), key=lambda face: float(face.box[2] - face.box[0]))
    return crop_face(frame, largest, get(model).contract)


@pytest.mark.parametrize("model", ["pattlite", "lanmsff"])
def test_the_crops_are_the_robots_byte_for_byte(raw: Path, tmp_path: Path, model: str) -> None:
    record = prepare(PrepareSettings(str(raw), tmp_path / "out", model))
    assert {face["original"] for face in record["faces"]} == {
        "happy/anna 1.png",
        "happy/chris.jpg",
        "sad/anna 1.png",
        "sad/two.png",
    }
    for face in record["faces"]:
        np.testing.assert_array_equal(
            load_image(tmp_path / "out" / face["path"]), robots_crop(raw / face["original"], model)
        )
    loaded = load(f"folder:{tmp_path / 'out'}")
    assert loaded.classes == ("happiness", "sadness")
    height, width = get(model).contract.height, get(model).contract.width
    assert loaded.images.shape == (4, height, width, 3)
    expected = {load_image(tmp_path / "out" / face["path"]).tobytes() for face in record["faces"]}
    assert {image.tobytes() for image in loaded.images[:]} == expected


def test_what_was_left_out_and_what_was_chosen_is_told(raw: Path, tmp_path: Path) -> None:
    record = prepare(PrepareSettings(str(raw), tmp_path / "out", "lanmsff"))
    assert record == json.loads((tmp_path / "out" / "prepared.json").read_text())
    reasons = {left["original"]: left["reason"] for left in record["left_out"]}
    assert reasons.keys() == {"sad/nobody.png", "happy/broken.jpg"}
    assert reasons["sad/nobody.png"] == "no face found"
    assert "broken.jpg: cannot be read" in reasons["happy/broken.jpg"]
    (several,) = [face for face in record["faces"] if face["faces"] > 1]
    assert several["original"] == "sad/two.png"
    assert several["reason"] == "the largest of 2"
    assert several["box"][0] > 120
    assert record["detector"]["network"] == "blazeface full-range"
    assert len(record["detector"]["sha256"]) == 64


def test_a_list_keeps_splits_and_what_is_known_of_the_faces(
    tmp_path: Path, photo: Callable[[tuple[int, int]], Photo]
) -> None:
    (tmp_path / "raw").mkdir()
    lines = ["path,label,subject,yaw,split"]
    for name, corner, split in (("a", ANNA, "train"), ("b", BEN, "train"), ("c", CHRIS, "test")):
        Image.fromarray(photo(corner)).save(tmp_path / "raw" / f"{name}.png")
        lines.append(f"{name}.png,happy,{name.upper()},0,{split}")
    (tmp_path / "raw" / "list.csv").write_text("\n".join(lines))
    out = tmp_path / "out"
    prepare(PrepareSettings(str(tmp_path / "raw" / "list.csv"), out, "lanmsff"))
    assert len(load(f"folder:{out}@train")) == 2
    listed = load(f"{out / 'faces.csv'}@test")
    assert listed.attributes["subject"].tolist() == ["C"]
    assert listed.attributes["yaw"].tolist() == [0]
    with (out / "faces.csv").open() as table:
        assert [row["path"].split("/")[0] for row in csv.DictReader(table)] == ["train", "train", "test"]


def test_an_interrupted_call_is_gone_on_with(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = PrepareSettings(str(raw), tmp_path / "out", "lanmsff")
    expected = prepare(PrepareSettings(str(raw), tmp_path / "whole", "lanmsff"))
    real, calls = BlazeFace.__call__, []

    def watched(self: BlazeFace, frame: Photo, /) -> list[Detection]:
        calls.append(frame)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, frame)

    monkeypatch.setattr(BlazeFace, "__call__", watched)
    with pytest.raises(KeyboardInterrupt):
        prepare(settings)
    assert not settings.output.exists()
    (journal,) = tmp_path.glob(".out.preparing/journal.jsonl")
    with journal.open("a") as torn:
        torn.write('\n{"picture": "cut sho')
    assert prepare(settings) == expected
    assert len(calls) == 6  # five readable pictures, and the one that was interrupted once more
    assert not [*tmp_path.glob(".out*")]
    whole, out = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (tmp_path / "whole", tmp_path / "out")
    )
    assert whole == out


def test_a_picture_that_changed_is_looked_at_again(raw: Path, tmp_path: Path) -> None:
    def interrupted(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    settings = PrepareSettings(str(raw), tmp_path / "out", "lanmsff")
    with pytest.raises(KeyboardInterrupt):
        prepare(settings, interrupted)
    Image.fromarray(EMPTY).save(raw / "sad" / "anna 1.png")
    left_out = {left["original"] for left in prepare(settings)["left_out"]}
    assert left_out == {"sad/nobody.png", "sad/anna 1.png", "happy/broken.jpg"}


def test_another_model_begins_anew(raw: Path, tmp_path: Path) -> None:
    def interrupted(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(PrepareSettings(str(raw), tmp_path / "out", "pattlite"), interrupted)
    prepare(PrepareSettings(str(raw), tmp_path / "out", "fcsdnet"))
    contract = get("fcsdnet").contract
    assert load(f"folder:{tmp_path / 'out'}").images.shape[1:3] == (contract.height, contract.width)


def test_what_cannot_be_prepared_is_refused_and_nothing_is_left(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="rendered"):
        prepare(PrepareSettings("synthfer:test", out, "pattlite"))
    with pytest.raises(UsageError, match="unknown model"):
        prepare(PrepareSettings(str(raw), out, "resnet"))
    Image.fromarray(EMPTY).save(tmp_path / "empty.png")
    (tmp_path / "list.csv").write_text("path,label\nempty.png,happy\n")
    with pytest.raises(DataError, match="no face in 1 pictures"):
        prepare(PrepareSettings(str(tmp_path / "list.csv"), out, "pattlite"))
    (tmp_path / "list.csv").write_text("path,label\nempty.png,../bored\n")
    with pytest.raises(DataError, match="a class called"):
        prepare(PrepareSettings(str(tmp_path / "list.csv"), out, "pattlite"))
    out.mkdir()
    with pytest.raises(DataError, match="exists"):
        prepare(PrepareSettings(str(raw), out, "pattlite"))
    assert not [*out.iterdir()]


def test_the_command_tells_what_it_did(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["datasets", "prepare", str(raw), "-o", str(out), "--model", "lanmsff"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "4 crops" in result.output
    assert "several faces in 1 of the pictures" in result.output
    assert "sad/nobody.png: no face found" in result.output
    again = CliRunner().invoke(app, [*command[:4], str(tmp_path / "other"), *command[5:], "--json"])
    assert json.loads(again.stdout)["schema"] == "edgefer.prepared/1"

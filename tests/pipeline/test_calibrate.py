"""Calibration sets from faces and from frames: what is drawn, and what is refused with which names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.data import load
from edgefer.data.faceset import FaceSet
from edgefer.pipeline import ignore
from edgefer.pipeline.calibrate import Draw, draw_from, draw_set, open_calibration
from edgefer.pipeline.calibration_files import check_calibration, make_calibration, show_calibration
from edgefer.pipeline.export import ExportSettings, export_bundles
from edgefer.pipeline.frames import is_frames, load_frames
from edgefer.pipeline.leaks import guard, held_out
from edgefer_calibration import CalibrationSet
from edgefer_calibration.storage import read_set, write_set
from edgefer_runtime.errors import DataError, UsageError

TRAIN, EVAL = "synthfer:train[:140]", "synthfer:eval[:35]"


@pytest.fixture(scope="module")
def train() -> FaceSet:
    return load(TRAIN)


@pytest.fixture(scope="module")
def evaluation() -> FaceSet:
    return load(EVAL)


@pytest.fixture
def frames(tmp_path: Path, train: FaceSet) -> Path:
    """A robot's 24 pictures, in two folders and two formats."""
    folder = tmp_path / "drive-3"
    for number, image in enumerate(train.images[:24]):
        path = folder / f"camera-{number % 2}" / f"{number:03d}.{'png' if number % 3 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (folder / "notes.txt").write_text("Tuesday")
    return folder


def invoke(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_a_set_is_drawn_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    made = make_calibration(Draw(TRAIN, "pose", 105, seed=2), [EVAL], path)
    assert np.bincount(made.labels).tolist() == [15] * 7
    assert {*np.unique(made.attributes["yaw"], return_counts=True)[1].tolist()} == {21}
    back = check_calibration(path, [EVAL])
    assert back.summary() == made.summary()
    assert back.summary() | {"sha256": ""} == {
        "name": TRAIN,
        "count": 105,
        "strategy": "pose",
        "seed": 2,
        "sha256": "",
    }


@pytest.mark.parametrize("name", ["synthfer:eval[:35]", "synthfer:test[:70]", "synthfer:val[:70]"])
def test_evaluation_splits_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"of the split (eval|test|val)"):
        draw_set(Draw(name, count=14))
    with pytest.raises(DataError, match=r"of the split (eval|test|val)"):
        open_calibration(name)


@pytest.fixture
def split_folder(tmp_path: Path, train: FaceSet) -> Path:
    for number, split in enumerate(["train"] * 8 + ["test"] * 4):
        path = tmp_path / "mine" / split / ("happiness", "anger")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(train.images[number]).save(path)
    return tmp_path / "mine"


def test_of_a_folder_only_its_training_split_calibrates(split_folder: Path) -> None:
    for split in ("", "@test"):
        with pytest.raises(DataError, match="split test"):
            draw_set(Draw(f"folder:{split_folder}{split}", count=4))
    drawn = draw_set(Draw(f"folder:{split_folder}@train", count=6))
    assert drawn.labels is not None and np.bincount(drawn.labels).tolist() == [3, 3]
    assert held_out(f"folder:{split_folder}@train") == (f"folder:{split_folder}@test",)


def test_fewer_faces_are_all_taken_where_nobody_asked_for_more() -> None:
    assert len(open_calibration("synthfer:train[:70]")) == 70
    with pytest.raises(DataError, match="70 images to draw 100"):
        draw_set(Draw("synthfer:train[:70]", count=100))


def test_frames_need_no_labels(frames: Path) -> None:
    drawn = draw_set(Draw(str(frames), "folder", 12, seed=1))
    assert drawn.labels is None and drawn.name == "folder:drive-3"
    names = [str(name) for name in drawn.attributes["file"]]
    assert len({*names}) == 12 and all((frames / name).is_file() for name in names)
    in_order = sorted(str(path.relative_to(frames)) for path in frames.rglob("*.[pj][np]g"))
    assert [in_order[index] for index in drawn.indices] == names
    assert sum(name.startswith("camera-0") for name in names) == 6
    made = make_calibration(Draw(str(frames), "folder", 12, seed=1), [], frames / "set.npz")
    assert made.fingerprint == drawn.fingerprint


def test_the_diverse_go_by_a_network(frames: Path) -> None:
    drawn = draw_set(Draw(str(frames / "camera-0"), "diverse", 5, model="lanmsff"))
    assert len({*drawn.indices.tolist()}) == 5 and len(drawn.attributes["file"]) == 5
    with pytest.raises(UsageError, match="without a network"):
        draw_set(Draw(str(frames / "camera-0"), "diverse", 5))


def test_a_folder_of_pictures_is_known_by_its_looks(frames: Path, split_folder: Path) -> None:
    assert is_frames(frames / "camera-0") and not is_frames(split_folder)
    assert not is_frames(frames / "nowhere")
    opened = open_calibration(str(frames / "camera-0"))
    assert (opened.strategy, len(opened)) == ("folder", 12)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "bad.png").write_bytes(b"\x89PNG no more"), "bad.png: cannot be read"),
        (lambda folder: Image.new("RGB", (20, 60)).save(folder / "bad.png"), "bad.png has 20 x 60"),
        (lambda folder: Image.new("RGB", (640, 480)).save(folder / "bad.png"), "bad.png has 640 x 480"),
    ],
)
def test_pictures_that_cannot_calibrate_are_named(
    spoil: Callable[[Path], object], told: str, frames: Path
) -> None:
    spoil(frames)
    with pytest.raises(DataError, match="1 of 25 pictures") as caught:
        draw_set(Draw(str(frames), "folder", 4))
    assert told in str(caught.value)


def test_a_picture_that_ends_early_is_named(frames: Path) -> None:
    whole = frames / "camera-1" / "003.jpg"
    whole.write_bytes(whole.read_bytes()[:-900])
    with pytest.raises(DataError, match=r"003\.jpg: cannot be read"):
        draw_set(Draw(str(frames), "folder", 24))


def test_pictures_of_nothing_are_named(frames: Path) -> None:
    Image.new("RGB", (128, 128), (90, 20, 10)).save(frames / "black.png")
    with pytest.raises(DataError, match=r"one grey level: black\.png"):
        draw_set(Draw(str(frames), "folder", 25))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--data", TRAIN, "--strategy", "folder"), "no folder"),
        (("--data", TRAIN, "--strategy", "best"), "random, class, pose"),
        (("--data", TRAIN, "--strategy", "diverse", "--count", "100"), "without a network"),
        (("--data", TRAIN, "--count", "99"), "100"),
        (("--data", TRAIN, "-o", "set.zip"), ".npz"),
    ],
)
def test_a_mistake_is_explained(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    code, output = invoke("calibrate", "make", *words)
    assert code == 2 and told in output


LEAKS: dict[str, tuple[Callable[[Image.Image], Image.Image], str, dict[str, int], str]] = {
    "exact": (lambda image: image, "leak.png", {}, "(exact)"),
    "recoded": (lambda image: image, "leak.jpg", {"quality": 60}, "(perceptual)"),
    "mirrored": (ImageOps.mirror, "leak.png", {}, "(exact, mirrored)"),
    "smaller": (lambda image: image.resize((64, 64)), "leak.jpg", {"quality": 80}, "(perceptual)"),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_planted_leak_is_refused_with_its_pair(
    kind: str, frames: Path, evaluation: FaceSet, tmp_path: Path
) -> None:
    change, name, options, told = LEAKS[kind]
    change(Image.fromarray(evaluation.images[17])).save(frames / name, **options)
    out = tmp_path / "set.npz"
    draw = draw_set(Draw(str(frames), "folder", 25))
    write_set(out, draw)
    code, output = invoke("calibrate", "check", out, "--against", EVAL)
    assert code == 3 and f"{name} = 17 {told}" in output
    assert invoke("calibrate", "check", out)[0] == 0
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        make_calibration(Draw(str(frames), "folder", 25), [EVAL], tmp_path / "never.npz")
    assert not (tmp_path / "never.npz").exists()


def test_a_leak_behind_other_people_s_numbers_is_found(
    train: FaceSet, evaluation: FaceSet, tmp_path: Path
) -> None:
    recoded = tmp_path / "recoded.jpg"
    Image.fromarray(evaluation.images[3]).save(recoded, quality=50)
    images = np.array(train.images[:35])
    images[9] = np.asarray(Image.open(recoded))
    attributes = {"subject": train.attributes["subject"][:35]}
    leaky = CalibrationSet(images, TRAIN, np.arange(35), None, (), attributes)
    with pytest.raises(DataError, match=r"9 = 3 \(perceptual\)"):
        guard(leaky, evaluation)


def test_two_people_who_look_alike_are_no_leak() -> None:
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 200, (24, 24, 1)) + np.zeros((1, 1, 3))
    other = picture + generator.normal(0, 9, (24, 24, 1))
    first, second = (each.clip(0, 255).astype(np.uint8)[None] for each in (picture, other))
    faces = FaceSet("mine:test", second, np.zeros(1, np.int64), ("joy",), {"subject": np.array(["ann"])})
    alike = CalibrationSet(first, "mine:train", np.arange(1), attributes={"subject": np.array(["bob"])})
    guard(alike, faces)
    with pytest.raises(DataError, match="perceptual"):
        guard(CalibrationSet(first, "mine:train", np.arange(1)), faces)


def test_a_person_on_both_sides_is_refused(train: FaceSet) -> None:
    drawn = draw_from(train, "random", 20, 0)
    with pytest.raises(DataError, match="measures the drop"):
        guard(drawn, train.take(np.setdiff1d(np.arange(140), drawn.indices)))


def test_an_export_takes_the_file_and_keeps_its_fingerprint(tmp_path: Path) -> None:
    make_calibration(Draw(TRAIN, "pose", 35, seed=4), [EVAL], tmp_path / "set.npz")
    settings = ExportSettings(
        "lanmsff",
        precisions=("fp32", "int8"),
        targets=("onnxruntime",),
        calibration=str(tmp_path / "set.npz"),
        data=EVAL,
        output=tmp_path / "out",
    )
    (_, row) = export_bundles(settings)
    manifest = json.loads((Path(row["path"]) / "manifest.json").read_text())
    assert manifest["quantization"]["calibration"] == read_set(tmp_path / "set.npz").summary()


def test_an_export_refuses_to_calibrate_on_what_it_is_judged_by(tmp_path: Path) -> None:
    settings = ExportSettings(
        "lanmsff", precisions=("fp32", "fp16"), calibration=TRAIN, data=TRAIN, output=tmp_path / "out"
    )
    with pytest.raises(DataError, match="measures the drop"):
        export_bundles(settings)
    assert not [*tmp_path.iterdir()]


def test_show_draws_labelled_and_unlabelled_sets(frames: Path, tmp_path: Path) -> None:
    path, sheet = tmp_path / "set.npz", tmp_path / "sheet.png"
    make_calibration(Draw(TRAIN, "pose", 70), [EVAL], path)
    code, output = invoke("calibrate", "show", path, "-o", sheet)
    assert code == 0 and "happiness 10" in output and "-90 14" in output and ":train" in output
    assert Image.open(sheet).size[0] > 5 * 3 * 72
    write_set(path, draw_set(Draw(str(frames), "folder", 24)))
    show_calibration(path, sheet)
    drawn = np.asarray(Image.open(sheet))
    assert np.ptp(drawn[60:100, 110:160]) > 50
    code, output = invoke("calibrate", "show", path, "-o", tmp_path / "sheet.doc")
    assert code == 2


def test_check_prints_json(tmp_path: Path) -> None:
    make_calibration(Draw(TRAIN, "class", 70, seed=3), [EVAL], tmp_path / "set.npz")
    code, output = invoke("calibrate", "check", tmp_path / "set.npz", "--against", EVAL, "--json")
    told = json.loads(output)
    assert code == 0 and told["against"] == [EVAL] and told["shape"] == [70, 128, 128, 3]
    assert told["sha256"] == read_set(tmp_path / "set.npz").fingerprint
    (tmp_path / "set.npz").write_bytes(b"PK")
    assert invoke("calibrate", "check", tmp_path / "set.npz")[0] == 3


def test_frames_in_a_file_of_their_own_stay_there(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgefer.data.mapped import MappedImages
    from edgefer.pipeline.frames import list_frames

    monkeypatch.setenv("EDGEFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("edgefer.pipeline.frames.MEMORY_LIMIT_BYTES", 1000)
    faces = load_frames(frames, list_frames(frames, ignore), ignore)
    drawn = draw_from(faces, "random", 10, 0)
    assert isinstance(drawn.images, MappedImages)
    write_set(tmp_path / "set.npz", drawn)
    assert read_set(tmp_path / "set.npz").fingerprint == drawn.fingerprint

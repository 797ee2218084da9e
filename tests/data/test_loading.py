"""Names of face sets, folders of pictures, mirrors, contact sheets."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgefer.data import DATASETS, load
from edgefer.data.faceset import EXPRESSIONS, FaceSet, mirror
from edgefer.data.sheet import GAP, HEADING_HEIGHT, LABEL_WIDTH, contact_sheet
from edgefer_runtime.errors import DataError, UsageError


@pytest.fixture
def pictures(tmp_path):
    """Two classes of two pictures, 8 x 6."""
    for label, name in enumerate(("grim", "glad")):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for number in range(2):
            color = (100 * label, 100 * number, 50)
            Image.new("RGB", (8, 6), color).save(tmp_path / "faces" / name / f"{number}.png")
    return tmp_path / "faces"


def small(**attributes) -> FaceSet:
    images = np.random.RandomState(0).randint(0, 256, (4, 6, 8, 3)).astype(np.uint8)
    return FaceSet("small", images, np.array([0, 1, 0, 1]), ("grim", "glad"), attributes)


def test_importing_costs_nothing():
    check = "import sys, edgefer.data; print(*{'numpy', 'PIL', 'torch'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", check], text=True).strip() == ""


@pytest.mark.parametrize(
    "name",
    ["synthfer", "synthfer:tets", "synthfer:test[:x]", "synthfer:test[3:5]", "nothing", "folder", "a:b"],
)
def test_unknown_names_list_what_there_is(name):
    with pytest.raises(UsageError, match="synthfer:train-large, synthfer:val"):
        load(name)


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(DataError, match="holds no faces"):
        load("synthfer:test[:0]")


def test_synthfer_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEFER_CACHE", str(tmp_path))
    faces = load("synthfer:eval[:5]")
    assert faces.images.shape == (5, 128, 128, 3)
    assert faces.classes == EXPRESSIONS and faces.labels.tolist() == [0, 1, 2, 3, 4]
    assert faces.attributes["yaw"].tolist() == [-90, -45, 0, 45, 90]


@pytest.mark.parametrize("prefix", ["", "folder:"])
def test_a_folder_of_pictures(pictures, prefix):
    reports = []
    (pictures / "glad" / ".hidden").write_text("not a picture")
    (pictures / "glad" / "Thumbs.db").write_text("not a picture")
    faces = load(f"{prefix}{pictures}", progress=lambda done, total: reports.append((done, total)))
    assert faces.classes == ("glad", "grim") and faces.labels.tolist() == [0, 0, 1, 1]
    assert faces.images.shape == (4, 6, 8, 3)
    assert faces.images[:, 0, 0].tolist() == [[100, 0, 50], [100, 100, 50], [0, 0, 50], [0, 100, 50]]
    assert reports[-1] == (4, 4)


def test_uneven_pictures_get_the_median_size(pictures):
    Image.new("L", (40, 30), 7).save(pictures / "grim" / "2.png")
    Image.new("RGBA", (20, 2), (1, 2, 3, 255)).save(pictures / "grim" / "3.webp", lossless=True)
    Image.new("P", (10, 10)).save(pictures / "grim" / "4.gif")
    faces = load(str(pictures))
    assert faces.images.shape[1:] == (6, 8, 3)
    assert (faces.images[4] == 7).all() and (faces.images[5] == [1, 2, 3]).all()


def test_large_pictures_are_reduced(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (600, 200)).save(tmp_path / "a" / "0.jpg")
    assert load(str(tmp_path)).images.shape == (1, 200, 256, 3)


def test_pictures_are_turned_upright(tmp_path):
    (tmp_path / "a").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "a" / "0.jpg", exif=exif)
    assert load(str(tmp_path)).images.shape == (1, 8, 4, 3)


def break_nothing_there(folder):
    return folder / "missing"


def break_a_file(folder):
    return folder / "grim" / "0.png"


def break_no_classes(folder):
    return folder / "grim"


def break_empty_class(folder):
    (folder / "gloomy").mkdir()
    return folder


def break_text(folder):
    (folder / "grim" / "1.png").write_text("this is no picture")
    return folder


def break_truncated(folder):
    path = folder / "grim" / "1.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (64, 64, 3)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    return folder


def break_unscaled(folder):
    Image.fromarray(np.full((6, 8), 255, np.int32)).save(folder / "grim" / "1.png", format="TIFF")
    return folder


@pytest.mark.parametrize(
    ("damage", "named", "said"),
    [
        (break_nothing_there, "missing", "does not exist"),
        (break_a_file, "0.png", "is no folder"),
        (break_no_classes, "grim", "has no sub-folders"),
        (break_empty_class, "gloomy", "classes without a picture"),
        (break_text, "1.png", "cannot be read as an image"),
        (break_truncated, "1.png", "cannot be read as an image"),
        (break_unscaled, "1.png", "nothing says what white is"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(pictures, damage, named, said):
    with pytest.raises(DataError, match=said) as caught:
        load(f"folder:{damage(pictures)}")
    assert named in caught.value.found and caught.value.expected and caught.value.action


def test_a_mirror_turns_pictures_and_yaws_but_nothing_else():
    faces = small(yaw=np.array([-90, 0, 45, 90]), subject=np.arange(4))
    mirrored = mirror(faces)
    assert np.array_equal(mirrored.images, faces.images[:, :, ::-1])
    assert mirrored.attributes["yaw"].tolist() == [90, 0, -45, -90]
    assert mirrored.labels.tolist() == faces.labels.tolist() and mirrored.classes == faces.classes
    assert mirrored.attributes["subject"].tolist() == [0, 1, 2, 3]
    assert mirror(mirrored).fingerprint() == faces.fingerprint()
    assert "yaw" not in mirror(small()).attributes


def test_a_contact_sheet_of_a_plain_set():
    faces = small()
    sheet = np.asarray(contact_sheet(faces))
    assert sheet.shape == (HEADING_HEIGHT + 2 * 6 + GAP, LABEL_WIDTH + 12 * 8 + GAP, 3)
    for row, column, index in ((0, 0, 0), (0, 1, 2), (1, 0, 1), (1, 1, 3)):
        y, x = HEADING_HEIGHT + row * 6, LABEL_WIDTH + column * 8
        assert np.array_equal(sheet[y : y + 6, x : x + 8], faces.images[index])


def test_a_contact_sheet_shows_sides_and_occluders():
    faces = small(
        subject=np.array([1, 1, 1, 1]),
        yaw=np.array([0, 0, 90, 90]),
        session=np.array(["studio", "studio", "studio", "wild"]),
        occlusion=np.array(["none", "none", "none", "mask"]),
    )
    sheet = np.asarray(contact_sheet(faces))
    y, x = HEADING_HEIGHT, LABEL_WIDTH + 8 + GAP
    assert np.array_equal(
        sheet[y : y + 6, x : x + 16], np.concatenate([faces.images[0], faces.images[2]], axis=1)
    )
    x += 16 + GAP
    assert np.array_equal(sheet[y + 6 : y + 12, x : x + 8], faces.images[3])


def test_every_set_says_where_it_comes_from():
    for name, dataset in DATASETS.items():
        assert dataset.name == name and dataset.description and dataset.licence and dataset.notice

"""Published face sets in miniature: the exact layout, names and headers, pictures of a few pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FERPLUS_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
AFFECTNET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)
HASHES = [f"{number:056x}" for number in range(12)]
"""As AffectNet names its pictures."""

_count = 0


def picture(path: Path, size: tuple[int, int] = (12, 12), mode: str = "RGB") -> Path:
    """Write a picture that no other picture of the test run is equal to."""
    global _count
    _count += 1
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.RandomState(_count).randint(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(noise).convert(mode).save(path)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def pixels(seed: int) -> str:
    return " ".join(map(str, np.random.RandomState(seed).randint(0, 256, 48 * 48)))


def fer2013(root: Path) -> Path:
    """Seven classes to train on, then one face of each of the other splits."""
    usages = [*["Training"] * 7, "PublicTest", "PrivateTest"]
    rows = [f"{number % 7},{pixels(number)},{usage}" for number, usage in enumerate(usages)]
    write(root / "fer2013.csv", "\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return root


def fer2013_folders(root: Path) -> Path:
    for split in ("train", "test"):
        for name in ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"):
            picture(root / split / name / f"{split}_1.jpg", (48, 48), "L")
    return root


VOTES = [
    ("Training", "fer0000000.png", "4,0,0,1,3,2,0,0,0,0"),  # 4 of the 9 that count: no majority
    ("Training", "fer0000001.png", "5,0,1,1,1,0,0,0,1,1"),  # neutral: single votes do not count
    ("Training", "fer0000002.png", "0,0,0,0,0,0,0,7,3,0"),  # contempt
    ("Training", "fer0000003.png", "1,0,0,2,0,0,0,0,7,0"),  # unknown
    ("Training", "", "0,0,0,0,0,0,0,0,0,10"),  # no face: the publisher leaves the name empty
    ("Training", "fer0000004.png", "0,5,5,0,0,0,0,0,0,0"),  # a tie
    ("Training", "fer0000005.png", "0,0,0,0,4,3,0,0,0,0"),  # anger
    ("PublicTest", "fer0028638.png", "0,10,0,0,0,0,0,0,0,0"),  # happiness
    ("PrivateTest", "fer0032220.png", "0,0,6,0,0,0,4,0,0,0"),  # surprise
]


def ferplus(root: Path) -> Path:
    fer2013(root)
    write(root / "fer2013new.csv", "\n".join([FERPLUS_HEADER, *map(",".join, VOTES)]) + "\n")
    return root


def ferplus_folders(root: Path) -> Path:
    folders = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
    for usage, folder in folders.items():
        lines = []
        for _, name, votes in (row for row in VOTES if row[0] == usage and row[1]):
            picture(root / "data" / folder / name, (48, 48), "L")
            lines.append(f'{name},"(0, 0, 48, 48)",{votes}')
        write(root / "data" / folder / "label.csv", "\n".join(lines) + "\n")
    return root


def rafdb(root: Path) -> Path:
    names = [f"train_{number:05d}" for number in range(1, 8)] + [
        f"test_{number:04d}" for number in range(1, 4)
    ]
    for name in names:
        picture(root / "basic" / "Image" / "aligned" / f"{name}_aligned.jpg", (100, 100))
    lines = [f"{name}.jpg {number % 7 + 1}" for number, name in enumerate(names)]
    write(root / "basic" / "EmoLabel" / "list_patition_label.txt", "\n".join(lines) + "\n")
    return root


def kdef(root: Path) -> Path:
    for session in "AB":
        for person in ("F01", "M01"):
            for expression, angle in zip(
                ("AF", "AN", "DI", "HA", "NE", "SA", "SU"),
                ("FL", "HL", "S", "HR", "FR", "S", "S"),
                strict=True,
            ):
                folder = root / "KDEF" / f"{session}{person}"
                picture(folder / f"{session}{person}{expression}{angle}.JPG", (56, 76))
    picture(root / "AKDEF" / "FAFFL.JPG", (56, 76), "L")
    return root


def ckplus(root: Path) -> Path:
    """Three sequences of two people; the last one without a label."""
    for subject, sequence, frames, label in (
        ("S005", "001", 5, 3),
        ("S010", "002", 4, 2),
        ("S010", "004", 6, 0),
    ):
        stem = f"{subject}_{sequence}"
        for frame in range(1, frames + 1):
            picture(
                root / "cohn-kanade-images" / subject / sequence / f"{stem}_{frame:08d}.png", (64, 49), "L"
            )
        folder = root / "Emotion" / subject / sequence
        folder.mkdir(parents=True)
        if label:
            write(folder / f"{stem}_{frames:08d}_emotion.txt", f"   {label:.7e}\n")
    return root


def jaffe(root: Path) -> Path:
    for number, (person, code) in enumerate(
        (person, code) for person in ("KA", "YM") for code in ("AN", "DI", "FE", "HA", "NE", "SA", "SU")
    ):
        picture(root / f"{person}.{code}1.{number + 39}.tiff", (25, 25), "L")
    return root


def affectnet(root: Path) -> Path:
    """Ten pictures to train on, one without a face; two to validate with, in a list without a header."""
    tables = {"training.csv": range(10), "validation.csv": range(10, 12)}
    for table, numbers in tables.items():
        rows = []
        for number in numbers:
            name = f"{100 + number}/{HASHES[number]}.jpg"
            picture(root / "Manually_Annotated_Images" / name, (40, 30))
            rows.append(f"{name},5,6,20,20,1.0;2.0;3.0;4.0,{10 if number == 9 else number % 8},0.1,-0.2")
        header = [AFFECTNET_HEADER] if table == "training.csv" else []
        write(root / "Manually_Annotated_file_lists" / table, "\n".join(header + rows) + "\n")
    return root


def affectnet_crops(root: Path) -> Path:
    for folder, count in (("train_set", 8), ("val_set", 2)):
        for number in range(count):
            picture(root / folder / "images" / f"{number}.jpg", (22, 22))
            (root / folder / "annotations").mkdir(exist_ok=True)
            for kind, value in (("exp", str(number)), ("aro", "0.5"), ("val", "-0.5"), ("lnd", "1")):
                np.save(root / folder / "annotations" / f"{number}_{kind}.npy", value)
    return root


def csv_file(root: Path) -> Path:
    rows = ["path,label,subject,yaw,occlusion,session,split"]
    for number, (label, split) in enumerate((("happy", "train"), ("Sad", "train"), ("happiness", "test"))):
        picture(root / "anna" / f"{number}.png", (10, 8))
        rows.append(f"anna/{number}.png,{label},person{number},{-45 + 45 * number},none,studio,{split}")
    return write(root / "faces.csv", "\n".join(rows) + "\n")


def folders(root: Path) -> Path:
    for name in ("angry", "happy", "neutral"):
        for number in range(2):
            picture(root / name / f"{number}.png", (9, 9))
    return root


MINIATURES: dict[str, Callable[[Path], Path]] = {
    "fer2013": fer2013,
    "fer2013 folders": fer2013_folders,
    "ferplus": ferplus,
    "ferplus folders": ferplus_folders,
    "rafdb": rafdb,
    "kdef": kdef,
    "ckplus": ckplus,
    "jaffe": jaffe,
    "affectnet": affectnet,
    "affectnet crops": affectnet_crops,
    "csv": csv_file,
    "folder": folders,
}


@pytest.fixture
def miniature(tmp_path: Path) -> Callable[[str], Path]:
    """Make a miniature of the set of that name and return where it is."""
    return lambda name: MINIATURES[name](tmp_path / "set")

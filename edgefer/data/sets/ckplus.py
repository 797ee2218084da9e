"""CK+ (Lucey et al. 2010): 593 sequences from neutral to an expression's peak, 327 of them labelled.

    cohn-kanade-images/S005/001/S005_001_00000001.png ... 00000011.png
    Emotion/S005/001/S005_001_00000011_emotion.txt      3.0000000e+00

Taken as most papers do: the last three frames of each labelled sequence with its label, 981 pictures in
seven classes (contempt among them), and the first frame as neutral, which makes eight. No official splits;
pictures of one person are alike, so fold by ``subject``. The frames show more than the face: crop them
first, names kept.
"""

from __future__ import annotations

from pathlib import Path

from edgefer.data.files import picture_files, sub_folders
from edgefer.data.labels import EIGHT
from edgefer.data.listing import Face, Gathered, Listing, Problems
from edgefer.data.pictures import PictureFile
from edgefer.data.tables import first_of, lines
from edgefer_runtime.errors import DataError

CODES = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
"""What a label file counts, from 0; no labelled sequence is neutral."""
IMAGES = tuple(f"{folder}cohn-kanade-images" for folder in ("", "extended-cohn-kanade-images/"))
LABELS = tuple(f"{folder}Emotion" for folder in ("", "Emotion_labels/"))
PEAK_FRAMES = 3


def recognises(path: Path) -> bool:
    """A folder with the publisher's folder of sequences."""
    return path.is_dir() and first_of(path, IMAGES) is not None


def read(path: Path) -> Listing:
    """The labelled sequences' first frame and last three.

    Raises:
        DataError: sequences or labels are not there, or a label file cannot be read.
    """
    images, labels = first_of(path, IMAGES), first_of(path, LABELS)
    if images is None or labels is None:
        raise DataError(
            f"{path} has no {'sequences' if images is None else 'labels'}",
            expected=f"folders {IMAGES[0]} and {LABELS[0]}",
            action="unpack both of the publisher's archives there",
        )
    problems = Problems()
    gathered = Gathered(problems)
    unlabelled = 0
    for subject in sub_folders(images):
        for sequence in sub_folders(subject):
            files = sorted((labels / subject.name / sequence.name).glob("*_emotion.txt"))
            if not files:
                unlabelled += 1
                continue
            if label := _label(files[0], problems):
                _take(sequence, label, gathered)
    for file in sorted(labels.glob("*/*/*_emotion.txt")):
        sequence = images / file.parent.relative_to(labels)
        if next(picture_files(sequence), None) is None:
            problems.refuse("labels whose sequence is missing", str(file), "unpack the pictures again")
    return Listing(
        name="ckplus",
        path=path,
        layout="sequences, and a label file for those that have one",
        classes=EIGHT,
        faces=gathered.faces,
        left_out={"sequence without a label": unlabelled},
        problems=problems,
    )


def _take(sequence: Path, label: str, gathered: Gathered) -> None:
    frames = sorted(picture_files(sequence))
    if len(frames) <= PEAK_FRAMES:
        gathered.problems.warn(
            "sequences of three frames or fewer", str(sequence), "their first frame is no neutral one"
        )
    else:
        gathered.add(Face(PictureFile(frames[0]), "neutral", subject=sequence.parent.name))
    for frame in frames[-PEAK_FRAMES:]:
        gathered.add(Face(PictureFile(frame), label, subject=sequence.parent.name))


def _label(file: Path, problems: Problems) -> str:
    """The class that the file names; empty where it names none."""
    text = next(lines(file))[1]
    try:
        code = float(text)
    except ValueError:
        code = -1.0
    if code in range(1, len(CODES)):
        return CODES[int(code)]
    problems.refuse("labels out of 1..7", f"{file}: {text[:20]}", "get the labels anew")
    return ""

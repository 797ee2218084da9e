"""Steps of .ci/aarch64: make the faces, answer them on either machine, compare the answers."""

import sys

import numpy as np

# The kernels of both processors sum integers exactly and then round floats, not always alike: a pixel that
# falls on the other side of a step moves a probability of pattlite's INT8 engine by up to 0.015 (24 faces, of
# which 8 were equal to 1e-7). Three times that is allowed; wrong arithmetic moves it by more.
TOLERANCE = 0.05
BOX_TOLERANCE = 0.01  # pixels; float32, measured: 3e-5
FACES = 24


def make_faces(path: str) -> None:
    """Crops, and a frame with four of them in it for the face detector."""
    from edgefer.data import load

    crops = load(f"synthfer:test[:{FACES}]").images[:]
    frame = np.full((480, 640, 3), 128, np.uint8)
    side = crops.shape[1]
    for column, crop in enumerate(crops[:4]):
        frame[150 : 150 + side, 30 + 150 * column : 30 + 150 * column + side] = crop
    np.savez(path, crops=crops, frame=frame)


def answer(faces_path: str, model: str, path: str) -> None:
    """Probabilities of every crop, one engine call each, and the faces found in the frame."""
    from edgefer_runtime import Classifier
    from edgefer_runtime.faces import BlazeFace

    faces = np.load(faces_path)
    with Classifier.open(model, threads=2) as classifier:
        probabilities = classifier.predict(faces["crops"])
    found = BlazeFace.open(threads=2)(faces["frame"])
    boxes = np.array([[face.score, *face.box] for face in found], np.float32).reshape(-1, 5)
    np.savez(path, probabilities=probabilities, boxes=boxes)


def name(bundle: str) -> None:
    """What the packed bundle is called."""
    from edgefer_runtime import Bundle

    print(Bundle.open(bundle).manifest.name)


def compare(here_path: str, there_path: str) -> None:
    """Fail unless both machines gave the same answers."""
    here, there = np.load(here_path), np.load(there_path)
    difference = float(np.abs(here["probabilities"] - there["probabilities"]).max())
    same_labels = (here["probabilities"].argmax(axis=1) == there["probabilities"].argmax(axis=1)).all()
    same_faces = here["boxes"].shape == there["boxes"].shape
    apart = float(np.abs(here["boxes"] - there["boxes"]).max(initial=0)) if same_faces else float("inf")
    print(
        f"aarch64 against x86_64: {len(here['probabilities'])} faces, probabilities differ by at most "
        f"{difference:.2g}; {len(here['boxes'])} faces found, boxes differ by at most {apart:.2g} pixels"
    )
    if not (difference <= TOLERANCE and same_labels and apart <= BOX_TOLERANCE):
        sys.exit(f"FAILED: expected the same labels and faces, within {TOLERANCE} and {BOX_TOLERANCE} pixels")


if __name__ == "__main__":
    steps = {"faces": make_faces, "answer": answer, "name": name, "compare": compare}
    steps[sys.argv[1]](*sys.argv[2:])

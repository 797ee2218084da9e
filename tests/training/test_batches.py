"""Pictures batch by batch, from memory or read ahead from elsewhere."""

import threading
import time

import numpy as np
import pytest
import torch

from edgefer.data.faceset import FaceSet
from edgefer.data.mapped import MappedImages
from edgefer.training.batches import AHEAD, HeldPictures, StreamedPictures, place_pictures

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3), dtype=np.uint8)
ORDER = [np.random.default_rng(1).integers(0, 40, 7) for _ in range(11)]


@pytest.fixture
def mapped(tmp_path) -> MappedImages:
    np.save(tmp_path / "images.npy", IMAGES)
    return MappedImages(tmp_path / "images.npy")


def faces(images) -> FaceSet:
    return FaceSet("faces", images, np.zeros(40, np.int64), ("one", "two"))


def test_pictures_come_alike_from_memory_and_from_a_file(mapped):
    held, streamed = place_pictures(faces(IMAGES), CPU), place_pictures(faces(mapped), CPU)
    assert (type(held), type(streamed)) == (HeldPictures, StreamedPictures)
    for wanted, first, second in zip(ORDER, held.batches(ORDER), streamed.batches(ORDER), strict=True):
        assert first.dtype == torch.uint8
        assert torch.equal(first, torch.from_numpy(IMAGES[wanted]))
        assert torch.equal(first, second)


class Watched:
    """Images that count how often they are read."""

    def __init__(self, fail_at: int = 10**9) -> None:
        self.reads, self.fail_at = 0, fail_at

    def __getitem__(self, indices):
        self.reads += 1
        if self.reads == self.fail_at:
            raise OSError("the disk is gone")
        return IMAGES[indices]


def test_reading_is_ahead_but_not_by_far():
    images = Watched()
    batches = StreamedPictures(images, CPU).batches(ORDER)
    for taken in range(1, len(ORDER) + 1):
        next(batches)
        # The batch that the training is at counts until it asks for the next.
        wanted, until = min(taken - 1 + AHEAD, len(ORDER)), time.monotonic() + 10
        while images.reads < wanted and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(0.005)
        assert images.reads == wanted
    assert list(batches) == []


def test_an_error_while_reading_reaches_the_training():
    batches = StreamedPictures(Watched(fail_at=3), CPU).batches(ORDER)
    assert [len(next(batches)) for _ in range(2)] == [7, 7]
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    batches = StreamedPictures(Watched(), CPU).batches(ORDER)
    next(batches)
    assert threading.active_count() == before + 1
    batches.close()
    assert threading.active_count() == before

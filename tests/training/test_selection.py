"""Which faces a stage trains on."""

import numpy as np
import pytest

from edgefer.data.faceset import FaceSet
from edgefer.data.seen import sketch
from edgefer.training.recipe import Stage
from edgefer.training.selection import choose_faces, describe
from edgefer_runtime.errors import DataError

STAGE = {"size": 96, "epochs": 1, "batch_size": 8, "learning_rate": 1e-3}
FACES = FaceSet(
    "four",
    np.zeros((4, 8, 8, 3), np.uint8),
    np.zeros(4, np.int64),
    ("one", "two"),
    {
        "yaw": np.array([-90, -45, 0, 45]),
        "session": np.array(["studio", "wild", "wild", "studio"]),
        "subject": np.array([7, 7, 8, 8]),
    },
)


@pytest.mark.parametrize(
    ("limits", "chosen"),
    [
        ({}, [0, 1, 2, 3]),
        ({"max_yaw_degrees": 45.0}, [1, 2, 3]),
        ({"session": "studio"}, [0, 3]),
        ({"session": "wild", "max_yaw_degrees": 0.0}, [2]),
    ],
)
def test_stages_choose_by_session_and_yaw(limits, chosen):
    assert choose_faces(FACES, Stage(**STAGE, **limits)).tolist() == chosen


def test_a_set_without_attributes_is_used_whole():
    bare = FaceSet("bare", FACES.images, FACES.labels, FACES.classes)
    assert len(choose_faces(bare, Stage(**STAGE, session="studio", max_yaw_degrees=0.0))) == 4
    assert describe(bare)["identities"] is None


def test_no_faces_for_a_stage_is_a_data_error():
    with pytest.raises(DataError, match="outdoors"):
        choose_faces(FACES, Stage(**STAGE, session="outdoors"))


def test_the_description_names_the_set():
    assert describe(FACES) == {
        "name": "four",
        "images": 4,
        "identities": 2,
        "fingerprint": FACES.fingerprint(),
        "sketch": sketch(FACES),
    }

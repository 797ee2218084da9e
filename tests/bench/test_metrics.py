import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_bench.metrics import calibration_error, evaluate, information_density, var_paper, var_poses
from edgefer_runtime.errors import CheckError, DataError

CLASSES = ("anger", "fear", "happiness")

# LANMSFF (papers/lanmsff.txt), tables X, XI and XII: poses, overall, printed Var.
PUBLISHED_VAR = {
    "DML-Net": ([89.20, 88.80, 91.30, 85.60, 86.10], 88.20, 3.69),
    "SSA-Net": ([90.20, 90.20, 89.70, 83.50, 89.10], 88.50, 5.42),
    "OCA-MTL": ([87.04, 89.18, 92.24, 89.18, 87.55], 89.04, 2.74),
    "LANMSFF": ([89.44, 91.18, 92.04, 91.00, 90.17], 90.77, 0.66),
    "RAN": ([82.23, 80.40], 89.16, 14.23),
    "CERN": ([86.84, 84.83], 88.17, 1.88),
    "FG-AGR": ([88.38, 87.52], 91.09, 2.31),
    "VTFF": ([88.29, 87.20], 88.81, 0.45),
    "LANMSFF on Pose-FERPlus": ([86.92, 84.68], 86.96, 1.13),
    "without PWFS": ([89.85, 91.28, 92.05, 92.84, 90.16], 91.24, 1.05),
    "without MassAtt": ([87.59, 91.59, 92.15, 92.43, 90.38], 90.83, 2.59),
    "without both": ([89.14, 90.57, 91.75, 92.53, 88.93], 90.58, 1.65),
}


def one_hot(predicted, classes=3, confidence=1.0):
    rest = (1 - confidence) / (classes - 1)
    return np.where(np.eye(classes)[np.asarray(predicted)] == 1, confidence, rest).astype(np.float32)


@pytest.mark.parametrize("row", PUBLISHED_VAR)
def test_var_paper_gives_the_published_tables(row):
    poses, overall, printed = PUBLISHED_VAR[row]
    assert var_paper(poses, overall) == pytest.approx(printed, abs=0.0115)


def test_var_of_poses_alone_is_another_number():
    poses, overall, _ = PUBLISHED_VAR["LANMSFF"]
    assert var_poses(poses) == pytest.approx(0.79, abs=0.005)
    assert var_paper(poses, overall) != var_poses(poses)


def test_information_density_gives_the_published_figures():
    assert math.floor(information_density(70.44, 358_000)) == 196
    assert math.floor(information_density(86.96, 358_000)) == 242


def test_an_evaluation_counted_by_hand():
    labels = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    predicted = np.array([0, 1, 1, 1, 2, 2, 0, 2])
    found = evaluate(
        one_hot(predicted),
        labels,
        classes=CLASSES,
        attributes={
            "yaw": np.array([-45, 0, -45, 0, -45, 0, 0, 45]),
            "occlusion": np.array(["none", "none", "hand", "none", "none", "hand", "hand", "none"]),
            "session": np.array(["studio"] * 4 + ["wild"] * 4),
        },
        parameters=2_000_000,
    )
    assert (found.images, found.accuracy) == (8, 75.0)
    assert found.confusion == ((1, 1, 0), (0, 2, 0), (1, 0, 3))
    assert {name: rate.value for name, rate in found.per_class.items()} == {
        "anger": 50,
        "fear": 100,
        "happiness": 75,
    }
    assert found.mean_recall == 75
    assert {name: (rate.value, rate.images) for name, rate in found.precision.items()} == {
        "anger": (50, 2),
        "fear": (pytest.approx(200 / 3), 3),
        "happiness": (100, 3),
    }
    assert found.f1 == pytest.approx({"anger": 50, "fear": 80, "happiness": 100 * 6 / 7})
    assert found.macro_f1 == pytest.approx((50 + 80 + 600 / 7) / 3)
    assert {name: (rate.value, rate.images) for name, rate in found.per_yaw.items()} == {
        "-45": (100, 3),
        "0": (50, 4),
        "45": (100, 1),
    }
    assert {name: rate.images for name, rate in found.per_occlusion.items()} == {"hand": 3, "none": 5}
    assert found.per_session["studio"].value == found.per_session["wild"].value == 75
    assert found.var_poses == pytest.approx(np.var([100, 50, 100]))
    assert found.var_paper == pytest.approx(np.var([100, 50, 100, 75]))
    assert found.information_density == 37.5
    assert found.interval[0] < 75 < found.interval[1]
    assert found.subjects is None and found.subject_interval is None


def test_unknown_attributes_leave_their_fields_empty():
    found = evaluate(one_hot([0, 1]), np.array([0, 1]), classes=CLASSES)
    assert found.per_yaw == found.per_occlusion == found.per_session == {}
    assert found.var_paper is found.var_poses is found.information_density is None
    assert list(found.per_class) == ["anger", "fear"]


def test_a_class_that_is_never_predicted_has_no_precision_and_an_f1_of_zero():
    found = evaluate(one_hot([0, 0, 2]), np.array([0, 1, 1]), classes=CLASSES)
    assert list(found.precision) == ["anger", "happiness"]
    assert found.f1 == pytest.approx({"anger": 200 / 3, "fear": 0})
    assert found.macro_f1 == pytest.approx(100 / 3)


def test_pose_subsets_lie_in_one_another_as_in_the_published_lists():
    pose = np.array([">45", ">30", "all", ">45", "unlisted", ">30", ">100"])
    right = np.array([1, 1, 1, 0, 0, 0, 1])
    found = evaluate(
        one_hot(np.where(right, 0, 1)), np.zeros(7, dtype=int), classes=CLASSES, attributes={"pose": pose}
    )
    shares = {name: (round(rate.value), rate.images) for name, rate in found.per_pose.items()}
    assert shares == {">30": (60, 5), ">45": (67, 3), ">100": (100, 1)}
    assert found.var_poses == pytest.approx(np.var([60, 200 / 3, 100]))
    assert found.var_paper == pytest.approx(np.var([60, 200 / 3, 100, 400 / 7]))


def test_faces_of_unknown_yaw_are_in_no_group():
    found = evaluate(
        one_hot([0, 0, 0]), np.zeros(3, int), classes=CLASSES, attributes={"yaw": np.array([0, np.nan, 45])}
    )
    assert [*found.per_yaw] == ["0", "45"]


def test_an_evaluation_is_json():
    labels = np.arange(30) % 3
    attributes = {"yaw": labels * 45, "subject": np.arange(30) % 6}
    found = evaluate(one_hot(labels), labels, classes=CLASSES, attributes=attributes, parameters=10)
    value = json.loads(json.dumps(found.to_json()))
    assert value["accuracy"] == 100
    assert value["per_yaw"]["45"]["images"] == 10
    assert value["subjects"] == 6
    assert value["confusion"] == [[10, 0, 0], [0, 10, 0], [0, 0, 10]]


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    labels = np.zeros(100, dtype=np.int64)
    predicted = np.where(np.arange(100) < 80, 0, 1)
    assert calibration_error(one_hot(predicted, confidence=0.8), labels) == pytest.approx(0, abs=1e-4)
    assert calibration_error(one_hot(predicted, confidence=1.0), labels) == pytest.approx(20)


def test_calibration_error_does_not_let_ranges_cancel():
    labels = np.zeros(100, dtype=np.int64)
    sure_and_wrong, unsure_and_right = one_hot([1] * 50, confidence=0.9), one_hot([0] * 50, confidence=0.5)
    assert calibration_error(np.vstack([sure_and_wrong, unsure_and_right]), labels) == pytest.approx(
        70, abs=1e-3
    )


def test_calibration_error_has_fifteen_ranges_the_last_of_them_its_own():
    # 0.90 and 0.95 lie on both sides of 14/15: in one range, being wrong and being right would cancel.
    both = np.vstack([one_hot([0], confidence=0.90), one_hot([1], confidence=0.95)])
    assert calibration_error(both, np.array([0, 0])) == pytest.approx(100 * (0.10 + 0.95) / 2, abs=1e-4)


def test_new_people_are_less_certain_than_new_images():
    labels = np.arange(100) % 2
    subjects = np.arange(100) // 10
    found = evaluate(
        one_hot(np.where(subjects < 3, 2, labels)), labels, classes=CLASSES, attributes={"subject": subjects}
    )
    (low, high), (inner_low, inner_high) = found.subject_interval, found.interval
    assert low < inner_low < found.accuracy < inner_high < high
    assert (found.accuracy, found.subjects) == (70, 10)


@given(st.integers(1, 200), st.integers(2, 9), st.randoms(use_true_random=False))
def test_every_face_is_counted_once(images, classes, random):
    generator = np.random.default_rng(random.randrange(2**32))
    probabilities = generator.dirichlet(np.ones(classes), size=images)
    labels = generator.integers(classes, size=images)
    yaws = generator.choice([-90, -45, 0, 45, 90], size=images)
    found = evaluate(
        probabilities, labels, classes=[f"c{k}" for k in range(classes)], attributes={"yaw": yaws}
    )
    assert np.sum(found.confusion) == images
    assert 100 * np.trace(found.confusion) / images == pytest.approx(found.accuracy)
    for rates in (found.per_class, found.per_yaw):
        assert sum(rate.images for rate in rates.values()) == images
        assert sum(rate.images * rate.value for rate in rates.values()) / images == pytest.approx(
            found.accuracy
        )
    assert 0 <= found.calibration_error <= 100
    for name, f1 in found.f1.items():
        recall, precision = found.per_class[name].value, getattr(found.precision.get(name), "value", 0)
        assert f1 == pytest.approx(2 * recall * precision / (recall + precision) if recall else 0)


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(DataError, match="no faces"):
        evaluate(np.zeros((0, 3)), np.zeros(0, dtype=np.int64), classes=CLASSES)
    with pytest.raises(DataError, match="shape"):
        evaluate(one_hot([0, 1]), np.array([0, 1]), classes=CLASSES[:2])
    with pytest.raises(DataError, match="labels"):
        evaluate(one_hot([0, 1]), np.array([0, 3]), classes=CLASSES)


def test_an_engine_that_overflows_is_not_given_an_accuracy():
    probabilities = one_hot([0, 0, 0])
    probabilities[1] = np.nan
    with pytest.raises(CheckError, match="1 of 3"):
        evaluate(probabilities, np.zeros(3, dtype=np.int64), classes=CLASSES)

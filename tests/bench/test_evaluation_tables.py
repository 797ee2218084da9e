import io

import numpy as np
from rich.console import Console

from edgefer_bench.evaluation_tables import evaluation_tables
from edgefer_bench.metrics import evaluate

NOTICE = "synthetic faces: they prove the pipeline, not accuracy on people"


def rendered(evaluation, width=80):
    console = Console(width=width, file=io.StringIO())
    console.print(*evaluation_tables(evaluation), sep="\n")
    return console.file.getvalue()


def rows(text, first_words):
    return [line.split() for line in text.splitlines() if line.split()[:1] == [first_words]]


def evaluation(**attributes):
    labels = np.arange(60) % 2
    return evaluate(
        np.eye(2)[np.where(np.arange(60) < 6, 1 - labels, labels)],
        labels,
        classes=("fear", "anger"),
        attributes=attributes,
        parameters=1_000_000,
    ).to_json()


def test_every_group_and_confusion_is_shown():
    found = evaluation(yaw=np.repeat([-45, 45], 30), subject=np.arange(60) // 6)
    text = rendered({**found, "subject": "pattlite", "data": "[synthfer]", "notice": NOTICE})
    assert "pattlite on [synthfer]" in text
    assert NOTICE in text
    assert "accuracy over 10 subjects" in text
    assert rows(text, "yaw") == [
        ["yaw", "-45", "30", "80.0", "[62.7…90.5]"],
        ["yaw", "45", "30", "100.0", "[88.6…100.0]"],
    ]
    by_class = ["30", "90.0", "[74.4…96.5]", "90.0", "[74.4…96.5]", "90.0"]
    assert rows(text, "fear") == [["fear", *by_class], ["fear", "anger"], ["fear", "27", "3"]]
    assert rows(text, "anger") == [["anger", *by_class], ["anger", "3", "27"]]
    assert rows(text, "macro-F1") == [["macro-F1", "90.0", "%"]]
    assert "Var, poses only" in text
    assert "any order" not in text and "left out" not in text


def test_what_was_left_out_and_checked_is_told():
    order_check = {"images": 32, "largest_difference": 2.4e-7}
    text = rendered({**evaluation(), "left_out": 1234, "order_check": order_check})
    assert "60 (1,234 of other classes left out)" in text
    assert "same answers in any order (32 asked) within 2e-07" in " ".join(text.split())
    assert "by attribute" not in text


def test_seven_classes_with_thousands_of_faces_fit_80_columns():
    classes = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    labels = np.arange(28_000) % 7
    found = evaluate(np.eye(7)[labels[::-1]], labels, classes=classes, attributes={"subject": labels})
    assert rendered(found.to_json()) == rendered(found.to_json(), width=200).replace(" " * 120 + "\n", "\n")

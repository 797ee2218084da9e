"""The page and tables on what a narrower precision did: well-formed, complete, and true to the numbers."""

from html.parser import HTMLParser
from io import StringIO
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edgefer_bench.drop_page import drop_page
from edgefer_bench.drop_tables import drop_table, profile_answer
from edgefer_bench.metrics import accuracy_drop, evaluate
from edgefer_bench.row_plot import LEFT, RIGHT, Row, row_plot, scale_over
from edgefer_bench.svg import WIDTH

CLASSES = ("anger", "happiness", "<script>")
FACES = 600


def engines(names, lost_in_profile=0):
    """Engines of each target: float, right nine times of ten, and INT8, which loses profile views."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, FACES)
    attributes = {
        "yaw": np.repeat([-90, -45, 0, 45, 90], FACES // 5),
        "occlusion": np.tile(["none", "mask & <glasses>"], FACES // 2),
    }
    predicted = np.where(generator.random(FACES) < 0.9, labels, (labels + 1) % 3)
    narrowed = predicted.copy()
    narrowed[:lost_in_profile] = (labels[:lost_in_profile] + 2) % 3
    before, after = (np.eye(3)[each] * 0.7 + 0.1 for each in (predicted, narrowed))
    drop = accuracy_drop(before, after, labels, classes=CLASSES, attributes=attributes).to_json()
    kept = {"against": "fp32", "points": 0.0, "interval": (0.0, 0.0)}
    made = []
    for target in names:
        for precision, probabilities, loss in (("fp32", before, kept), ("int8", after, drop)):
            found = evaluate(probabilities, labels, classes=CLASSES, attributes=attributes)
            engine = {"target": target, "precision": precision, "size_mb": 1.5, "engine": "CPU"}
            made.append({**engine, "evaluation": found.to_json(), "drop": loss})
    return made


VERDICT = {
    "chosen": "openvino int8",
    "reason": "use openvino int8: 2.80 [2.70…2.90] times as fast as onnxruntime fp32",
    "notes": ["onnxruntime int8 is slower than onnxruntime fp32 <b>here</b>"],
    "against": "onnxruntime fp32",
    "engines": [
        {"engine": "onnxruntime fp32", "p50_ms": 1.0, "speed": {"value": 1.0, "interval": (1.0, 1.0)}},
        {"engine": "openvino int8", "p50_ms": 0.357, "speed": {"value": 2.8, "interval": None}},
    ],
}


class Structure(HTMLParser):
    """Every element that is opened is closed, in order; what a browser would fetch is collected."""

    VOID = ("meta",)

    def __init__(self, page):
        super().__init__()
        self.open, self.fetched, self.count = [], [], {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page_of(made, **more):
    return drop_page("PAtt-Lite", made, data="synthfer:eval", images=FACES, notice="<i>Stylised</i>", **more)


def test_one_file_that_needs_nothing_else():
    page = page_of(engines(["onnxruntime", "openvino"]), verdict=VERDICT)
    structure = Structure(page)
    assert not structure.open and not structure.fetched
    assert "://" not in page and "url(" not in page and "@import" not in page
    assert {"script", "b"} & set(structure.count) == {"b"}, "names from outside are text"
    assert "&lt;script&gt;" in page and "&lt;b&gt;here&lt;/b&gt;" in page and "&lt;i&gt;" in page
    assert 'name="viewport"' in page and "prefers-color-scheme: dark" in page


def test_every_engine_and_group_has_its_plot():
    page = page_of(engines(["onnxruntime", "openvino"]), verdict=VERDICT)
    # Drop and accuracy by yaw, drop by occlusion and by class for two engines each, and the speeds.
    assert Structure(page).count["svg"] == 2 * 4 + 1
    assert "What INT8 did to PAtt-Lite" in page and "Use openvino int8: 2.80" in page
    for engine in engines(["onnxruntime"])[1:]:
        for groups in ("per_yaw", "per_occlusion", "per_class"):
            for rate in engine["drop"][groups].values():
                assert f"{rate['value']:.1f}" in page
    assert "answered by" not in page
    standing_in = [dict(each, engine="CPU in place of tensorrt") for each in engines(["tensorrt"])]
    assert "tensorrt int8: answered by CPU in place of tensorrt" in page_of(standing_in)
    untimed = Structure(page_of(engines(["openvino"])))
    assert untimed.count["svg"] == 4
    bare = engines(["openvino"])
    for engine in bare:
        for groups in ("per_yaw", "per_occlusion"):
            engine["evaluation"][groups] = {}
            engine["drop"][groups] = {}
    assert Structure(page_of(bare)).count["svg"] == 1
    with pytest.raises(ValueError, match="narrower than float"):
        page_of(engines(["openvino"])[:1])


def test_whether_profile_views_lose_more():
    even, lost = engines(["openvino"])[1], engines(["openvino"], lost_in_profile=100)[1]
    assert "are not shown to lose more than frontal ones: 0.0 [" in profile_answer(even["drop"])
    assert "lose more than frontal ones" in profile_answer(lost["drop"])
    assert "not shown" not in profile_answer(lost["drop"])
    excess = dict(lost["drop"]["profile_excess"], value=-3.0, interval=(-5.0, -1.0))
    assert "lose less" in profile_answer({**lost["drop"], "profile_excess": excess})
    assert profile_answer({**lost["drop"], "profile_excess": None}) is None


def test_the_table_in_the_terminal():
    made = engines(["onnxruntime", "openvino"], lost_in_profile=100)
    written = StringIO()
    Console(width=80, file=written).print(drop_table(made))
    text = written.getvalue()
    drop = made[1]["drop"]
    assert f"{drop['flips']:.1f}" in text
    for change, decimals in ((drop["calibration_error"], 1), (drop["var_poses"], 2)):
        assert f"{change['before']:.{decimals}f} → {change['after']:.{decimals}f}" in text
    assert "…" not in text, "nothing is cut off at 80 columns"
    assert drop_table(made[:1]) is None


values = st.floats(-100, 100)


@given(st.lists(st.tuples(values, values, values), min_size=1, max_size=8), st.booleans())
def test_marks_stand_within_the_scale_and_in_order(triples, with_before):
    rows = [
        Row(f"row {index}", mid, (low, high), "text", mid if with_before else None)
        for index, (low, mid, high) in enumerate(map(sorted, triples))
    ]
    scale = scale_over(rows, 0.0)
    for row in rows:
        low, mid, high = (scale.share(value) for value in (row.interval[0], row.value, row.interval[1]))
        assert -1e-6 <= low <= mid <= high <= 1 + 1e-6
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 6 and ticks[0] <= 0 <= ticks[-1]
    picture = ElementTree.fromstring(row_plot(rows, scale, "a & b", line_at=0.0))
    assert picture.get("aria-label") == "a & b"
    marks = [circle for circle in picture.iter("circle") if circle.get("class") == "mark"]
    assert len(marks) == len(rows)
    assert [float(mark.get("cx")) for mark in marks] == pytest.approx(
        [LEFT + scale.share(row.value) * (WIDTH - RIGHT - LEFT) for row in rows], abs=0.06
    )

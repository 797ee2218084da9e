"""The report: what it says, that it needs nothing, and how it looks in a real browser."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_bench import bench
from edgefer_bench.records import write_records
from edgefer_bench.report.page import render_page
from edgefer_bench.report.selection import by_machine, newest, pareto
from edgefer_bench.report.sheets import render_csv, render_markdown
from edgefer_bench.svg import Scale, tick
from edgefer_runtime.benching import BenchPlan

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
WARM = {
    "t_s": [0.0, 0.5, 1.0],
    "temperature_c": {"tj-thermal": [51.0, 62.5, 71.0]},
    "power_w": {"VDD_IN": [5, 9, 9]},
}


@pytest.fixture(scope="module")
def records(make_bundle, faces):
    bundles = [make_bundle("fp32", work=8), make_bundle("int8", work=2, gains=(1, 1, 0))]
    plan = BenchPlan(threads=1, duration_s=0.4, max_warmup_s=0.2)
    made = bench(bundles, replace(faces, name="<squares>"), plan=plan, notice="squares & not faces")
    robot = [
        {
            **record,
            "host": "robot",
            "device": "jetson-orin-nano",
            "conditions": {"trace": WARM, "throttled_by": []},
        }
        for record in made
    ]
    return [*made, *robot]


@pytest.fixture(scope="module")
def page(records):
    return render_page(records, title="our <robots>")


def test_the_page_says_what_was_measured(page, records):
    fp32, int8 = records[:2]
    assert "our &lt;robots&gt;" in page and "squares &amp; not faces" in page and "<squares>" not in page
    assert page.count("<section>") == 2 and "robot: " in page
    for record in (fp32, int8):
        assert f"<small>{record['accuracy_interval'][0]:.1f}…" in page
    assert "accuracy drop by yaw" in page and "45°" in page
    assert page.count("temperature, °C</h3>") == page.count("power, W</h3>") == 1
    assert "no temperature, so that throttling may go unseen" in page
    assert "less than 60" in page, "what speaks against quoting it"


def test_the_page_needs_nothing(page):
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|https?://", page)


def test_every_engine_is_in_every_picture(page):
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 2 * 3 + 2
    assert all('role="img" aria-label="' in picture for picture in pictures)
    assert not re.search(r"\b(nan|inf)\b", "".join(pictures))
    distributions = [picture for picture in pictures if "latency distributions" in picture]
    assert all(picture.count('class="area"') == 2 for picture in distributions)


def test_only_the_newest_of_an_engine_is_shown(records):
    again = [{**record, "run": "later"} for record in records[:1]]
    assert newest([*records, *again]) == [*records[1:], *again]
    assert [len(members) for members in by_machine(records).values()] == [2, 2]


def test_the_front_is_what_nothing_beats():
    points = [(1, 70), (2, 80), (3, 75), (2, 78), (4, 80), (5, 90)]
    records = [{"p50_ms": latency, "accuracy": accuracy} for latency, accuracy in points]
    assert [(each["p50_ms"], each["accuracy"]) for each in pareto(records)] == [(1, 70), (2, 80), (5, 90)]


def test_markdown_and_csv(records):
    text = render_markdown(records)
    assert text.count("\n## ") == 2 and text.count("| onnxruntime int8") == 2
    rows = list(csv.DictReader(io.StringIO(render_csv(records))))
    assert len(rows) == 4 and rows[2]["host"] == "robot"
    assert float(rows[1]["accuracy_drop"]) == records[1]["accuracy_drop"]
    assert float(rows[1]["accuracy_drop_ci_low"]) == records[1]["accuracy_drop_ci"][0]
    assert rows[0]["energy_net_mj"] == "" or float(rows[0]["energy_net_mj"]) > 0


def test_the_command_writes_what_the_name_says(records, edgefer, tmp_path):
    write_records(records[:2], tmp_path / "runs/bench")
    for name in ("runs/report.html", "report.md", "report.csv"):
        done = edgefer("report", *(() if name.startswith("runs") else ("runs/bench", "-o", name)))
        assert done.returncode == 0 and "2 records" in done.stderr
        assert (tmp_path / name).stat().st_size > 500
    assert edgefer("report", "-o", "report.pdf").returncode == 2
    nothing = edgefer("report", "nowhere")
    assert nothing.returncode == 3 and "nowhere" in nothing.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")
@pytest.mark.slow
def test_in_a_browser_nothing_sticks_out(page, tmp_path):
    """The page in frames as wide as a phone and a desk; a script beside the frames measures them."""
    measure = (
        "const found = [...document.querySelectorAll('iframe')].map(frame => {"
        "const page = frame.contentDocument, wide = page.documentElement;"
        "const drawn = [...page.querySelectorAll('svg')].map(each => each.getBoundingClientRect());"
        "return [frame.clientWidth, wide.scrollWidth, wide.clientWidth, drawn.length, "
        "Math.min(...drawn.map(each => each.height)), Math.max(...drawn.map(each => each.right)), "
        "parseFloat(getComputedStyle(page.querySelector('h1')).fontSize)]; });"
        "document.body.dataset.found = JSON.stringify(found);"
    )
    frames = "".join(
        f'<iframe width="{width}" height="800" srcdoc="{html.escape(page)}"></iframe>'
        for width in (360, 1280)
    )
    outer = tmp_path / "outer.html"
    outer.write_text(f"<!doctype html><body>{frames}<script>onload = () => {{{measure}}}</script>")
    words = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--dump-dom")
    done = subprocess.run(
        [CHROMIUM, *words, f"--user-data-dir={tmp_path}/profile", "--window-size=1400,900", outer.as_uri()],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = json.loads(re.search(r'data-found="(.*?)"', html.unescape(done.stdout))[1])
    assert [frame[0] for frame in found] == [360, 1280]
    for width, content, visible, pictures, lowest, rightmost, heading_px in found:
        assert content <= visible <= width, "the page scrolls sideways"
        assert pictures == 8 and lowest > 80 and rightmost <= width
        assert heading_px == 24, "the style was applied"


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_and_inside(low, span):
    scale = Scale(low, low + span)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 7
    assert all(scale.low - 1e-6 * span <= value <= scale.high + 1e-6 * span for value in ticks)
    assert ticks == sorted(ticks)


@given(st.floats(1e-3, 1e4), st.floats(1.01, 1e4))
def test_logarithmic_ticks_are_inside(low, ratio):
    scale = Scale.around([low, low * ratio], log=True)
    ticks = scale.ticks()
    assert len(ticks) >= 2 and all(scale.low <= value <= scale.high for value in ticks)
    assert scale.share(scale.low) == 0 and scale.share(scale.high) == pytest.approx(1)


def test_a_tick_says_zero_as_zero():
    assert (tick(-1e-17), tick(2.5), tick(1000)) == ("0", "2.5", "1000")

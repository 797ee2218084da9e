"""The page, in a real browser with a camera that shows rendered faces, from a real server."""

from __future__ import annotations

import base64
import io
import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgefer_runtime.analyzer import FaceAnalyzer
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.images import decode_image, load_image
from edgefer_runtime.smoothing import Belief

from ..test_faces import ROOT, load_tool
from .conftest import Server
from .test_http import ask

selenium = pytest.importorskip("selenium", reason="needs Selenium: pip install selenium")
from selenium.common.exceptions import TimeoutException  # noqa: E402
from selenium.webdriver import Chrome, Keys  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

tool = load_tool("browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        tool.CHROMIUM is None or tool.DRIVER is None,
        reason="needs a browser: apt-get install chromium chromium-driver",
    ),
]
PATIENCE_S = 60
DISGUST, HAPPINESS, SURPRISE = (97, 172), (97, 428), (609, 684)
"""Left and top of three faces on docs/synthfer.jpg, 128 pixels a side."""
FACE_LEFT, FACE_RIGHT = 90, 430
FACE_TOP, FACE_SIDE = 80, 200


def frame(left: tuple[int, int], right: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """A camera's picture of one face, or of two."""
    sheet = Image.open(ROOT / "docs" / "synthfer.jpg")
    picture = Image.new("RGB", (640, 360), (110, 112, 116))
    for place, x in ((left, FACE_LEFT), (right, FACE_RIGHT)):
        if place is not None:
            head = sheet.crop((*place, place[0] + 128, place[1] + 128)).resize((FACE_SIDE, FACE_SIDE))
            picture.paste(head, (x, FACE_TOP))
    return np.asarray(picture)


@pytest.fixture(scope="module")
def pattlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from edgefer.pipeline.export import ExportSettings, export_bundles

    settings = ExportSettings(
        "pattlite",
        targets=("onnxruntime",),
        precisions=("fp32",),
        data="synthfer:eval[:35]",
        output=tmp_path_factory.mktemp("pattlite"),
    )
    return Path(export_bundles(settings)[0]["path"])


@pytest.fixture(scope="module")
def served(pattlite: Path, tiny: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("log") / "server.log", str(pattlite), f"colour={tiny.path}")
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    film = tool.write_film(tmp_path_factory.mktemp("film") / "film", [frame(HAPPINESS, SURPRISE)] * 2)
    with tool.browser(film, "--host-resolver-rules=MAP robot 127.0.0.1") as driver:
        yield driver


class Opened:
    """The page as it is open in the browser."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        tool.resize(driver, 1280, 900)
        driver.get(url)

    def __getitem__(self, identity: str) -> Any:
        return self.driver.find_element(By.ID, identity)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Until something is true; then that."""
        try:
            return WebDriverWait(self.driver, PATIENCE_S, 0.1).until(lambda driver: condition())
        except TimeoutException:
            raise AssertionError(
                f"the page says: {self.driver.find_element(By.TAG_NAME, 'body').text}"
            ) from None

    def wait_for_state(self, state: str) -> None:
        self.wait(lambda: self["state"].text == state)

    @property
    def labels(self) -> list[str]:
        """What the faces show, by their numbers."""
        return self.run(
            "return [...document.querySelectorAll('#faces strong')].map(each => each.textContent)"
        )  # type: ignore[no-any-return]

    def start_camera(self) -> None:
        self.wait(lambda: self.run("return document.querySelectorAll('#model option').length > 0"))
        self["camera"].click()
        self.wait_for_state("Live")

    def drop(self, content: bytes, how: str = "drop") -> None:
        """Let a file fall on the page, or paste it."""
        self.run(
            "const [content, how] = arguments, held = new DataTransfer();"
            "held.items.add(new File([Uint8Array.from(atob(content), each => each.charCodeAt())], 'a.png',"
            " { type: 'image/png' }));"
            "const fields = { bubbles: true, cancelable: true, dataTransfer: held, clipboardData: held };"
            "document.body.dispatchEvent(how === 'drop' ? new DragEvent(how, fields)"
            " : new ClipboardEvent(how, fields));",
            base64.b64encode(content).decode(),
            how,
        )


@pytest.fixture
def page(driver: Chrome, served: Server) -> Opened:
    driver.get_log("performance")
    return Opened(driver, served.url)


def png(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_camera_shows_what_every_face_expresses(page: Opened) -> None:
    page.start_camera()
    page.wait(lambda: sorted(page.labels) == ["happiness", "surprise"])
    page.wait(lambda: "face 2" in page["spoken"].get_attribute("textContent"))
    best = page.run(
        "return [...document.querySelectorAll('.bars .best .value')].map(e => parseInt(e.textContent))"
    )
    assert len(best) == 2 and min(best) > 50
    trends = page.driver.find_elements(By.CLASS_NAME, "trend")
    told = [trend.accessible_name for trend in trends]
    assert all(each.startswith("Last 30 seconds, on average: ") for each in told)
    assert "happiness" in "".join(told) and "surprise" in "".join(told)
    for name in ("server-p50", "server-p95", "trip-p50", "trip-p95"):
        page.wait(lambda name=name: page[name].text.removesuffix(" ms").isdigit())
    page.wait(lambda: page["rate"].text != "–")
    assert float(page["rate"].text) > 0
    assert "synthfer:eval" in page["facts"].text and "fp32" in page["facts"].text


def test_boxes_lie_over_the_faces_mirrored_and_not(page: Opened) -> None:
    page.start_camera()
    page.wait(lambda: len(page.labels) == 2)
    one_face = frame(HAPPINESS)
    # A box's upright side is a column of the overlay that is drawn on along a good part of its height.
    sides = (
        "const canvas = document.getElementById('overlay'), { width, height } = canvas;"
        "const { data } = canvas.getContext('2d').getImageData(0, 0, width, height), columns = [];"
        "for (let x = 0; x < width; x++) { let drawn = 0;"
        "for (let y = 0; y < height; y++) drawn += data[4 * (y * width + x) + 3] > 200;"
        "if (drawn > 0.25 * height) columns.push(x / width); } return columns;"
    )
    page.drop(png(one_face))
    page.wait(lambda: page["state"].text == "Picture" and len(page.labels) == 1)
    straight = page.run(sides)
    face = (FACE_LEFT / 640, (FACE_LEFT + FACE_SIDE) / 640)
    assert straight and face[0] < min(straight) < max(straight) < face[1]
    page.start_camera()
    page.wait(lambda: len(page.labels) == 2)
    for mirrored in (True, False):
        assert page["mirror"].is_selected() == mirrored
        turned = page.run("return getComputedStyle(document.getElementById('video')).transform")
        assert turned.startswith("matrix(-1") == mirrored
        columns = np.array(page.run(sides))
        box = columns[columns < 0.5]
        middle = (640 - FACE_RIGHT if mirrored else FACE_LEFT + FACE_SIDE) - FACE_SIDE / 2
        assert (box.min() + box.max()) / 2 == pytest.approx(middle / 640, abs=0.04)
        page["mirror"].click()


def test_one_request_at_a_time_and_none_to_anywhere_else(page: Opened, served: Server) -> None:
    page.run(
        "const real = window.fetch; window.most = window.now = 0;"
        "window.fetch = (...words) => { window.most = Math.max(window.most, ++window.now);"
        "return real(...words).finally(() => window.now--); };"
    )
    page.start_camera()
    page.wait(lambda: "face 2" in page["spoken"].get_attribute("textContent"))
    assert page.run("return window.most") == 1
    entries = [json.loads(entry["message"])["message"] for entry in page.driver.get_log("performance")]
    urls = {
        entry["params"]["request"]["url"]
        for entry in entries
        if entry["method"] == "Network.requestWillBeSent"
    }
    assert len(urls) > 10 and all(url.startswith(served.url) for url in urls)
    refused = page.driver.execute_async_script(
        "const done = arguments[0];"
        "addEventListener('securitypolicyviolation', ({ blockedURI }) => done(blockedURI));"
        "fetch('http://robot:1/').catch(() => {});"
    )
    assert refused.startswith("http://robot:1")


def test_a_picture_is_dropped_pasted_or_chosen(page: Opened, tmp_path: Path) -> None:
    page.drop(b"no picture at all")
    page.wait(lambda: "cannot be read as a picture" in page["trouble"].text)
    page.drop(png(frame(DISGUST)))
    page.wait(lambda: page.labels == ["disgust"])
    assert page["state"].text == "Picture" and page["trouble"].text == ""
    assert page["spoken"].get_attribute("textContent") == "face 1: disgust"
    assert not page.driver.find_element(By.CLASS_NAME, "trend").is_displayed()
    page.drop(png(frame(HAPPINESS, SURPRISE)), "paste")
    page.wait(lambda: sorted(page.labels) == ["happiness", "surprise"])
    path = tmp_path / "empty.png"
    path.write_bytes(png(np.full((300, 200, 3), 110, np.uint8)))
    page["file"].send_keys(str(path))
    page.wait(lambda: "No face in the picture." in page["seen"].text)
    assert page.labels == []


SENT = (
    "const real = window.fetch; window.sent = [];"
    "window.fetch = (path, request) => { if (path.startsWith('v1/faces')) window.sent.push(request.body);"
    "return real(path, request); };"
)
"""Keeps what the page sends."""
BYTES = (
    "const done = arguments[0]; window.sent.at(-1).arrayBuffer().then("
    "(held) => done([...new Uint8Array(held)]));"
)


def shown(page: Opened) -> dict[str, int]:
    """What the bars say of the only face, in percent."""
    return dict(  # type: ignore[no-any-return]
        page.run(
            "return [...document.querySelectorAll('.bars li')].map(each =>"
            " [each.querySelector('.name').textContent, parseInt(each.querySelector('.value').textContent)])"
        )
    )


def test_a_chosen_file_is_sent_as_it_is_and_answered_as_by_the_command(
    page: Opened, pattlite: Path, tmp_path: Path
) -> None:
    """C.11: the page drew a chosen picture anew as JPEG: 51 % there, 68 % by the command."""
    turned = Image.fromarray(np.rot90(frame(DISGUST), 1)).resize((1440, 2560))  # upright it is 2560 wide
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "phone.jpg", exif=exif, quality=85)
    with FaceAnalyzer.open(pattlite) as analyzer:
        image = load_image(tmp_path / "phone.jpg")
        [face] = analyzer.analyze(image)
    page.run(SENT)
    page["file"].send_keys(str(tmp_path / "phone.jpg"))
    page.wait(lambda: page.labels == [face.label])
    assert bytes(page.driver.execute_async_script(BYTES)) == (tmp_path / "phone.jpg").read_bytes()
    by_command = {name: 100 * share for name, share in zip(face.classes, face.probabilities, strict=True)}
    for name, percent in shown(page).items():
        assert percent == pytest.approx(by_command[name], abs=0.6)
    assert page["sent"].text.startswith("2560 × 1440, ") and page["trouble"].text == ""


def test_a_file_that_is_too_large_is_sent_smaller_and_that_is_said(page: Opened, tmp_path: Path) -> None:
    large = Image.fromarray(frame(DISGUST)).resize((6400, 3600))  # 23 megapixels
    large.save(tmp_path / "large.jpg", quality=85)
    page["file"].send_keys(str(tmp_path / "large.jpg"))
    page.wait(lambda: page.labels == ["disgust"])
    assert "too large for this server" in page["trouble"].text and page["state"].text == "Picture"
    assert page["sent"].text.startswith("1600 × 900, ")


def test_what_only_the_browser_reads_is_sent_without_loss(page: Opened, tmp_path: Path) -> None:
    Image.fromarray(frame(DISGUST)).save(tmp_path / "face.bmp")
    page.run(SENT)
    page["file"].send_keys(str(tmp_path / "face.bmp"))
    page.wait(lambda: page.labels == ["disgust"])
    sent = bytes(page.driver.execute_async_script(BYTES))
    assert np.array_equal(decode_image(sent), frame(DISGUST))


def test_another_model_takes_over(page: Opened) -> None:
    page.start_camera()
    page.wait(lambda: len(page.labels) == 2)
    names = page.run("return [...document.querySelectorAll('#model option')].map(each => each.textContent)")
    assert names[0] == "pattlite · fp32 · onnxruntime" and names[1].startswith("colour (")
    bars = "return [...document.querySelectorAll('.face:first-child .name')].map(each => each.textContent)"
    assert len(page.run(bars)) == 7
    Select(page["model"]).select_by_index(1)
    page.wait(lambda: page.run(bars) == ["happiness", "sadness", "surprise"])
    Select(page["model"]).select_by_index(0)
    page.wait(lambda: sorted(page.labels) == ["happiness", "surprise"])


def test_the_keyboard_is_enough_and_all_it_reaches_has_a_name(page: Opened) -> None:
    page.wait(lambda: page.run("return document.querySelectorAll('#model option').length > 0"))

    def press(keys: str) -> str:
        page.driver.switch_to.active_element.send_keys(keys)
        focused = page.driver.switch_to.active_element
        assert focused.accessible_name
        shown = "return getComputedStyle(arguments[0]).outlineStyle"
        assert page.run(shown, focused) == "solid", "where the focus is must be seen"
        return str(focused.get_attribute("id"))

    assert [press(Keys.TAB) for _ in range(3)] == ["model", "camera", "choose"]
    assert press(Keys.SHIFT + Keys.TAB) == "camera"
    press(Keys.ENTER)
    page.wait_for_state("Live")
    assert press(Keys.TAB) == "pause"
    press(Keys.SPACE)
    page.wait_for_state("Paused")
    page.wait(lambda: len(page.labels) == 2)
    assert page.run("return document.getElementById('video').paused")
    press(Keys.SPACE)
    page.wait_for_state("Live")
    assert not page.run("return document.getElementById('video').paused")


@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (1280, True)])
def test_it_fits_a_phone_and_both_schemes(page: Opened, width: int, dark: bool) -> None:
    tool.resize(page.driver, width, 740, dark=dark)
    page.start_camera()
    page.wait(lambda: len(page.labels) == 2)
    assert page.run("return document.documentElement.scrollWidth") <= width
    edges = page.run(
        "return [...document.querySelectorAll('button, select, canvas, video, .bars, table, dl')]"
        ".map(each => each.getBoundingClientRect()).map(({ left, right }) => [left, right])"
    )
    assert all(0 <= left <= right <= width for left, right in edges)
    ground = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) < 200) == dark


def test_less_motion_where_that_is_asked_for(page: Opened) -> None:
    asked = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    moves = "return getComputedStyle(document.querySelector('.fill')).transitionDuration"
    page.start_camera()
    page.wait(lambda: len(page.labels) == 2)
    assert page.run(moves) != "0s"
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", asked)
    assert page.run(moves) == "0s"


def test_why_there_is_no_camera_is_explained(driver: Chrome, served: Server) -> None:
    far = Opened(driver, f"http://robot:{served.url.rpartition(':')[2]}")
    far["camera"].click()
    far.wait(lambda: "over plain HTTP from another machine" in far["trouble"].text)
    far.drop(png(frame(DISGUST)))
    far.wait(lambda: far.labels == ["disgust"])
    refusing = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    for switches, words in (((), "There is no camera here."), (refusing, "The camera was refused.")):
        with tool.browser(None, *switches) as other:
            page = Opened(other, served.url)
            page["camera"].click()
            page.wait(lambda page=page, words=words: words in page["trouble"].text)


@pytest.mark.parametrize("name", ["face", "other"])
def test_a_lost_server_is_told_of_and_found_again_with_what_it_then_has(
    driver: Chrome, start: Callable[..., Server], tiny: Bundle, pattlite: Path, name: str
) -> None:
    server = start(f"face={tiny.path}")
    page = Opened(driver, server.url)
    page.start_camera()
    server.stop(signal.SIGKILL)
    page.wait(lambda: "does not answer" in page["trouble"].text)
    start(f"{name}={pattlite}", "--port", server.url.rpartition(":")[2])
    page.wait_for_state("Live")
    page.wait(lambda: sorted(page.labels) == ["happiness", "surprise"])
    page.wait(lambda: "pattlite" in page["facts"].text)
    assert page["trouble"].text == ""


def test_a_token_is_asked_for_until_it_is_right(
    driver: Chrome, start: Callable[..., Server], tiny: Bundle
) -> None:
    page = Opened(driver, start(f"face={tiny.path}", EDGEFER_TOKEN="open-sesame").url)
    for text in ("sesame", "open-sesame"):
        page.wait(lambda: page["token"].is_displayed())
        assert "asks for its token" in page["trouble"].text
        page["token-text"].send_keys(text, Keys.ENTER)
    page.wait(lambda: not page["token"].is_displayed() and page["facts"].text)
    page.start_camera()
    page.wait(lambda: len(page.labels) == 2)


def test_a_busy_server_is_waited_for(driver: Chrome, start: Callable[..., Server], tiny: Bundle) -> None:
    server = start(f"face={tiny.path}", "--engines", "1", "--queue", "1")
    page = Opened(driver, server.url)
    page.start_camera()
    over = threading.Event()

    def press() -> None:
        picture = png(frame(HAPPINESS, SURPRISE))
        while not over.is_set():
            ask(server, "POST", "/v1/faces", picture, Content_Type="image/png")

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        page.wait(lambda: "The server is busy." in page["trouble"].text)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    page.wait_for_state("Live")
    assert page["trouble"].text == ""


def test_smoothing_is_the_analyzers(page: Opened) -> None:
    draws = np.random.default_rng(0)
    rows = draws.dirichlet(np.ones(3), 20)
    times = np.cumsum(draws.uniform(0.01, 0.5, 20))
    belief = Belief(0.3)
    expected = [belief.update(row.astype(np.float32), time) for row, time in zip(rows, times, strict=True)]
    found = page.driver.execute_async_script(
        "const [rows, times, done] = arguments;"
        "import('/tracks.js').then(({ Tracks }) => { const tracks = new Tracks();"
        "done(rows.map((row, index) => {"
        "const box = { left: index, top: 0, right: index + 50, bottom: 50 };"
        "const probabilities = Object.fromEntries(row.map((share, place) => [`class ${place}`, share]));"
        "const [track] = tracks.update([{ box, probabilities }], times[index]);"
        "return [track.number, track.probabilities.map(([name, share]) => share)]; })); });",
        rows.tolist(),
        times.tolist(),
    )
    assert {number for number, _ in found} == {1}
    np.testing.assert_allclose([shares for _, shares in found], expected, atol=1e-5)

"""The window of `edgefer run --show`, on a screen that exists in memory alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edgefer.pipeline.window import Window
from edgefer_runtime.errors import DeviceError, MissingError

SCREEN = f":{100 + os.getpid() % 900}"
# In a process of its own: Tk ends the process whose screen goes away, when the server below is ended.
OPENED = """
import sys, time
import numpy as np
from PIL import ImageGrab
from edgefer.pipeline.window import Window
from edgefer_runtime.errors import DeviceError

screen, end = sys.argv[1], time.monotonic() + 40
while True:
    try:
        window = Window("edgefer: test")
        break
    except DeviceError:  # until the server listens
        assert time.monotonic() < end
        time.sleep(0.1)
"""
SHOWN = """
for color, (height, width) in (((250, 20, 10), (60, 100)), ((10, 20, 250), (200, 300))):
    image = np.full((height, width, 3), color, np.uint8)
    while True:
        window.show(image)
        rows, columns = np.nonzero((np.asarray(ImageGrab.grab(xdisplay=screen)) == color).all(-1))
        if len(rows) == height * width:
            break
        assert time.monotonic() < end, (color, len(rows))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (height, width)
assert window.is_open
"""
CLOSED = """
window.show(np.zeros((60, 100, 3), np.uint8))
window._root.focus_force()
window._root.after(100, lambda: window._root.event_generate(sys.argv[2]))
with window:
    window.wait()
assert not window.is_open
"""


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    pytest.importorskip("tkinter", reason="TK IS NOT INSTALLED: apt install python3-tk")
    if shutil.which("Xvfb") is None:
        pytest.skip("XVFB IS NOT INSTALLED: apt install xvfb")
    server = subprocess.Popen(["Xvfb", SCREEN, "-screen", "0", "400x300x24", "-nolisten", "tcp"])
    yield SCREEN
    server.terminate()
    server.wait()


@pytest.mark.parametrize(("code", "word"), [(SHOWN, ""), (CLOSED, "<Escape>"), (CLOSED, "<q>")])
def test_it_shows_frames_as_they_are_until_a_key_closes_it(screen: str, code: str, word: str) -> None:
    environment = {**os.environ, "DISPLAY": screen}
    subprocess.run(
        [sys.executable, "-c", OPENED + code, screen, word], env=environment, check=True, timeout=120
    )


def test_without_a_screen_or_tk_the_message_tells_the_way_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(DeviceError, match="no window can be opened"):
        Window("nowhere")
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(MissingError, match="python3-tk"):
        Window("nowhere")

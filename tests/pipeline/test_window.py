"""The window of `edgefer run --show`, on a screen that exists in memory alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import ImageGrab

from edgefer.pipeline.window import Window
from edgefer_runtime.errors import DeviceError, MissingError

SCREEN = f":{100 + os.getpid() % 900}"


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("tkinter", reason="TK IS NOT INSTALLED: apt install python3-tk")
    if shutil.which("Xvfb") is None:
        pytest.skip("XVFB IS NOT INSTALLED: apt install xvfb")
    server = subprocess.Popen(["Xvfb", SCREEN, "-screen", "0", "400x300x24", "-nolisten", "tcp"])
    monkeypatch.setenv("DISPLAY", SCREEN)
    yield
    server.terminate()
    server.wait()


@pytest.fixture
def window(screen: None) -> Iterator[Window]:
    end = time.monotonic() + 20
    while True:
        try:
            opened = Window("edgefer: test")
            break
        except DeviceError:  # until the server listens
            assert time.monotonic() < end
            time.sleep(0.1)
    with opened:
        yield opened


def test_frames_are_shown_in_their_colours_and_size(window: Window) -> None:
    for color, size in (((250, 20, 10), (60, 100)), ((10, 20, 250), (200, 300))):
        image = np.full((*size, 3), color, np.uint8)
        image[:5] = 128
        end = time.monotonic() + 20
        while time.monotonic() < end:
            window.show(image)
            seen = np.asarray(ImageGrab.grab(xdisplay=SCREEN))
            shown = (seen == color).all(-1)
            if shown.sum() == (size[0] - 5) * size[1]:
                break
        rows, columns = np.nonzero(shown)
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (size[0] - 5, size[1])
    assert window.is_open


@pytest.mark.parametrize("key", ["<Escape>", "<q>"])
def test_a_key_closes_it(window: Window, key: str) -> None:
    window.show(np.zeros((60, 100, 3), np.uint8))
    window._root.focus_force()
    window._root.after(200, lambda: window._root.event_generate(key))
    window.wait()
    assert not window.is_open


def test_without_a_screen_or_tk_the_message_tells_the_way_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(DeviceError, match="no window can be opened"):
        Window("nowhere")
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(MissingError, match="python3-tk"):
        Window("nowhere")

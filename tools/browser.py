"""Headless Chromium whose camera shows a film, driven by Selenium: for tests and pictures of a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)


@contextmanager
def browser(film: Path | None, *switches: str) -> Iterator[webdriver.Chrome]:
    """A browser; its network log is kept.

    Args:
        film: what its camera shows, as :func:`write_film` writes it; None for no camera.
        switches: more of Chromium's.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = f"{CHROMIUM}"
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    camera = () if film is None else (*CAMERA, f"--use-file-for-fake-video-capture={film}")
    for switch in (*SWITCHES, *camera, *switches):
        options.add_argument(switch)
    driver = webdriver.Chrome(options, Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def write_film(path: Path, frames: Iterable[NDArray[np.uint8]]) -> Path:
    """Frames (uint8, H x W x 3, RGB) as the Motion JPEG that Chromium's camera shows again and again."""
    with path.with_suffix(".mjpeg").open("wb") as film:
        for frame in frames:
            Image.fromarray(frame).save(film, "JPEG", quality=90, subsampling="4:2:0")
    return Path(film.name)


def resize(
    driver: webdriver.Chrome, width: int, height: int, *, scale: float = 1, dark: bool = False
) -> None:
    """Show the page on a screen of ``width`` x ``height`` CSS pixels, light or dark."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

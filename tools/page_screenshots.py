"""Pictures of the server's page for docs/: on a desk, in the dark, on a phone.

    python tools/make_face_video.py film.mp4
    python tools/page_screenshots.py film.mp4 runs/pattlite/onnxruntime-int8 ...

A server of the bundles is started, and a browser whose camera shows the film. Needs chromium,
chromium-driver, Selenium, and OpenCV to read the film.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from browser import browser, resize, write_film
from PIL import Image
from selenium.webdriver.common.by import By

from edgefer.pipeline.footage import find_footage

FILLED_S = 31
SETTLED_S = 2
SHOTS = (("desktop", 1280, 1000, 1, False), ("dark", 1280, 1000, 1, True), ("phone", 360, 760, 2, False))
"""Name; width and height in CSS pixels; pixels to one of these; whether dark."""
QUALITY = 82


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", help="what the camera shows: a video, an animation or a folder of pictures")
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(options.bundles) as url:
        frames = (frame.image for frame in find_footage(options.film).frames())
        film = write_film(Path(folder) / "film", frames)
        with browser(film) as driver:
            resize(driver, 1280, 1000)
            driver.get(url)
            time.sleep(SETTLED_S)
            driver.find_element(By.ID, "camera").click()
            time.sleep(FILLED_S)
            for name, width, height, scale, dark in SHOTS:
                resize(driver, width, height, scale=scale, dark=dark)
                driver.execute_script("document.activeElement.blur()")
                time.sleep(SETTLED_S)
                shot = Image.open(io.BytesIO(driver.get_screenshot_as_png()))
                path = options.output / f"serve-{name}.webp"
                shot.convert("RGB").save(path, quality=QUALITY, method=6)
                print(f"{path}: {shot.width} x {shot.height}, {path.stat().st_size // 1000} kB")


@contextmanager
def serving(bundles: list[str]) -> Iterator[str]:
    """The address of a server of ``bundles``."""
    words = [sys.executable, "-m", "edgefer_runtime", "serve", "--port", "0", *bundles]
    server = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        told = server.stderr.readline()
        if not told.startswith("serving on "):
            sys.exit(told + server.stderr.read())
        yield told.removeprefix("serving on ").strip()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()

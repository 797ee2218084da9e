"""A window that shows frames, made of the standard library alone."""

from __future__ import annotations

import time
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DeviceError, MissingError


class Window:
    """A window; Escape, Q and its close button close it.

    Raises:
        MissingError: Python came without Tk.
        DeviceError: there is no screen.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise MissingError(
                f"Tk is not installed ({error})",
                expected="Python's own tkinter, to show a window",
                action="apt install python3-tk, or write with -o instead of --show",
            ) from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise DeviceError(
                f"no window can be opened ({error})",
                expected="a screen, named by DISPLAY",
                action="write with -o instead of --show",
            ) from error
        self._root.title(title)
        self._picture = tkinter.PhotoImage(master=self._root)
        self._label = tkinter.Label(self._root, image=self._picture, borderwidth=0)
        self._label.pack()
        self.is_open = True
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        for key in ("<Escape>", "q"):
            self._root.bind(key, lambda _: self._close())

    def show(self, image: NDArray[np.uint8]) -> None:
        """Show an image, uint8, H x W x 3, RGB, and take in what keys were pressed."""
        height, width = image.shape[:2]
        self._picture.configure(data=b"P6 %d %d 255\n" % (width, height) + image.tobytes(), format="PPM")
        self._root.update()

    def update(self) -> None:
        """Take in what keys were pressed, while there is nothing new to show."""
        if self.is_open:
            self._root.update()

    def wait(self) -> None:
        """Go on showing the last image until the user closes the window."""
        while self.is_open:
            self._root.update()
            time.sleep(0.02)

    def __enter__(self) -> Window:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._root.destroy()

    def _close(self) -> None:
        self.is_open = False

"""What a training writes down about its epochs: log.csv, and TensorBoard's events where they are wanted."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgefer_runtime.errors import MissingError
from edgefer_runtime.files import write_whole


class Log:
    """The log of one run.

    Args:
        out: the run's folder; gets ``log.csv`` and, with TensorBoard, ``tensorboard/``.
        tensorboard: write events, too.

    Raises:
        MissingError: TensorBoard is wanted and not installed.
    """

    def __init__(self, out: Path, *, tensorboard: bool = False) -> None:
        self.out = out
        self._events: Any = require_tensorboard()(str(out / "tensorboard")) if tensorboard else None

    def write(self, history: Sequence[Mapping[str, float]], *, done_steps: int) -> None:
        """Write all epochs so far to the table, and the last of them as events at step ``done_steps``."""
        table = io.StringIO()
        writer = csv.DictWriter(table, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        write_whole(self.out / "log.csv", table.getvalue().encode())
        if self._events is not None:
            for name, value in history[-1].items():
                self._events.add_scalar(name, value, done_steps)
            self._events.flush()

    def close(self) -> None:
        """Finish the events."""
        if self._events is not None:
            self._events.close()


def require_tensorboard() -> Any:
    """The class that writes TensorBoard's events.

    Raises:
        MissingError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingError(
            "TensorBoard is not installed",
            expected="the package tensorboard",
            action="pip install 'edgefer[tensorboard]', or train without it: log.csv is always written",
        ) from error
    return SummaryWriter

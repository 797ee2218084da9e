"""Ends a bench, and removes what it left, when whoever started it over a network is gone."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import threading
from pathlib import Path

BEAT_S = 5.0
"""Seconds between two signs of life on standard input."""
PATIENCE_S = 30.0


def hold(folder: Path, *, patience_s: float = PATIENCE_S) -> None:
    """Watch standard input: when it closes, or nothing comes for long, end this process and its children.

    ``folder`` is removed as well. This process becomes the leader of its group, which is what ends.

    Args:
        folder: all that this process was given and has written.
        patience_s: how long silence may last; a cable that is pulled closes nothing.
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)

    def watch() -> None:
        while select.select([0], [], [], patience_s)[0] and os.read(0, 4096):
            pass
        shutil.rmtree(folder, ignore_errors=True)
        # What was being written at that moment goes once its writer is gone.
        again = ["sh", "-c", 'sleep 1; rm -rf -- "$1"', "sh", str(folder)]
        subprocess.Popen(again, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()

"""Work for a process that only waits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def sleeper() -> Callable[[tuple[str, int]], None]:
    """Return a function that puts the process's number into a folder, and sleeps."""

    def work(task: tuple[str, int]) -> None:
        (Path(task[0]) / str(os.getpid())).touch()
        time.sleep(300)

    return work

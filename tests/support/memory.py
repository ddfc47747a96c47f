"""Memory of a process, on Linux."""

from __future__ import annotations

import os
from pathlib import Path


def resident(process: int | str = "self") -> int:
    """Return the bytes that a process has in memory."""
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")

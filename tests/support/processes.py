"""Other processes on Linux, each of which may end, or have a thread that ends, between two looks at it."""

from __future__ import annotations

import contextlib
from pathlib import Path

#: What is raised where a process ended before its file was opened, and after that.
GONE = (FileNotFoundError, ProcessLookupError)


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that ended still has a number until its parent collects it."""
    with contextlib.suppress(*GONE):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in ("Z", "X")
    return False


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and not collected; none if it has ended."""
    found: list[int] = []
    with contextlib.suppress(*GONE):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(*GONE):
                found += map(int, (task / "children").read_text().split())
    return found


def command_line(pid: int) -> bytes:
    """Return the words of a process's command, each with a zero after it; nothing if it has ended."""
    with contextlib.suppress(*GONE):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""

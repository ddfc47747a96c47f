"""The progress of a batch on standard error: images a second, time left, errors and nodes."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from mtcnn_fast.progress import is_shown, make_bar

#: Seconds between two lines where there is no terminal.
EVERY = 30.0
#: Seconds between two states of a bar.
REDRAWN = 0.2


class ProgressReport:
    """A bar on a terminal, a line now and then elsewhere.

    Parameters
    ----------
    total : int
        Images that there are.
    before : int
        Those of them that earlier runs did.
    shown : bool
        Whether anything is written.

    Attributes
    ----------
    nodes : int
        Machines at work.
    """

    def __init__(self, total: int, before: int, *, shown: bool) -> None:
        self.nodes = 1
        self._total = total
        self._before = before
        self._shown = shown
        self._committed = [0, 0]
        self._under_way: dict[int, list[int]] = {}
        self._bar = make_bar(total, initial=before) if shown and is_shown() else None
        self._began = self._written = time.monotonic()

    def __enter__(self) -> ProgressReport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._draw()
            self._bar.close()

    def advanced(self, shard: int, images: int, errors: int) -> None:
        """Count images of a shard that is not committed yet."""
        counts = self._under_way.setdefault(shard, [0, 0])
        counts[0] += images
        counts[1] += errors
        self._show()

    def finished(self, shard: int, images: int, errors: int) -> None:
        """Count a shard that is committed."""
        self._under_way.pop(shard, None)
        self._committed[0] += images
        self._committed[1] += errors
        self._show()

    def restarted(self, shard: int) -> None:
        """Forget what was done of a shard."""
        self._under_way.pop(shard, None)
        self._show()

    def note(self, text: str) -> None:
        """Write a line."""
        if self._shown:
            if self._bar is not None:
                self._bar.clear()
            print(f"mtcnn-fast: {text}", file=sys.stderr, flush=True)

    @property
    def images(self) -> int:
        """Images that this run has done."""
        return self._committed[0] + sum(counts[0] for counts in self._under_way.values())

    @property
    def errors(self) -> int:
        """Those of them with an error."""
        return self._committed[1] + sum(counts[1] for counts in self._under_way.values())

    def line(self) -> str:
        """Describe the progress."""
        done = self._before + self.images
        rate = self.images / max(time.monotonic() - self._began, 1e-9)
        left = _duration((self._total - done) / rate) if rate else "unknown time"
        return (
            f"{done:,} of {self._total:,} images ({100 * done / max(self._total, 1):.1f} %), {rate:,.1f} images/s, "
            f"{left} left, {_plural(self.errors, 'error')}, {_plural(self.nodes, 'node')}"
        )

    def _show(self) -> None:
        waited = time.monotonic() - self._written
        if self._bar is not None and waited >= REDRAWN:
            self._draw()
        elif self._bar is None and self._shown and waited >= EVERY:
            self._written = time.monotonic()
            self.note(self.line())

    def _draw(self) -> None:
        if self._bar is not None:
            self._written = time.monotonic()
            self._bar.n = self._before + self.images
            self._bar.set_postfix_str(f", {_plural(self.errors, 'error')}, {_plural(self.nodes, 'node')}")


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"

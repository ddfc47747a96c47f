"""A progress bar with rate and time left, on a terminal or in a notebook only."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

_FORMAT = "{desc}{bar} {n_fmt}/{total_fmt} {rate_noinv_fmt}, {remaining} left{postfix}"


def is_shown() -> bool:
    """Tell whether a bar would be shown: on a terminal and in a notebook."""
    return sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)


def make_bar(total: int | None, *, initial: int = 0, unit: str = "images") -> tqdm[None]:
    """Make a bar on standard error; it has to be closed.

    Parameters
    ----------
    total : int or None
        Number of steps, if known.
    initial : int
        Steps that an earlier run did.
    unit : str
        What is counted.
    """
    from tqdm import tqdm

    # No thread of its own, and no semaphore that other processes could share.
    kind: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
    kind.set_lock(threading.RLock())
    # Results come in batches: the rate is that since the start, not that of the last moments.
    bar: tqdm[None] = kind(
        total=total,
        initial=initial,
        unit=f" {unit}",
        smoothing=0,
        leave=False,
        dynamic_ncols=True,
        disable=not is_shown(),
        file=sys.stderr,
        bar_format=_FORMAT if total is not None else None,
    )
    return bar


class Progress:
    """What `progress_bar` shows; without a bar nothing.

    Parameters
    ----------
    bar : tqdm or None
    """

    def __init__(self, bar: tqdm[None] | None) -> None:
        self._bar = bar

    def advance(self) -> None:
        """Count a step."""
        if self._bar is not None:
            self._bar.update()

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar away while the block prints on the same terminal."""
        if self._bar is not None:
            self._bar.clear()
        yield
        if self._bar is not None:
            self._bar.refresh()


@contextlib.contextmanager
def progress_bar(total: int | None, *, unit: str = "images", label: str = "") -> Iterator[Progress]:
    """Show a bar on standard error until the block ends; on anything but a terminal or a notebook nothing is shown.

    Parameters
    ----------
    total : int or None
        Number of steps, if known.
    unit : str
        What is counted.
    label : str
        What stands before the bar.

    Yields
    ------
    progress : Progress
    """
    if not is_shown():
        yield Progress(None)
        return
    with make_bar(total, unit=unit) as bar:
        bar.set_description(label or None)
        yield Progress(bar)
        # What was counted since the bar was last drawn, however little ago that was.
        bar.refresh()


def track(steps: Iterable[T], total: int | None) -> Iterator[T]:
    """Yield `steps` unchanged while a bar on standard error counts them."""
    with progress_bar(total) as progress:
        for step in steps:
            yield step
            progress.advance()

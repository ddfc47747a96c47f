"""A progress bar with rate and time left, on a terminal or in a notebook only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

T = TypeVar("T")


@contextlib.contextmanager
def progress_bar(total: int | None, console: Console) -> Iterator[Callable[[], None]]:
    """Show a bar until the block ends.

    Parameters
    ----------
    total : int or None
        How many steps there will be, if that is known.
    console : rich.console.Console
        Where to show it. On anything but a terminal or a notebook nothing is shown.

    Yields
    ------
    advance : callable
        To be called after each step.
    """
    if not (console.is_terminal or console.is_jupyter):
        yield lambda: None
        return
    with _images_bar(console) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


def track(steps: Iterable[T], total: int | None) -> Iterator[T]:
    """Yield `steps` unchanged while a bar on standard error counts them."""
    from rich.console import Console

    with progress_bar(total, Console(stderr=True)) as advance:
        for step in steps:
            yield step
            advance()


def _images_bar(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task
    from rich.text import Text

    class Pace(ProgressColumn):
        """Rate and time left since the start: results come in batches, which mislead a rate of the last moments."""

        def render(self, task: Task) -> Text:
            return Text(pace(task.completed, task.total, task.elapsed or 0.0))

    columns = BarColumn(bar_width=None), MofNCompleteColumn(), Pace()
    return Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)


def pace(done: float, total: float | None, seconds: float) -> str:
    """Describe rate and time left, such as ``"12.5 images/s, 1:04 left"``; nothing before the first step is done."""
    if not done or not seconds:
        return ""
    rate = done / seconds
    text = f"{rate:.1f} images/s"
    if total is None:
        return text
    left = round((total - done) / rate)
    clock = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}" if left >= 3600 else f"{left // 60}:{left % 60:02}"
    return f"{text}, {clock} left"

"""What a run writes down while it trains: CSV files, TensorBoard's if wanted, and a display on the terminal."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mtcnn_fast.errors import MissingExtraError
from mtcnn_fast.files import written_whole
from mtcnn_fast.progress import is_shown, make_bar

if TYPE_CHECKING:
    from tqdm import tqdm

Row = Mapping[str, float]


class CsvLog:
    """A table that grows by a row at a time.

    Parameters
    ----------
    path : Path
    step : int
        Rows of later steps, left by a run that was killed after its last checkpoint, are removed; all of them if the
        run begins with step 0.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        if step == 0:
            path.unlink(missing_ok=True)
        elif path.exists():
            header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
            # A row that was being written when the process was killed lacks its end.
            kept = [row for row in rows if row.endswith("\n") and int(row.partition(",")[0]) <= step]
            written_whole(path, "".join([header, *kept]).encode())

    def write(self, row: Row) -> None:
        """Append a row; the first one brings the names of the columns."""
        new = not self._path.exists() or self._path.stat().st_size == 0
        with self._path.open("a", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            if new:
                table.writerow(row)
            table.writerow([f"{value:.7g}" if isinstance(value, float) else value for value in row.values()])


class RunLog:
    """All logs of a run; with ``out=None`` the display alone, with ``shown=False`` nothing at all.

    Parameters
    ----------
    out : Path or None
        The folder for ``training.csv``, ``validation.csv`` and ``tensorboard/``.
    name : str
        Of the network, for the display.
    steps : int
        How many there will be.
    done : int
        How many there were.
    tensorboard : bool
    shown : bool
        Whether to show anything on standard error.

    Raises
    ------
    MissingExtraError
        If `tensorboard` is wanted and not installed.
    """

    def __init__(self, out: Path | None, name: str, steps: int, done: int, *, tensorboard: bool, shown: bool) -> None:
        self._name = name
        self._steps = steps
        self._csv: dict[str, CsvLog] = {}
        self._board: Any = None
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            self._csv = {kind: CsvLog(out / f"{kind}.csv", done) for kind in ("training", "validation")}
            if tensorboard:
                self._board = _summary_writer(out / "tensorboard", done)
        self._shown = shown
        self._display = _display(steps, done, name) if shown else None

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.close()
        if self._board is not None:
            self._board.close()

    def advance(self, step: int, loss: float) -> None:
        """Show that a step is done."""
        if self._display is not None:
            self._display.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self._display.update(step - self._display.n)

    def write(self, kind: str, row: Row) -> None:
        """Write down a row of ``training`` or ``validation``; its first entry is ``step``."""
        if kind in self._csv:
            self._csv[kind].write(row)
        if self._board is not None:
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(f"{kind}/{name}", value, int(row["step"]))
        if kind == "validation" and self._shown:
            figures = ", ".join(f"{name} {value:.4f}" for name, value in row.items() if name != "step")
            self._say(f"{self._name}: step {int(row['step'])} of {self._steps}: {figures}")

    def _say(self, text: str) -> None:
        if self._display is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self._display.write(text, file=sys.stderr)


def _summary_writer(folder: Path, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError(
            f"tensorboard = true needs the package tensorboard, which cannot be imported ({error}): "
            "pip install tensorboard"
        ) from error
    make: Any = SummaryWriter
    # Hides what a killed run had written after its last checkpoint.
    return make(str(folder), purge_step=done + 1)


def _display(steps: int, done: int, name: str) -> tqdm[None] | None:
    if not is_shown():
        return None
    bar = make_bar(steps, initial=done, unit="steps")
    bar.set_description(name)
    return bar

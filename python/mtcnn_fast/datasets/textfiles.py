"""Reading text files line by line with errors that name the place."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from mtcnn_fast._types import Doubles
from mtcnn_fast.errors import DataError

#: What DOS put at the end of text files; one published FDDB result has it.
_END_OF_TEXT = "\x1a"


class TextFile:
    """The lines of a file and a position within it.

    Parameters
    ----------
    path : path-like or str

    Raises
    ------
    DataError
        If it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            text = self.path.read_text("utf-8", errors="surrogateescape")
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror})", path) from error
        self._lines = text.rstrip(f" \t\r\n{_END_OF_TEXT}").split("\n") if text.strip() else []
        self._next = 0

    @property
    def line(self) -> int:
        """Number of the line that was read last, from 1."""
        return self._next

    @property
    def at_end(self) -> bool:
        """Whether all lines have been read."""
        return self._next >= len(self._lines)

    def error(self, message: str) -> DataError:
        """Make an error at the line that was read last."""
        return DataError(message, self.path, self.line)

    def take(self, expected: str) -> str:
        """Read the next line without surrounding blanks.

        Parameters
        ----------
        expected : str
            What should stand there, for the message.

        Raises
        ------
        DataError
            If there is none.
        """
        if self.at_end:
            raise DataError(f"the file ends where {expected} is expected", self.path, len(self._lines) + 1)
        self._next += 1
        return self._lines[self._next - 1].strip()

    def peek(self) -> str:
        """Return the next line without reading it; there must be one."""
        return self._lines[self._next].strip()

    def count(self, expected: str) -> int:
        """Read a line that holds a whole number, 0 or more."""
        text = self.take(expected)
        try:
            value = float(text)
        except ValueError:
            raise self.error(f"{expected} must be a whole number, got {text!r}") from None
        if not math.isfinite(value) or value < 0 or value != int(value):
            raise self.error(f"{expected} must be a whole number of 0 or more, got {text!r}")
        return int(value)

    def rows(self, count: int, columns: int, form: str, *, exact: bool = True) -> Doubles:
        """Read rows of finite numbers.

        Parameters
        ----------
        count : int
            How many rows.
        columns : int
            Numbers in a row.
        form : str
            What a row looks like, for messages.
        exact : bool
            Whether further numbers in a row are an error; otherwise they are not read.

        Returns
        -------
        rows : (count, columns) float64

        Raises
        ------
        DataError
            If there are fewer rows, or one holds something else.
        """
        # Grown rather than allocated: a wrong count in a damaged file may be anything.
        rows = [self.numbers(self.take(f"row {i + 1} of {count} ({form})"), columns, form, exact) for i in range(count)]
        return np.array(rows, np.float64).reshape(count, columns)

    def numbers(self, text: str, columns: int, form: str, exact: bool = True) -> list[float]:
        """Turn a text that stands at the line read last into finite numbers."""
        words = text.split()
        if len(words) < columns or (exact and len(words) > columns):
            raise self.error(f"a row must be {form} ({columns} numbers), got {text!r}")
        try:
            values = [float(word) for word in words[:columns]]
        except ValueError:
            raise self.error(f"a row must be {form}, got {text!r}") from None
        if not all(map(math.isfinite, values)):
            raise self.error(f"the numbers of a row must be finite ({form}), got {text!r}")
        return values

    def scored_boxes(self, count: int) -> Doubles:
        """Read rows ``x y width height score`` with positive sizes, the highest score first."""
        form = "x y width height score"
        start = self.line
        rows = self.rows(count, 5, form)
        for i, row in enumerate(rows):
            place = start + i + 1
            if row[2] < 0 or row[3] < 0:
                raise DataError(
                    f"width and height must not be negative, got {row[2]:g} and {row[3]:g}", self.path, place
                )
            if i and row[4] > rows[i - 1, 4]:
                message = f"scores must not rise within an image, got {row[4]:g} after {rows[i - 1, 4]:g}"
                raise DataError(f"{message}; sort the rows by score, highest first", self.path, place)
        return rows

"""Reading text files line by line with errors that name the place."""

from __future__ import annotations

import codecs
import math
import os
from pathlib import Path

import numpy as np

from mtcnn_fast._types import Doubles
from mtcnn_fast.errors import DataError, file_error

#: What DOS put at the end of text files; one published FDDB result has it.
_END_OF_TEXT = "\x1a"


def slashes(path: str) -> str:
    """Return a path of a list made on Windows with the separators of other systems."""
    return path.replace("\\", "/")


def first_word(text: str) -> tuple[str, str]:
    """Split a row at its first blanks or tabs; the rest is empty where there are none."""
    word, *rest = text.split(maxsplit=1) or [""]
    return word, "".join(rest)


class TextFile:
    """The lines of a file and a position within it; a byte-order mark and the ends of lines are no part of them.

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
            data = self.path.read_bytes()
        except OSError as error:
            raise file_error(DataError, error, f"cannot be read ({error.strerror})", path) from error
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError("is text in UTF-16; accepted: UTF-8", path)
        # Names of files may be of any bytes.
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="surrogateescape")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
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
        """Read rows ``x y width height score`` with sizes of 0 or more.

        Returns
        -------
        rows : (count, 5) float64
            The highest score first, equal ones in the file's order: the official readers sort them too.
        """
        start = self.line
        rows = self.rows(count, 5, "x y width height score")
        for place, row in enumerate(rows, start + 1):
            if row[2] < 0 or row[3] < 0:
                raise DataError(
                    f"width and height must not be negative, got {row[2]:g} and {row[3]:g}", self.path, place
                )
        return rows[np.argsort(-rows[:, 4], kind="stable")]

"""The forms in which results are printed. Each writes a record as soon as it has it, and holds none."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mtcnn_fast.faces import Faces

POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")

Emit = Callable[[str], None]
"""Prints one or more lines, given without the last line's end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """Result of one path: its faces, or an error, or both where only writing its pictures failed."""

    path: str
    faces: Faces | None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain objects: path, width, height, faces and error."""
        found = {"width": None, "height": None, "faces": []} if self.faces is None else self.faces.to_dict()
        return {"path": self.path, **found, "error": self.error}


class Output(Protocol):
    """One form of output."""

    def start(self, emit: Emit) -> None:
        """Print what precedes the records."""

    def add(self, record: Record, emit: Emit) -> None:
        """Print one record."""

    def finish(self, emit: Emit) -> None:
        """Print what follows the records."""


class JsonLines:
    """One JSON object a line."""

    def start(self, emit: Emit) -> None:
        """Print nothing."""

    def add(self, record: Record, emit: Emit) -> None:
        """Print the object. Its text is ASCII, so that a name that is no valid text survives as escapes."""
        emit(json.dumps(record.to_dict()))

    def finish(self, emit: Emit) -> None:
        """Print nothing."""


class JsonList:
    """One JSON list with an object a line."""

    def __init__(self) -> None:
        self._held: str | None = None

    def start(self, emit: Emit) -> None:
        """Open the list."""
        emit("[")

    def add(self, record: Record, emit: Emit) -> None:
        """Print the object before, now that it is known to be followed by a comma."""
        if self._held is not None:
            emit(f"{self._held},")
        self._held = json.dumps(record.to_dict())

    def finish(self, emit: Emit) -> None:
        """Print the last object and close the list."""
        if self._held is not None:
            emit(self._held)
        emit("]")


class Csv:
    """One row for each face, after a row with the names of the columns.

    An image without faces has one row with an empty face, and so has an input that failed: its width is empty too.
    """

    def start(self, emit: Emit) -> None:
        """Print the names of the columns."""
        points = (f"{point}_{axis}" for point in POINTS for axis in "xy")
        self._row(emit, "path", "width", "height", "face", "score", "x1", "y1", "x2", "y2", *points)

    def add(self, record: Record, emit: Emit) -> None:
        """Print the rows."""
        if not record.faces:
            size = ("", "") if record.faces is None else record.faces.image_size
            self._row(emit, record.path, *size, *[""] * (6 + 2 * len(POINTS)))
            return
        width, height = record.faces.image_size
        # As numpy's own numbers, which print as the shortest text that is the same float32.
        rows = zip(record.faces.scores, record.faces.boxes, record.faces.landmarks, strict=True)
        for i, (score, box, landmarks) in enumerate(rows):
            self._row(emit, record.path, width, height, i + 1, score, *box, *landmarks.flat)

    def finish(self, emit: Emit) -> None:
        """Print nothing."""

    @staticmethod
    def _row(emit: Emit, *values: object) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(values)
        emit(line.getvalue())


class Table:
    """Columns for people.

    Parameters
    ----------
    longest : int
        Cells that the longest path takes.
    columns : int or None
        Cells in a line of the terminal; ``None`` if paths need not be shortened.
    ellipsis : str
        What stands for the part of a path that is left out.
    """

    NUMBERS = 44
    """Cells that the columns after the path take."""

    def __init__(self, longest: int, columns: int | None, ellipsis: str = "…") -> None:
        self._width = max(5, longest if columns is None else min(longest, max(16, columns - self.NUMBERS)))
        self._shortens = columns is not None
        self._ellipsis = ellipsis

    def start(self, emit: Emit) -> None:
        """Print the names of the columns."""
        emit(self._line("image", "face", "score", "x1", "y1", "x2", "y2"))

    def add(self, record: Record, emit: Emit) -> None:
        """Print a line a face, or that there is none."""
        path = self._fit(printable(record.path))
        if record.faces is None:
            emit(self._line(path, "failed"))
            return
        for i, face in enumerate(record.faces):
            emit(self._line(path if i == 0 else "", str(i + 1), f"{face.score:.4f}", *(f"{x:.1f}" for x in face.box)))
        if not record.faces:
            emit(self._line(path, "none"))

    def finish(self, emit: Emit) -> None:
        """Print nothing."""

    def _line(self, path: str, *cells: str) -> str:
        widths = (6, 8, 7, 8, 7, 8)
        numbers = "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=False))
        # A word that fills its column would run into the path.
        if cells and len(cells[0]) >= widths[0]:
            numbers = f" {numbers}"
        return f"{path}{' ' * (self._width - cell_len(path))}{numbers}"

    def _fit(self, path: str) -> str:
        if not self._shortens or cell_len(path) <= self._width:
            return path
        while cell_len(path) > self._width - len(self._ellipsis):
            path = path[1:]
        return f"{self._ellipsis}{path}"


def cell_len(text: str) -> int:
    """Return how many cells of a terminal a text takes: wide characters two, combining ones none."""
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def printable(text: str) -> str:
    """Return text with everything that a terminal could take for a command, and bytes that are no text, escaped."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    # Bytes that are no valid text arrive as these surrogates (PEP 383).
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()

"""The forms in which the faces of a video are printed, a frame at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from mtcnn_fast.cli.output import POINTS, Emit
from mtcnn_fast.cli.streams import print_bytes
from mtcnn_fast.optional import require

if TYPE_CHECKING:
    from mtcnn_fast.video import VideoFrame

#: Rows of a Parquet file that are written at once, and held until then.
ROWS = 20_000


class FrameTable(Protocol):
    """One form."""

    def start(self, emit: Emit) -> None:
        """Print what comes first."""

    def add(self, frame: VideoFrame, emit: Emit) -> None:
        """Print a frame."""

    def finish(self) -> None:
        """Print what comes last."""


def make_table(as_jsonl: bool, as_parquet: bool, *, silent: bool) -> FrameTable:
    """Return the form that is asked for; a table for people where none is, unless it is not wanted."""
    if as_jsonl:
        return JsonFrames()
    if as_parquet:
        return ParquetFrames()
    return Silent() if silent else FacesForPeople()


class Silent:
    """Prints nothing."""

    def start(self, emit: Emit) -> None:
        """Print nothing."""

    def add(self, frame: VideoFrame, emit: Emit) -> None:
        """Print nothing."""

    def finish(self) -> None:
        """Print nothing."""


class JsonFrames(Silent):
    """One JSON object a line for each frame."""

    def add(self, frame: VideoFrame, emit: Emit) -> None:
        """Print the object."""
        emit(json.dumps({"frame": frame.index, "seconds": round(frame.seconds, 6), **frame.faces.to_dict()}))


class FacesForPeople(Silent):
    """Columns for people, a line for each face."""

    def start(self, emit: Emit) -> None:
        """Print the names of the columns."""
        emit(_line("frame", "seconds", "id", "score", "x1", "y1", "x2", "y2"))

    def add(self, frame: VideoFrame, emit: Emit) -> None:
        """Print a line for each face, or that there is none."""
        place = str(frame.index), f"{frame.seconds:.3f}"
        for face in frame.faces:
            track = "-" if face.id is None else str(face.id)
            emit(_line(*place, track, f"{face.score:.4f}", *(f"{value:.1f}" for value in face.box)))
        if not frame.faces:
            emit(_line(*place, "none"))


def _line(*cells: str) -> str:
    return "".join(cell.rjust(width) for cell, width in zip(cells, (8, 11, 6, 8, 8, 8, 8, 8), strict=False))


class ParquetFrames:
    """One Parquet file on standard output: a row for each face, and one without a face for a frame that has none.

    Rows are written as they come, some thousands at once.
    """

    def __init__(self) -> None:
        self._arrow = require("pyarrow", "--parquet", "pip install pyarrow")
        self._parquet = require("pyarrow.parquet", "--parquet", "pip install pyarrow")
        arrow = self._arrow
        points = [(f"{point}_{axis}", arrow.float32()) for point in POINTS for axis in "xy"]
        self._schema = arrow.schema(
            [
                ("frame", arrow.int64()),
                ("seconds", arrow.float64()),
                ("width", arrow.int32()),
                ("height", arrow.int32()),
                ("id", arrow.int64()),
                ("score", arrow.float32()),
                *((name, arrow.float32()) for name in ("x1", "y1", "x2", "y2")),
                *points,
            ]
        )
        self._rows: list[tuple[Any, ...]] = []
        self._writer: Any = None

    def start(self, emit: Emit) -> None:
        """Begin the file."""
        self._writer = self._parquet.ParquetWriter(self._arrow.PythonFile(_Stdout(print_bytes), "w"), self._schema)

    def add(self, frame: VideoFrame, emit: Emit) -> None:
        """Keep the rows of a frame, and write when there are many."""
        place = (frame.index, frame.seconds, *frame.faces.image_size)
        for face in frame.faces:
            numbers = (*face.box.tolist(), *face.landmarks.ravel().tolist())
            self._rows.append((*place, face.id, face.score, *numbers))
        if not frame.faces:
            self._rows.append((*place, *[None] * (len(self._schema) - len(place))))
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._schema)
        arrays = [self._arrow.array(c, field.type) for c, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()

    def finish(self) -> None:
        """Write what is left, and the file's end."""
        if self._writer is not None:
            self._flush()
            self._writer.close()


class _Stdout:
    """Standard output as a file that is only written."""

    closed = False

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._place = 0

    def write(self, data: Any) -> int:
        content = bytes(data)
        self._write(content)
        self._place += len(content)
        return len(content)

    def tell(self) -> int:
        return self._place

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

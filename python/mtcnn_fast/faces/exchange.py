"""`FaceExchange`: the part of `Faces` that turns faces into other forms and back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from mtcnn_fast.errors import ConfigError, DataError
from mtcnn_fast.faces import formats, tables
from mtcnn_fast.faces.arrays import FaceArrays

SelfT = TypeVar("SelfT", bound="FaceExchange")


class FaceExchange(FaceArrays):
    """Dicts, JSON, tables and files of the faces of one image; `mtcnn_fast.save_faces` writes those of many images."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python numbers in a dict that `json` can write and `from_dict` reads back exactly.

        Returns
        -------
        record : dict
            ``{"width", "height", "faces": [{"box": [x1, y1, x2, y2], "score", "landmarks": [[x, y], ...]}, ...]}``,
            with an ``"id"`` in each face where faces are tracked. Timings and trace are left out.
        """
        width, height = self.image_size
        rows = zip(self.boxes.tolist(), self.scores.tolist(), self.landmarks.tolist(), strict=True)
        faces = [{"box": box, "score": score, "landmarks": landmarks} for box, score, landmarks in rows]
        if self.ids is not None:
            faces = [{"id": track, **face} for track, face in zip(self.ids.tolist(), faces, strict=True)]
        return {"width": width, "height": height, "faces": faces}

    def to_json(self, indent: int | None = None) -> str:
        """Return `to_dict` as JSON text, on one line or indented by this many spaces."""
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_dict(cls: type[SelfT], record: Mapping[str, Any]) -> SelfT:
        """Read what `to_dict` made, or a record of the command line's JSON; other keys are ignored.

        Raises
        ------
        ConfigError
            If a key is missing or a value is not accepted, as in the record of a file that could not be read.
        """
        try:
            faces = list(record["faces"])
            boxes, scores, landmarks = ([face[key] for face in faces] for key in ("box", "score", "landmarks"))
            ids = [face["id"] for face in faces] if faces and "id" in faces[0] else None
            size = record["width"], record["height"]
        except (KeyError, TypeError, IndexError) as error:
            raise ConfigError(
                "record must be {width, height, faces: [{box, score, landmarks}, ...]}, "
                f"got {record!r:.200} ({type(error).__name__}: {error})"
            ) from error
        return cls(boxes, scores, landmarks, size, ids=ids)

    @classmethod
    def from_json(cls: type[SelfT], text: str | bytes) -> SelfT:
        """Read what `to_json` made.

        Raises
        ------
        ConfigError
            If the text is no JSON, or as `from_dict` raises it.
        """
        try:
            record = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"text must be JSON that Faces.to_json made, got {text!r:.100} ({error})") from error
        return cls.from_dict(record)

    def to_pandas(self, image: str | None = None) -> Any:
        """Return a ``pandas.DataFrame`` with a row for each face.

        Parameters
        ----------
        image : str, optional
            Name of the image, for a first column ``image``.

        Returns
        -------
        DataFrame
            Columns ``score``, ``x1``, ``y1``, ``x2``, ``y2`` and ``left_eye_x`` to ``right_mouth_y``, float32, pixels;
            where faces are tracked, before them ``id``.

        Raises
        ------
        MissingExtraError
            If the package is not installed; the same holds for the other tables.
        """
        return tables.to_pandas(self._columns(image))

    def to_polars(self, image: str | None = None) -> Any:
        """Return a ``polars.DataFrame``; columns and errors are those of `to_pandas`."""
        return tables.to_polars(self._columns(image))

    def to_arrow(self, image: str | None = None) -> Any:
        """Return a ``pyarrow.Table``; columns and errors are those of `to_pandas`."""
        return tables.to_arrow(self._columns(image))

    def to_supervision(self) -> Any:
        """Return ``supervision.Detections``: class 0, confidence, ids, and the landmarks in ``data["landmarks"]``.

        Raises
        ------
        MissingExtraError
            If the package supervision is not installed.
        """
        return tables.to_supervision(self.boxes, self.scores, self.landmarks, self.ids)

    def save(self, path: str | os.PathLike[str], image: str = "", *, form: str | None = None) -> None:
        """Write the faces to a file, which is there whole or not at all.

        Parameters
        ----------
        path : path-like or str
            Its ending chooses the form: ``.json``, ``.parquet`` (needs pyarrow), ``.txt`` (WIDER FACE with landmarks).
        image : str
            Name of the image, which the file holds too.
        form : {"json", "parquet", "coco", "widerface", "yolo"}, optional
            Instead of the ending's. For ``yolo`` the path is a folder, in which the image's name names the file.

        Raises
        ------
        ConfigError
            If the form is not known.
        OSError
            If the file cannot be written.
        """
        formats.write_records(Path(path), [(image, self.to_dict())], formats.chosen_form(path, form))

    @classmethod
    def load(
        cls: type[SelfT],
        path: str | os.PathLike[str],
        *,
        form: str | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> SelfT:
        """Read a file with the faces of one image; `mtcnn_fast.load_faces` reads those of many.

        Parameters
        ----------
        path : path-like or str
        form : str, optional
            As for `save`.
        image_size : (width, height), optional
            Needed for ``widerface`` and ``yolo``, which do not hold it.

        Raises
        ------
        ConfigError
            If the form is not known.
        DataError
            If the file is missing, not of the form, or holds the faces of another number of images than one.
        """

        def size_of(image: str) -> tuple[int, int]:
            if image_size is None:
                raise DataError("holds no image size; give image_size=(width, height)", path)
            return image_size

        records = formats.read_records(Path(path), formats.chosen_form(path, form), size_of)
        if len(records) != 1:
            raise DataError(f"must hold the faces of one image, holds {len(records)}; see mtcnn_fast.load_faces", path)
        return cls.from_dict(records[0][1])

    def _columns(self, image: str | None) -> dict[str, Any]:
        return tables.columns(self.boxes, self.scores, self.landmarks, image, self.ids)

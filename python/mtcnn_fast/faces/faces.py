"""`Faces`: what a detection returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats
from mtcnn_fast.checks.arrays import row_indices
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces import geometry
from mtcnn_fast.faces.exchange import FaceExchange
from mtcnn_fast.faces.face import Face
from mtcnn_fast.faces.pictures import FacePictures
from mtcnn_fast.migration import FACES, missing_attribute


class Faces(FacePictures, FaceExchange):
    """The faces found in one image, immutable.

    Attributes, parameters and errors are those of `mtcnn_fast.faces.arrays.FaceArrays`. Iteration gives each `Face`: to
    have the arrays, take ``faces.boxes, faces.scores, faces.landmarks``; ``boxes, scores = faces`` would be two faces.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # a checker of types reports this itself

        def __getattr__(self, name: str) -> NoReturn:
            missing_attribute(self, name, FACES)

    @classmethod
    def empty(cls, image_size: tuple[int, int]) -> Faces:
        """No faces, in an image of this ``(width, height)``."""
        return cls(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)), image_size)

    def __iter__(self) -> Iterator[Face]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Face: ...

    @overload
    def __getitem__(self, index: slice | list[int] | list[bool] | npt.NDArray[Any]) -> Faces: ...

    def __getitem__(
        self, index: int | np.integer[Any] | slice | list[int] | list[bool] | npt.NDArray[Any]
    ) -> Face | Faces:
        if isinstance(index, slice):
            chosen: Any = index
        else:
            chosen = row_indices(index, len(self))
            if np.ndim(chosen) == 0:
                track = None if self.ids is None else int(self.ids[chosen])
                return Face(self.boxes[chosen], float(self.scores[chosen]), self.landmarks[chosen], track)
        return self._with(
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            landmarks=self.landmarks[chosen],
            ids=None if self.ids is None else self.ids[chosen],
        )

    def __repr__(self) -> str:
        width, height = self.image_size
        noun = "face" if len(self) == 1 else "faces"
        best = f", best {self.scores.max():.4f}" if len(self) else ""
        return f"Faces({len(self)} {noun} in {width}x{height}{best})"

    def sort_by(self, key: Literal["score", "size", "center"]) -> Faces:
        """Return the faces in another order.

        Parameters
        ----------
        key : {"score", "size", "center"}
            Highest score first; largest area of the box first; or smallest distance first between the centres of box
            and image. Equal faces keep their order.

        Raises
        ------
        ConfigError
            If `key` is none of these.
        """
        values: npt.NDArray[np.floating[Any]]
        if key == "score":
            values = -self.scores
        elif key == "size":
            values = -geometry.areas(self.boxes)
        elif key == "center":
            boxes = self.boxes.astype(np.float64)
            offsets = (boxes[:, :2] + boxes[:, 2:] - np.array(self.image_size)) / 2
            values = np.hypot(offsets[:, 0], offsets[:, 1])
        else:
            raise ConfigError(f"key must be 'score', 'size' or 'center', got {key!r}")
        return self[np.argsort(values, kind="stable")]

    def largest(self) -> Face | None:
        """Return the face whose box has the largest area (the first of equals), or None if there is none."""
        return self[int(np.argmax(geometry.areas(self.boxes)))] if len(self) else None

    def clip(self) -> Faces:
        """Return the faces with boxes cut to the image: x to [0, width], y to [0, height].

        Landmarks stay: one outside the image is still the best guess of where that point is. A box that lies outside
        the image entirely becomes a line or a point on its border.
        """
        return self._with(boxes=np.clip(self.boxes, 0, np.array(self.image_size * 2, np.float32)))

    @property
    def xywh(self) -> Floats:
        """Boxes ``(N, 4)`` float32 as left, top, width and height in pixels."""
        return np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], axis=1)

    @classmethod
    def concat(cls, parts: Iterable[Faces]) -> Faces:
        """Join the faces found in one image by several calls, in the order of the parts.

        Raises
        ------
        ConfigError
            If there is no part, the image sizes differ, or some parts with faces have ids and others have none.
        """
        items = list(parts)
        sizes = {part.image_size for part in items}
        if len(sizes) != 1:
            found = ", ".join(f"{width}x{height}" for width, height in sorted(sizes)) or "none"
            raise ConfigError(f"parts must be Faces of one image size, got {found}")
        joined = [np.concatenate([getattr(part, name) for part in items]) for name in ("boxes", "scores", "landmarks")]
        ids = [part.ids for part in items if part.ids is not None]
        if ids and any(part.ids is None and len(part) for part in items):
            raise ConfigError("parts must all have ids or none, got both")
        tracks = np.concatenate(ids) if ids else None
        return cls(joined[0], joined[1], joined[2], items[0].image_size, image=items[0].image, ids=tracks)

    def __add__(self, other: Faces) -> Faces:
        """Join the faces of two calls on one image; see `concat`."""
        return self.concat([self, other]) if isinstance(other, Faces) else NotImplemented

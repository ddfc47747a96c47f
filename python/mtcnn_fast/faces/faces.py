"""`Faces`: what a detection returns."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Color, Doubles, Floats, Layout, Pixels
from mtcnn_fast.checks import Number
from mtcnn_fast.checks.arrays import Array, row_indices
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces.face import Face

if TYPE_CHECKING:
    from PIL import Image

_BOXES = Array((None, 4))
_SCORES = Array((None,))
_LANDMARKS = Array((None, 5, 2))


@dataclasses.dataclass(frozen=True, init=False, eq=False, repr=False, slots=True)
class Faces:
    """The faces found in one image, immutable.

    Attributes
    ----------
    boxes : (N, 4) float32
        Corners ``x1, y1, x2, y2`` in pixels of the upright image; they may lie outside it (see `clip`).
    scores : (N,) float32
        Face probabilities, 0 to 1.
    landmarks : (N, 5, 2) float32
        ``x, y`` in pixels of left eye, right eye, nose, left and right corner of the mouth, as they appear in the image
        (the viewer's left first).
    image_size : (width, height)
        Size in pixels of the image that they were found in.
    timings : dict of str to float, or None
        Seconds spent in each stage of the detection, if it was asked for.
    trace : object or None
        Record of the candidates in each stage of the detection, if it was asked for.

    Raises
    ------
    ConfigError
        If an argument has the wrong shape or type, or is not finite.

    Notes
    -----
    The arrays are read-only copies. Equality compares boxes, scores, landmarks and image size exactly, and neither
    timings nor trace, which differ from run to run.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    image_size: tuple[int, int]
    timings: dict[str, float] | None
    trace: object | None

    def __init__(
        self,
        boxes: npt.ArrayLike,
        scores: npt.ArrayLike,
        landmarks: npt.ArrayLike,
        image_size: tuple[int, int],
        timings: Mapping[str, float] | None = None,
        trace: object | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "boxes", _BOXES("boxes", boxes))
        put(self, "scores", _SCORES("scores", scores))
        put(self, "landmarks", _LANDMARKS("landmarks", landmarks))
        counts = len(self.boxes), len(self.scores), len(self.landmarks)
        if len(set(counts)) != 1:
            raise ConfigError(f"boxes, scores and landmarks must have as many rows each, got {counts}")
        put(self, "image_size", _image_size(image_size))
        put(self, "timings", None if timings is None else dict(timings))
        put(self, "trace", trace)

    @classmethod
    def empty(cls, image_size: tuple[int, int]) -> Faces:
        """No faces, in an image of this ``(width, height)``."""
        return cls(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)), image_size)

    def __len__(self) -> int:
        return len(self.scores)

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
                return Face(self.boxes[chosen], float(self.scores[chosen]), self.landmarks[chosen])
        return self._with(boxes=self.boxes[chosen], scores=self.scores[chosen], landmarks=self.landmarks[chosen])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Faces):
            return NotImplemented
        return (
            self.image_size == other.image_size
            and np.array_equal(self.boxes, other.boxes)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.landmarks, other.landmarks)
        )

    def __reduce__(self) -> tuple[type[Faces], tuple[Any, ...]]:
        # Unpickled arrays are writable: going through the constructor makes them read-only again.
        return Faces, tuple(getattr(self, field.name) for field in dataclasses.fields(self))

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
            values = -self._areas()
        elif key == "center":
            boxes = self.boxes.astype(np.float64)
            offsets = (boxes[:, :2] + boxes[:, 2:] - np.array(self.image_size)) / 2
            values = np.hypot(offsets[:, 0], offsets[:, 1])
        else:
            raise ConfigError(f"key must be 'score', 'size' or 'center', got {key!r}")
        return self[np.argsort(values, kind="stable")]

    def largest(self) -> Face | None:
        """Return the face whose box has the largest area (the first of equals), or None if there is none."""
        return self[int(np.argmax(self._areas()))] if len(self) else None

    def clip(self) -> Faces:
        """Return the faces with boxes cut to the image: x to [0, width], y to [0, height].

        Landmarks stay: one outside the image is still the best guess of where that point is. A box that lies outside
        the image entirely becomes a line or a point on its border.
        """
        return self._with(boxes=np.clip(self.boxes, 0, np.array(self.image_size * 2, np.float32)))

    def scale(self, sx: float, sy: float | None = None) -> Faces:
        """Return the faces as they lie in a resized image, for example the original of which this one was a thumbnail.

        Parameters
        ----------
        sx, sy : float
            Factors for x and y, above 0: new size over old size. Without `sy` both are `sx`.

        Returns
        -------
        faces : Faces
            Boxes, landmarks and image size times the factors, the size rounded to whole pixels.

        Raises
        ------
        ConfigError
            If a factor is not a positive finite number, or a product leaves the range of float32.
        """
        factors = np.array([Number()("sx", sx), Number()("sy", sx if sy is None else sy)])
        if factors.min() <= 0:
            raise ConfigError(f"sx and sy must be above 0, got {sx!r} and {sy!r}")
        width, height = (round(n * factor) for n, factor in zip(self.image_size, factors.tolist(), strict=True))
        return self._with(
            boxes=self.boxes * np.tile(factors, 2), landmarks=self.landmarks * factors, image_size=(width, height)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python numbers in a dict that `json` can write and `from_dict` reads back exactly.

        Returns
        -------
        record : dict
            ``{"width", "height", "faces": [{"box": [x1, y1, x2, y2], "score", "landmarks": [[x, y], ...]}, ...]}``.
            Timings and trace are left out.
        """
        width, height = self.image_size
        rows = zip(self.boxes.tolist(), self.scores.tolist(), self.landmarks.tolist(), strict=True)
        faces = [{"box": box, "score": score, "landmarks": landmarks} for box, score, landmarks in rows]
        return {"width": width, "height": height, "faces": faces}

    def to_json(self, indent: int | None = None) -> str:
        """Return `to_dict` as JSON text, on one line or indented by this many spaces."""
        import json

        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Faces:
        """Read what `to_dict` made, or a record of the command line's JSON; other keys are ignored.

        Raises
        ------
        ConfigError
            If a key is missing or a value is not accepted, as in the record of a file that could not be read.
        """
        try:
            faces = list(record["faces"])
            boxes, scores, landmarks = ([face[key] for face in faces] for key in ("box", "score", "landmarks"))
            size = record["width"], record["height"]
        except (KeyError, TypeError, IndexError) as error:
            raise ConfigError(
                "record must be {width, height, faces: [{box, score, landmarks}, ...]}, "
                f"got {record!r:.200} ({type(error).__name__}: {error})"
            ) from error
        return cls(boxes, scores, landmarks, size)

    def crops(
        self,
        img: Any,
        size: int = 160,
        margin: float = 0,
        *,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
    ) -> Pixels:
        """Cut a square around each face, black outside the image, and resize it.

        Parameters
        ----------
        img : str, Path, PIL image or array
            The image that the faces were found in: anything that `Detector.detect` takes.
        size : int
            Side of the crops in pixels.
        margin : float
            Pixels of the crop, both sides together, that lie around the box's longer side, at least 0 and below `size`.
        color, value_range, layout
            How an array is to be read, as for `Detector.detect`.

        Returns
        -------
        crops : (N, size, size, 3) uint8
            RGB; see `mtcnn_fast.faces.crops.square_crops`.

        Raises
        ------
        ImageError
            If the image cannot be read.
        ConfigError
            If the image has another size than that of the detection, another argument is not accepted, or a box has no
            extent.
        """
        from mtcnn_fast.faces.crops import square_crops

        return square_crops(self._load(img, color, value_range, layout), self.boxes, size, margin)

    def align(
        self,
        img: Any,
        size: int = 112,
        template: str | npt.ArrayLike = "arcface",
        *,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
    ) -> Pixels:
        """Cut out each face upright, its landmarks on the points of a template, as embedding networks expect it.

        Parameters
        ----------
        img : str, Path, PIL image or array
            The image that the faces were found in: anything that `Detector.detect` takes.
        size : int
            Side of the results in pixels.
        template : str or (5, 2) array_like
            ``"arcface"``, or where the landmarks go: fractions of the side if all values lie in [-1, 2], else pixels of
            the result (see `mtcnn_fast.faces.alignment.template_points`).
        color, value_range, layout
            How an array is to be read, as for `Detector.detect`.

        Returns
        -------
        aligned : (N, size, size, 3) uint8
            RGB, black outside the image. The transform is the similarity with the least squared error between landmarks
            and template (`mtcnn_fast.faces.alignment.alignment_matrix`), with whole numbers at pixel centres.

        Raises
        ------
        ImageError
            If the image cannot be read.
        ConfigError
            If the image has another size than that of the detection, another argument is not accepted, or the landmarks
            of a face allow no alignment, as when all are equal.
        """
        from mtcnn_fast.faces.alignment import align_faces

        return align_faces(self._load(img, color, value_range, layout), self.landmarks, size, template)

    def draw(
        self,
        img: Any,
        *,
        scores: bool = True,
        landmarks: bool = True,
        line_width: int | None = None,
        font_size: int | None = None,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
    ) -> Image.Image:
        """Draw the faces on a copy of the image.

        Parameters
        ----------
        img : str, Path, PIL image or array
            The image that the faces were found in: anything that `Detector.detect` takes.
        scores, landmarks : bool
            Whether to draw them, beside the boxes.
        line_width, font_size : int or None
            Pixels; by default they follow the sizes of image and face.
        color, value_range, layout
            How an array is to be read, as for `Detector.detect`.

        Returns
        -------
        picture : PIL.Image.Image
            A new RGB image.

        Raises
        ------
        ImageError
            If the image cannot be read.
        ConfigError
            If the image has another size than that of the detection, or another argument is not accepted.
        """
        from mtcnn_fast.faces.drawing import draw_faces

        image = self._load(img, color, value_range, layout)
        boxes, values, points = self._by_ascending_score()
        return draw_faces(
            image,
            boxes,
            scores=values if scores else None,
            landmarks=points if landmarks else None,
            line_width=line_width,
            font_size=font_size,
        )

    def _repr_html_(self) -> str:
        """Show a sketch of the faces in the frame of the image, and their numbers, in a notebook."""
        from mtcnn_fast.faces.notebook import faces_html

        return faces_html(repr(self), self.boxes, self.scores, self.landmarks, self.image_size)

    def _repr_png_(self) -> bytes:
        """Show a sketch of the faces on an empty frame where a notebook shows no HTML; the image itself is not kept."""
        from mtcnn_fast.faces.notebook import faces_png, sketch_scale

        small = self.scale(sketch_scale(self.image_size))
        return faces_png(*small._by_ascending_score(), small.image_size)

    def _by_ascending_score(self) -> tuple[Floats, Floats, Floats]:
        """Return boxes, scores and landmarks in the order of drawing: the best face last, on top of the others."""
        order = np.argsort(self.scores, kind="stable")
        return self.boxes[order], self.scores[order], self.landmarks[order]

    def _areas(self) -> Doubles:
        boxes = self.boxes.astype(np.float64)
        sides = (boxes[:, 2:] - boxes[:, :2]).clip(0)
        areas: Doubles = sides[:, 0] * sides[:, 1]
        return areas

    def _load(self, img: Any, color: Color, value_range: tuple[float, float] | None, layout: Layout) -> Pixels:
        """Read an image and make sure that the faces can have come from it."""
        from mtcnn_fast.images import load_image

        # The detection accepted an image of this size, whatever `max_pixels` it had.
        max_pixels = max(DetectorConfig().max_pixels, self.image_size[0] * self.image_size[1])
        image = load_image(img, color=color, value_range=value_range, layout=layout, max_pixels=max_pixels)
        height, width = image.shape[:2]
        if (width, height) != self.image_size:
            raise ConfigError(
                f"img must be the image of the detection, {self.image_size[0]}x{self.image_size[1]} pixels "
                f"(Faces.scale adapts the faces to a resized one), got {width}x{height}"
            )
        return image

    def _with(self, **changes: Any) -> Faces:
        """Return a copy with some attributes changed; timings and trace stay, as they belong to the same detection."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Faces(**{**values, **changes})


def _image_size(value: object) -> tuple[int, int]:
    accepted = "image_size must be (width, height) in whole pixels"
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ConfigError(f"{accepted}, got {value!r}")
    for n in value:
        if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 0:
            raise ConfigError(f"{accepted}, got {value!r}")
    return int(value[0]), int(value[1])

"""`FacePictures`: the part of `Faces` that works on the image the faces were found in."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Color, Doubles, Floats, Layout, Pixels
from mtcnn_fast.checks import Count, Number, Tuple, shown
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.faces import anonymise, geometry
from mtcnn_fast.faces.arrays import FaceArrays

if TYPE_CHECKING:
    from PIL import Image

    from mtcnn_fast.faces.explain import Explanation
    from mtcnn_fast.faces.styles import DrawStyle

_STRENGTH = Number(0.05, 1)
_COLOR = Tuple(Count(0, 255), 3)

SelfT = TypeVar("SelfT", bound="FacePictures")


class FacePictures(FaceArrays):
    """Crops, pictures and measures of the faces of one image."""

    __slots__ = ()

    def scale(self: SelfT, sx: float, sy: float | None = None) -> SelfT:
        """Return the faces as they lie in a resized image, for example the original of which this one was a thumbnail.

        Parameters
        ----------
        sx, sy : float
            Factors for x and y, above 0: new size over old size. Without `sy` both are `sx`.

        Returns
        -------
        faces : Faces
            Boxes, landmarks and image size times the factors, the size rounded to whole pixels. A kept image is left
            out where it has another size.

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
            boxes=self.boxes * np.tile(factors, 2),
            landmarks=self.landmarks * factors,
            image_size=(width, height),
            image=self.image if (width, height) == self.image_size else None,
        )

    def crops(
        self,
        img: Any = None,
        size: int = 160,
        margin: float = 0,
        *,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> Pixels:
        """Cut a square around each face, black outside the image, and resize it.

        Parameters
        ----------
        img : str, Path, PIL image or array, optional
            The image that the faces were found in: anything that `Detector.detect` takes; by default the kept one.
        size : int
            Side of the crops in pixels.
        margin : float
            Pixels of the crop, both sides together, that lie around the box's longer side, at least 0 and below `size`.
        color, value_range, layout, exif
            How the image is to be read, as for `Detector.detect`.

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

        return square_crops(self._load(img, color, value_range, layout, exif), self.boxes, size, margin)

    def align(
        self,
        img: Any = None,
        size: int = 112,
        template: str | npt.ArrayLike = "arcface",
        *,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> Pixels:
        """Cut out each face upright, its landmarks on the points of a template, as embedding networks expect it.

        Parameters
        ----------
        img : str, Path, PIL image or array, optional
            The image that the faces were found in: anything that `Detector.detect` takes; by default the kept one.
        size : int
            Side of the results in pixels.
        template : str or (5, 2) array_like
            ``"arcface"``, or where the landmarks go: fractions of the side if all values lie in [-1, 2], else pixels of
            the result (see `mtcnn_fast.faces.alignment.template_points`).
        color, value_range, layout, exif
            How the image is to be read, as for `Detector.detect`.

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

        return align_faces(self._load(img, color, value_range, layout, exif), self.landmarks, size, template)

    def draw(
        self,
        img: Any = None,
        *,
        style: DrawStyle | str = "default",
        ids: Sequence[int | str] | None = None,
        scores: bool = True,
        landmarks: bool = True,
        line_width: int | None = None,
        font_size: int | None = None,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> Image.Image:
        """Draw the faces on a copy of the image.

        Parameters
        ----------
        img : str, Path, PIL image or array, optional
            The image that the faces were found in: anything that `Detector.detect` takes; by default the kept one.
        style : DrawStyle or str
            A `mtcnn_fast.faces.DrawStyle`, or the name of one: ``"default"`` (boxes with scores), ``"corners"``,
            ``"ellipse"``, ``"palette"`` (a color and an index a face) or ``"spotlight"`` (all but the faces darkened).
        ids : sequence of N int or str, optional
            One a face, such as numbers of tracks or names: what a style with ids writes and chooses colors of the
            palette by. A style with scores writes them in their place.
        scores, landmarks : bool
            False leaves them out, whatever the style says.
        line_width, font_size : int or None
            Pixels, in place of the style's; by default they follow the sizes of image and face.
        color, value_range, layout, exif
            How the image is to be read, as for `Detector.detect`.

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

        # Tracked faces show the numbers of their tracks.
        tracks = None if self.ids is None else self.ids.tolist()
        names = self._one_a_face("ids", tracks if ids is None else ids)
        image = self._load(img, color, value_range, layout, exif)
        # The best face last, on top of the others.
        order = np.argsort(self.scores, kind="stable")
        return draw_faces(
            image,
            self.boxes[order],
            scores=self.scores[order] if scores else None,
            landmarks=self.landmarks[order] if landmarks else None,
            indices=order.tolist(),
            ids=None if names is None else [names[i] for i in order.tolist()],
            style=style,
            line_width=line_width,
            font_size=font_size,
        )

    def _one_a_face(self, name: str, values: Sequence[int | str] | None) -> list[int | str] | None:
        """Check that there is a text or whole number for each face."""
        if values is None:
            return None
        items = list(values)
        if len(items) != len(self) or not all(isinstance(item, (str, numbers.Integral)) for item in items):
            raise ConfigError(f"{name} must be {len(self)} whole numbers or texts, one a face, got {shown(items)}")
        return [item if isinstance(item, str) else int(item) for item in items]

    def blur(
        self,
        img: Any = None,
        strength: float = 0.15,
        *,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> Image.Image:
        """Return the image with an ellipse around each face blurred.

        Parameters
        ----------
        img, color, value_range, layout, exif
            As for `draw`.
        strength : float
            Deviation of the Gaussian in units of the shorter side of the ellipse's box, from 0.05 to 1.

        Returns
        -------
        picture : PIL.Image.Image
            A new RGB image.

        Raises
        ------
        ImageError, ConfigError
            As for `draw`; ConfigError also if `strength` is out of range.

        Notes
        -----
        Recognition systems still name weakly blurred or coarsely pixelated faces (McPherson et al. 2016, "Defeating
        Image Obfuscation with Deep Learning"); `mask` leaves nothing to recognise. No method covers a face that was not
        found, nor hair, clothes and text beside it.
        """
        value = _STRENGTH("strength", strength)
        return self._covered(img, anonymise.blurred(value), color, value_range, layout, exif)

    def pixelate(
        self,
        img: Any = None,
        cells: int = 6,
        *,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> Image.Image:
        """Return the image with an ellipse around each face averaged over squares.

        Parameters
        ----------
        img, color, value_range, layout, exif
            As for `draw`.
        cells : int
            Squares along the shorter side of the ellipse's box, at least 1; fewer show less.

        Returns
        -------
        picture : PIL.Image.Image
            A new RGB image; see the notes of `blur`.

        Raises
        ------
        ImageError, ConfigError
            As for `draw`; ConfigError also if `cells` is out of range.
        """
        return self._covered(img, anonymise.pixelated(Count()("cells", cells)), color, value_range, layout, exif)

    def mask(
        self,
        img: Any = None,
        fill: tuple[int, int, int] = (0, 0, 0),
        *,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> Image.Image:
        """Return the image with an ellipse around each face filled with one color.

        Parameters
        ----------
        img, color, value_range, layout, exif
            As for `draw`.
        fill : (red, green, blue)
            Whole numbers from 0 to 255.

        Returns
        -------
        picture : PIL.Image.Image
            A new RGB image.

        Raises
        ------
        ImageError, ConfigError
            As for `draw`; ConfigError also if `fill` is no color.
        """
        red, green, blue = _COLOR("fill", fill)
        return self._covered(img, anonymise.plain((red, green, blue)), color, value_range, layout, exif)

    def quality(
        self,
        img: Any = None,
        *,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> dict[str, Doubles]:
        """Measure how well suited faces are for recognition.

        Parameters
        ----------
        img, color, value_range, layout, exif
            As for `draw`.

        Returns
        -------
        dict of str to (N,) float64
            ``size``: the root of the box's area in pixels. ``sharpness``: variance of the Laplacian
            (`mtcnn_fast.faces.geometry.sharpness`). ``frontalness``: 1 from the front, 0 in profile
            (`mtcnn_fast.faces.geometry.frontalness`).

        Raises
        ------
        ImageError, ConfigError
            As for `draw`.
        """
        image = self._load(img, color, value_range, layout, exif)
        return {
            "size": np.sqrt(geometry.areas(self.boxes)),
            "sharpness": geometry.sharpness(image, self.boxes),
            "frontalness": geometry.frontalness(self.landmarks),
        }

    def explain(
        self,
        x: float | None = None,
        y: float | None = None,
        img: Any = None,
        *,
        color: Color = "rgb",
        value_range: tuple[float, float] | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> Explanation:
        """Tell why there is a face at a point, or none, step by step of the cascade.

        The faces must come from ``detect(..., trace=True)``.

        Parameters
        ----------
        x, y : float, optional
            The point in pixels, such as the middle of a face that was missed; without them, all of the image.
        img, color, value_range, layout, exif
            As for `draw`; without an image the storyboard has a gray frame.

        Returns
        -------
        Explanation
            ``print`` shows what happened and what to change; ``storyboard()`` and ``to_html()`` show each step.

        Raises
        ------
        BackendError
            If the detection was not traced.
        ImageError, ConfigError
            As for `draw`; ConfigError also if the point is not finite or lies outside the image, or x or y is missing.
        """
        from mtcnn_fast.faces.explain import explain

        if (x is None) != (y is None):
            raise ConfigError(f"x and y must be given together, got x={x!r} and y={y!r}")
        point = None if x is None or y is None else (Number()("x", x), Number()("y", y))
        image = self.image if img is None else self._load(img, color, value_range, layout, exif)
        return explain(self, point, image)

    def _repr_html_(self) -> str:
        """Show a sketch of the faces in the frame of the image, and their numbers, in a notebook."""
        from mtcnn_fast.faces.notebook import faces_html

        return faces_html(repr(self), self.boxes, self.scores, self.landmarks, self.image_size, self.image)

    def _repr_png_(self) -> bytes:
        """Show a sketch of the faces, on the image if it was kept, where a notebook shows no HTML."""
        from mtcnn_fast.faces.notebook import faces_png, sketch_scale

        small = self.scale(sketch_scale(self.image_size))
        return faces_png(*small._by_ascending_score(), small.image_size, self.image)

    def _by_ascending_score(self) -> tuple[Floats, Floats, Floats]:
        """Return boxes, scores and landmarks in the order of drawing: the best face last, on top of the others."""
        order = np.argsort(self.scores, kind="stable")
        return self.boxes[order], self.scores[order], self.landmarks[order]

    def _covered(
        self,
        img: Any,
        fill: anonymise.Fill,
        color: Color,
        value_range: tuple[float, float] | None,
        layout: Layout,
        exif: bool | None,
    ) -> Image.Image:
        from PIL import Image

        return Image.fromarray(anonymise.cover(self._load(img, color, value_range, layout, exif), self.boxes, fill))

    def _load(
        self, img: Any, color: Color, value_range: tuple[float, float] | None, layout: Layout, exif: bool | None
    ) -> Pixels:
        """Read an image and make sure that the faces can have come from it."""
        if img is None:
            if self.image is None:
                raise ConfigError("img must be given, as the image was not kept: detect(..., keep_image=True) keeps it")
            return self.image
        from mtcnn_fast.images import load_image

        # The detection accepted an image of this size, whatever `max_pixels` it had.
        max_pixels = max(DetectorConfig().max_pixels, self.image_size[0] * self.image_size[1])
        image = load_image(img, color=color, value_range=value_range, layout=layout, max_pixels=max_pixels, exif=exif)
        height, width = image.shape[:2]
        if (width, height) != self.image_size:
            raise ConfigError(
                f"img must be the image of the detection, {self.image_size[0]}x{self.image_size[1]} pixels "
                f"(Faces.scale adapts the faces to a resized one), got {width}x{height}"
            )
        return image

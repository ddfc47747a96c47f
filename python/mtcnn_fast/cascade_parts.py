"""The part of `mtcnn_fast.Detector` that runs the cascade in parts, and on tensors that stay on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mtcnn_fast._types import Color, Image, Layout, Size, ValueRange
from mtcnn_fast.checks.arrays import Array
from mtcnn_fast.errors import BackendUnavailableError, ImageError
from mtcnn_fast.images.load import load_with_size
from mtcnn_fast.images.sources import is_array
from mtcnn_fast.views.settings import Views
from mtcnn_fast.views.windows import Window, cut_window

if TYPE_CHECKING:
    import numpy.typing as npt

    from mtcnn_fast.backends.cascade.steps import FacesTensor
    from mtcnn_fast.backends.shared import SharedBackend
    from mtcnn_fast.config import DetectorConfig
    from mtcnn_fast.faces import Faces

#: Largest side of an image in pixels: boxes are float32, which holds each whole number up to here.
MAX_SIDE = 2**24

_BOXES = Array((None, 4))


class CascadeParts:
    """Methods of `mtcnn_fast.Detector` beside its detection of images."""

    _config: DetectorConfig
    _shared: SharedBackend

    def _load(self, image: Any, **reading: Any) -> Image:
        """Load an image as `detect` does, and refuse one whose pixels float32 cannot count."""
        return self._read(image, **reading)[0]

    def _read(self, image: Any, *, least_side: int | None = None, **reading: Any) -> tuple[Image, Size]:
        pixels, size = load_with_size(image, max_pixels=self._config.max_pixels, least_side=least_side, **reading)
        if max(size) > MAX_SIDE:
            raise ImageError(f"image must have at most {MAX_SIDE} pixels a side, got {size[0]} x {size[1]} pixels")
        return pixels, size

    def _window(self, image: Any, *, views: Views, keep_image: bool, **reading: Any) -> Window:
        """Load what of an image is searched."""
        least_side = None if views.roi is not None or keep_image else views.max_side
        pixels, size = self._read(image, least_side=least_side, **reading)
        kept = _own(pixels, image) if keep_image else None
        return cut_window(pixels, size, views, kept)

    def detect_tensor(self, images: Any) -> FacesTensor:
        """Find the faces in images that are on the device, and leave the result there, without waiting for it.

        Parameters
        ----------
        images : (B, H, W, 3) or (B, 3, H, W) uint8 array, or sequence of (H, W, 3) or (3, H, W)
            RGB, any strides, on the detector's device; not copied. Tensors of torch; on ``cuda`` in float32 also arrays
            of any library with DLPack or ``__cuda_array_interface__``. They must stay as they are until the stream that
            does the work has reached its end: torch's current one for tensors, else the legacy default stream.

        Returns
        -------
        FacesTensor
            Padded ``boxes (B, F, 4)``, ``scores (B, F)``, ``landmarks (B, F, 5, 2)`` float32 in pixels, ``counts (B,)``
            and ``overflow (1,)`` int32. Where the latter is not 0 there was too little room and faces may be missing;
            `detect_batch` would have tried again with more. They are tensors if there is one among the images, else
            arrays with DLPack, ``__cuda_array_interface__`` and a method ``numpy``.

        Raises
        ------
        ImageError
            If a tensor has another type, shape or device.
        BackendUnavailableError
            If the detector is on a device other than ``torch:cpu`` and ``cuda``.
        """
        with self._shared.lent() as backend:
            if backend.on_tensors is None:
                raise BackendUnavailableError(
                    f"detect_tensor needs a detector on torch:cpu or cuda, and this one is on {backend.name!r}"
                )
            return backend.on_tensors.detect_tensor(images)

    def propose(
        self,
        image: Any,
        *,
        color: Color = "rgb",
        value_range: ValueRange | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return what the first network proposes: many boxes, most of them no faces.

        Parameters
        ----------
        image, color, value_range, layout, exif
            As for `mtcnn_fast.Detector.detect`.

        Returns
        -------
        boxes : (N, 4) float32 ndarray
            Corners of squares, in pixels, regressed; they may leave the image, but not wholly.
        scores : (N,) float32 ndarray

        Raises
        ------
        ImageError, BackendError
            As for `mtcnn_fast.Detector.detect`.
        """
        with self._shared.lent() as backend:
            pixels = self._load(image, color=color, value_range=value_range, layout=layout, exif=exif)
            return backend.propose([pixels])[0]

    def refine(
        self,
        image: Any,
        boxes: npt.ArrayLike,
        *,
        color: Color = "rgb",
        value_range: ValueRange | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
    ) -> Faces:
        """Find the faces in given boxes by the second and the third network: in those of a tracker, say.

        Parameters
        ----------
        image, color, value_range, layout, exif
            As for `mtcnn_fast.Detector.detect`.
        boxes : (N, 4) array_like
            Corners in pixels, finite. The networks were trained on squares: other boxes are enlarged to one about
            their centre. A box without a pixel inside the image is left out.

        Returns
        -------
        Faces
            Highest score first, at most one for each box.

        Raises
        ------
        ConfigError
            If `boxes` is of another shape or not finite.
        ImageError, BackendError
            As for `mtcnn_fast.Detector.detect`.
        """
        corners = _BOXES("boxes", boxes)
        with self._shared.lent() as backend:
            pixels = self._load(image, color=color, value_range=value_range, layout=layout, exif=exif)
            return backend.refine([pixels], [corners])[0]


def _own(pixels: Image, given: Any) -> Image:
    """Return the pixels read-only, and copied where whoever gave them can change them."""
    # Arrays and tensors may share their memory; files and PIL images never do.
    own = pixels.copy() if is_array(given) else pixels
    own.setflags(write=False)
    return own

"""`Detector`: one call from an image to its faces."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from mtcnn_fast._types import Color, Layout, ValueRange
from mtcnn_fast.async_detection import AsyncDetection, Workers
from mtcnn_fast.backends import create_backend, parse_device
from mtcnn_fast.backends.shared import SharedBackend
from mtcnn_fast.checks import Choice
from mtcnn_fast.config import DEFAULTS, PRESETS, WEIGHTS, Border, DetectorConfig, Filter, Precision, is_named
from mtcnn_fast.detection_options import SingleOptions
from mtcnn_fast.errors import ConfigError, WeightsError
from mtcnn_fast.migration import ARGUMENTS, DETECTOR, SETTINGS, missing_attribute, refuse_arguments
from mtcnn_fast.moving_pictures import MovingPictures
from mtcnn_fast.views.search import search
from mtcnn_fast.views.settings import Tiles, Views

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Unpack

    from mtcnn_fast.faces import Faces
    from mtcnn_fast.weights import Weights


class Detector(AsyncDetection, MovingPictures):
    """Finds faces and their five landmarks.

    Parameters
    ----------
    device : str
        ``auto`` (cuda, else cpu, else numpy), ``numpy``, ``cpu``, ``torch:cpu``, ``cuda`` or ``cuda:N``.
    min_face_size, max_face_size, thresholds, factor, nms_thresholds, border, max_faces, max_pixels, num_threads, \
precision, filter
        Settings of the detection, see `DetectorConfig`.
    weights : path-like, str, Weights or None
        The networks: the name of weights that come with the package, see `mtcnn_fast.config.WEIGHTS`; a folder with
        ``p.safetensors``, ``r.safetensors`` and ``o.safetensors``, or one safetensors file with all three. ``None``
        takes ``"zhang2016"``.

    Raises
    ------
    ConfigError
        If a setting or the device string is not accepted, or the device cannot compute in `precision` or has no
        `filter`, or no margin of the filter is known for the weights.
    MisuseError
        If there is no setting of a name; the message says what takes its place.
    BackendUnavailableError
        If the device cannot be used here; the message says why and how to get it.
    WeightsError
        If the weights are missing, damaged or of the wrong form.

    Notes
    -----
    `detect_video` and `detect_stream` go through moving pictures. `propose` and `refine` are the cascade in two parts.
    On the devices ``torch:cpu`` and ``cuda`` there is also `detect_tensor`, for images and results that stay on the
    device.

    A detector can be used by several threads at once, serves as a context manager, and can be pickled: the copy makes a
    backend of its own when it is first used, and weights other than the package's travel with it.

    Examples
    --------
    >>> detector = Detector(min_face_size=40)
    >>> faces = detector.detect("photo.jpg")
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        min_face_size: float = DEFAULTS.min_face_size,
        max_face_size: float | None = DEFAULTS.max_face_size,
        thresholds: tuple[float, float, float] = DEFAULTS.thresholds,
        factor: float = DEFAULTS.factor,
        nms_thresholds: tuple[float, float, float, float] = DEFAULTS.nms_thresholds,
        border: Border = DEFAULTS.border,
        max_faces: int | None = DEFAULTS.max_faces,
        max_pixels: int = DEFAULTS.max_pixels,
        num_threads: int | None = DEFAULTS.num_threads,
        precision: Precision = DEFAULTS.precision,
        filter: Filter | None = DEFAULTS.filter,
        weights: str | os.PathLike[str] | Weights | None = None,
        **unknown: NoReturn,
    ) -> None:
        if unknown:
            names = ["device", *(field.name for field in dataclasses.fields(DetectorConfig)), "weights"]
            refuse_arguments("Detector has no setting", unknown, SETTINGS, names)
        config = DetectorConfig(
            min_face_size=min_face_size,
            max_face_size=max_face_size,
            thresholds=thresholds,
            factor=factor,
            nms_thresholds=nms_thresholds,
            border=border,
            max_faces=max_faces,
            max_pixels=max_pixels,
            num_threads=num_threads,
            precision=precision,
            filter=filter,
        )
        parse_device(device)
        self._setup(config, device, _kept(weights))
        # Made now, so that a device which cannot be used is told at once.
        with self._shared.lent():
            pass

    @classmethod
    def from_config(
        cls,
        config: DetectorConfig,
        device: str = "auto",
        *,
        weights: str | os.PathLike[str] | Weights | None = None,
    ) -> Detector:
        """Make a detector from settings that are already together; parameters and errors are those of the class."""
        if not isinstance(config, DetectorConfig):
            raise ConfigError(f"config must be a DetectorConfig, got {config!r} ({type(config).__name__})")
        settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
        return cls(device, weights=weights, **settings)

    @classmethod
    def from_preset(cls, name: str, device: str = "auto", **settings: Any) -> Detector:
        """Make a detector with settings that were chosen by measurement, see ``docs/evaluation.md``.

        Parameters
        ----------
        name : {"default", "balanced", "fast", "accurate"}
            ``balanced`` looks for faces from 25 pixels on at fewer scales, in half of the time: with
            ``weights="wider"`` as accurate as the default. ``fast`` looks for faces from 40 pixels on; ``accurate``
            from 10 pixels on, and gives more uncertain faces with low scores too. A preset is a key of
            `mtcnn_fast.config.PRESETS`, which has the numbers.
        device : str
            As for the class.
        **settings
            Further settings of the class; they take the place of the preset's own.

        Raises
        ------
        ConfigError
            If there is no such preset, or as the class raises it.
        """
        return cls(device, **{**PRESETS[Choice(tuple(PRESETS))("name", name)], **settings})

    @property
    def config(self) -> DetectorConfig:
        """The settings, immutable."""
        return self._config

    @property
    def device(self) -> str:
        """The device that was asked for, such as ``"auto"``."""
        return self._device

    @property
    def backend(self) -> str:
        """The name of the backend that does the work, such as ``"cpu"``."""
        with self._shared.lent() as backend:
            return backend.name

    @property
    def weights_name(self) -> str:
        """The name of the weights, such as ``"zhang2016"``; of others than the package's, their folder or file."""
        if self._weights is None:
            return WEIGHTS[0]
        return self._weights if isinstance(self._weights, str) else self._weights.source

    def _setup(self, config: DetectorConfig, device: str, weights: str | Weights | None) -> None:
        self._config = config
        self._device = device
        self._weights = weights
        self._workers = Workers()
        self._shared = self._sharing()

    def _sharing(self, **changes: Any) -> SharedBackend:
        config, device, weights = dataclasses.replace(self._config, **changes), self._device, self._weights
        return SharedBackend(lambda: create_backend(device, config, _weights(weights)))

    def detect(
        self,
        image: Any,
        *,
        color: Color = "rgb",
        value_range: ValueRange | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
        profile: bool = False,
        trace: bool = False,
        keep_image: bool = False,
        roi: tuple[float, float, float, float] | None = None,
        max_side: int | None = None,
        rotations: Sequence[int] = (0,),
        tiles: Tiles | None = None,
        tile_overlap: int | None = None,
        **unknown: NoReturn,
    ) -> Faces:
        """Find the faces in one image; ``detector(image)`` is the same.

        Parameters
        ----------
        image : str, path-like, PIL image or array
            A file, or pixels; see `mtcnn_fast.images.load_image` for all that is accepted.
        color, value_range, layout
            What the numbers of an array mean, see `mtcnn_fast.images.load_image`.
        exif : bool, optional
            Whether the EXIF orientation turns a PIL image upright; by default, unless the image was made from another
            by one of PIL's methods. Files are always turned upright.
        profile : bool
            Attach the seconds spent in each stage as ``timings``.
        trace : bool
            Attach the candidates of each stage as ``trace``; `Faces.explain` tells from it why a face is missed. Only
            where the whole image is searched once, as it is.
        keep_image : bool
            Attach the upright image as ``image``, which notebooks then show; `Faces.draw` and the like need none. An
            array is copied, so that later changes of it do not count.
        roi : (x1, y1, x2, y2), optional
            Search this part of the image only.
        max_side : int, optional
            Shrink the image, or its `roi`, before the search, if its longer side is above this. Sizes of faces
            then count pixels of the shrunk image. A JPEG file is decoded at a half, a quarter or an eighth of its
            size where that is enough (but with `roi` or `keep_image`), which is quicker and changes pixels slightly.
        rotations : sequence of int
            Of 0, 90, 180 and 270: by how many degrees clockwise faces may be turned, about, as `Face.roll` gives it.
            Each is one more search. Landmarks of a turned face are in the order that they have when it is upright.
        tiles : int or "auto", optional
            Search images with a longer side above this in square tiles of this side (``"auto"``: 4096), and faces too
            large for the tiles in smaller copies of the image.
        tile_overlap : int, optional
            Pixels that neighbouring tiles share, by default a quarter of their side, at most 512.

        Returns
        -------
        Faces
            Highest score first; empty where there is no face. In pixels of the upright, whole image.

        Raises
        ------
        ImageError
            If the image is not accepted, or has no pixel in `roi`; the message names what was given and what is
            accepted.
        ConfigError
            If another argument is not accepted, see `mtcnn_fast.views.settings.Views`.
        MisuseError
            If there is no argument of a name; the message says what takes its place.
        BackendError
            If the detector is closed, or the backend fails.

        Notes
        -----
        With `roi` the faces are exactly those of the part cut out, moved; with one of `rotations` exactly those of the
        turned image, turned back; with `max_side` exactly those of the shrunk image, times the factor. Tiles are not
        exact: the scales of the pyramid fall on other pixels than in the whole image, so boxes differ by a few pixels
        and faces near a threshold come or go; an image that fits into one tile is searched as without tiles. Of faces
        from several searches that share more than half of the smaller one's box, the best is kept.
        """
        if unknown:
            refuse_arguments("detect has no argument", unknown, ARGUMENTS, SingleOptions.__annotations__)
        views = Views.of(roi, max_side, rotations, tiles, tile_overlap)
        views.check_with(self._config, trace=trace)
        with self._shared.lent() as backend:
            window = self._window(
                image,
                views=views,
                keep_image=keep_image,
                color=color,
                value_range=value_range,
                layout=layout,
                exif=exif,
            )
            faces = search(backend, [window], views, self._config, profile=profile, trace=trace)[0]
        return faces._with_settings(self._config) if trace else faces

    def __call__(self, image: Any, **options: Unpack[SingleOptions]) -> Faces:
        """Find the faces in one image; this is `detect`."""
        return self.detect(image, **options)

    def warmup(self) -> None:
        """Allocate and compile now what the first detection would have to.

        Raises
        ------
        BackendError
            If the detector is closed, or the backend fails.
        """
        with self._shared.lent() as backend:
            backend.warmup()

    def close(self) -> None:
        """Release threads and memory; closing twice is allowed, any other use afterwards raises `BackendError`.

        Detections that other threads have under way are finished first, without this call waiting for them.
        """
        self._shared.close()
        self._workers.close()

    def __enter__(self) -> Detector:
        self._shared.check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> tuple[DetectorConfig, str, str | Weights | None, bool]:
        return self._config, self._device, self._weights, self._shared.closed

    def __setstate__(self, state: tuple[DetectorConfig, str, str | Weights | None, bool]) -> None:
        config, device, weights, closed = state
        self._setup(config, device, weights)
        if closed:
            self.close()

    if not TYPE_CHECKING:  # a checker of types reports these itself

        def __getattr__(self, name: str) -> NoReturn:
            missing_attribute(self, name, DETECTOR)

    def __repr__(self) -> str:
        parts = [repr(self._device)]
        for field in dataclasses.fields(DetectorConfig):
            value = getattr(self._config, field.name)
            if value != getattr(DEFAULTS, field.name):
                parts.append(f"{field.name}={value!r}")
        if self._weights is not None:
            parts.append(f"weights={self.weights_name!r}")
        state = "closed" if self._shared.closed else f"on {self._shared.name or 'no backend yet'}"
        return f"<Detector({', '.join(parts)}), {state}>"


def _kept(given: str | os.PathLike[str] | Weights | None) -> str | Weights | None:
    """Return what a detector keeps of its weights.

    The package's own by name: a pickled detector finds them where it is restored.
    """
    if is_named(given):
        return None if given == WEIGHTS[0] else str(given)
    return None if given is None else _weights(given)


def _weights(given: object) -> Weights:
    """Return the weights that an argument stands for; None stands for the default."""
    # Imported when a detector is made, which is when files are read.
    from mtcnn_fast.weights import Weights, load_weights

    if isinstance(given, Weights):
        return given
    if given is not None and not isinstance(given, (str, os.PathLike)):
        accepted = f"one of {', '.join(WEIGHTS)}, a path, Weights or None"
        raise WeightsError(f"weights must be {accepted}, got {given!r} ({type(given).__name__})")
    return load_weights(given)

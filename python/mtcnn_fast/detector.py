"""`Detector`: one call from an image to its faces."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

from mtcnn_fast._types import Color, Image, Layout, ValueRange
from mtcnn_fast.backends import batch_size as best_batch_size
from mtcnn_fast.backends import create_backend, parse_device
from mtcnn_fast.backends.shared import SharedBackend
from mtcnn_fast.cascade_parts import CascadeParts
from mtcnn_fast.checks import Choice, Count
from mtcnn_fast.config import DEFAULTS, PRESETS, Border, DetectorConfig, Precision
from mtcnn_fast.errors import ConfigError, ImageError, MisuseError, WeightsError
from mtcnn_fast.images import split_batch
from mtcnn_fast.images.batches import files_ahead, gather
from mtcnn_fast.migration import DETECTOR, SETTINGS, hint, missing_attribute

if TYPE_CHECKING:
    from types import TracebackType

    from mtcnn_fast.faces import Faces
    from mtcnn_fast.weights import Weights


# Where no batch size is asked for, large images end a batch early: it holds at most 96 MB of pixels and one image more.
_BATCH_PIXELS = 32_000_000


class Detector(CascadeParts):
    """Finds faces and their five landmarks.

    Parameters
    ----------
    device : str
        ``auto`` (cuda, else cpu, else numpy), ``numpy``, ``cpu``, ``torch:cpu``, ``cuda`` or ``cuda:N``.
    min_face_size, max_face_size, thresholds, factor, nms_thresholds, border, max_faces, max_pixels, num_threads, \
precision
        Settings of the detection, see `DetectorConfig`.
    weights : path-like, str, Weights or None
        The networks: a folder with ``p.safetensors``, ``r.safetensors`` and ``o.safetensors``, or one safetensors file
        with all three; ``None`` takes those that come with the package.

    Raises
    ------
    ConfigError
        If a setting or the device string is not accepted, or the device cannot compute in `precision`.
    MisuseError
        If there is no setting of a name; the message says what takes its place.
    BackendUnavailableError
        If the device cannot be used here; the message says why and how to get it.
    WeightsError
        If the weights are missing, damaged or of the wrong form.

    Notes
    -----
    `propose` and `refine` are the cascade in two parts. On the devices ``torch:cpu`` and ``cuda`` there is also
    `detect_tensor`, for images and results that stay on the device.

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
        weights: str | os.PathLike[str] | Weights | None = None,
        **unknown: NoReturn,
    ) -> None:
        if unknown:
            _refuse(unknown)
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
        )
        parse_device(device)
        # The package's own are not kept: a pickled detector finds them where it is restored.
        self._setup(config, device, None if weights is None else _weights(weights))
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
        name : {"default", "fast", "accurate"}
            ``fast`` looks for faces from 40 pixels on; ``accurate`` from 10 pixels on, and gives more uncertain faces
            with low scores too. A preset is a key of `mtcnn_fast.config.PRESETS`, which has the numbers.
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

    def _setup(self, config: DetectorConfig, device: str, weights: Weights | None) -> None:
        self._config = config
        self._device = device
        self._weights = weights
        self._shared = SharedBackend(lambda: create_backend(device, config, weights or _weights(None)))

    def detect(
        self,
        image: Any,
        *,
        color: Color = "rgb",
        value_range: ValueRange | None = None,
        layout: Layout = "hwc",
        profile: bool = False,
        trace: bool = False,
    ) -> Faces:
        """Find the faces in one image.

        Parameters
        ----------
        image : str, path-like, PIL image or array
            A file, or pixels; see `mtcnn_fast.images.load_image` for all that is accepted.
        color, value_range, layout
            What the numbers of an array mean, see `mtcnn_fast.images.load_image`.
        profile : bool
            Attach the seconds spent in each stage as ``timings``.
        trace : bool
            Attach the candidates of each stage as ``trace``; `Faces.explain` tells from it why a face is missed.

        Returns
        -------
        Faces
            Highest score first; empty where there is no face.

        Raises
        ------
        ImageError
            If the image is not accepted; the message names what was given and what is accepted.
        BackendError
            If the detector is closed, or the backend fails.
        """
        with self._shared.lent() as backend:
            pixels = self._load(image, color=color, value_range=value_range, layout=layout)
            faces = backend.detect([pixels], profile=profile, trace=trace)[0]
            return faces._with_settings(self._config) if trace else faces

    def detect_batch(
        self,
        images: Any,
        *,
        batch_size: int | None = None,
        progress: bool = False,
        color: Color = "rgb",
        value_range: ValueRange | None = None,
        layout: Layout = "hwc",
    ) -> list[Faces]:
        """Find the faces in several images, which may differ in size and kind.

        Parameters
        ----------
        images : iterable of images, or array
            Anything that `detect` accepts, or one array ``(N, H, W, C)``, or ``(N, C, H, W)`` with ``layout="chw"``.
        batch_size : int or None
            How many images the backend gets at once; ``None`` chooses by their size. The result does not depend on it.
        progress : bool
            Show a bar with rate and time left on standard error, if that is a terminal.
        color, value_range, layout
            What the numbers of arrays mean, see `mtcnn_fast.images.load_image`.

        Returns
        -------
        list of Faces
            One for each image, in their order, each what `detect` returns for that image.

        Raises
        ------
        ImageError
            If an image is not accepted; the message begins with its place, such as ``images[3]``.
        ConfigError
            If `batch_size` is not a whole number of at least 1.
        BackendError
            If the detector is closed, or the backend fails.
        """
        found = self.detect_iter(images, batch_size=batch_size, color=color, value_range=value_range, layout=layout)
        if not progress:
            return list(found)
        from mtcnn_fast.progress import track

        return list(track(found, len(images) if isinstance(images, Sized) else None))

    @overload
    def detect_iter(
        self,
        images: Any,
        *,
        batch_size: int | None = ...,
        on_error: Literal["raise"] = ...,
        color: Color = ...,
        value_range: ValueRange | None = ...,
        layout: Layout = ...,
    ) -> Iterator[Faces]: ...

    @overload
    def detect_iter(
        self,
        images: Any,
        *,
        batch_size: int | None = ...,
        on_error: Literal["return"],
        color: Color = ...,
        value_range: ValueRange | None = ...,
        layout: Layout = ...,
    ) -> Iterator[Faces | ImageError]: ...

    def detect_iter(
        self,
        images: Any,
        *,
        batch_size: int | None = None,
        on_error: Literal["raise", "return"] = "raise",
        color: Color = "rgb",
        value_range: ValueRange | None = None,
        layout: Layout = "hwc",
    ) -> Iterator[Faces | ImageError]:
        """Find the faces in a stream of images of any length.

        `images` is read as results are taken, never more than one batch ahead, so a generator of a million images needs
        the memory of a batch. Of a list of files a few more are decoded meanwhile, unless `num_threads`
        is 1. For a live source, where each result is wanted at once, use ``batch_size=1``.

        Parameters
        ----------
        images, batch_size, color, value_range, layout
            As for `detect_batch`.
        on_error : {"raise", "return"}
            What an image that is not accepted does: end the iteration with its `ImageError`, after the results of the
            images before it; or take its place among the results as an `ImageError`, so that the others go on.

        Yields
        ------
        Faces, or ImageError where `on_error` is ``"return"``
            One for each image, in their order.

        Raises
        ------
        ImageError, ConfigError, BackendError
            As `detect_batch` does; ConfigError also if `on_error` is not accepted.
        """
        # Checked here, not in the generator, so that a wrong argument shows where it was given.
        if on_error not in ("raise", "return"):
            raise ConfigError(f"on_error must be 'raise' or 'return', got {on_error!r}")
        self._shared.check_open()
        limit = best_batch_size(self.backend) if batch_size is None else Count()("batch_size", batch_size)
        load = functools.partial(self._load, color=color, value_range=value_range, layout=layout)
        batches = gather(
            split_batch(images, layout),
            load,
            batch_size=limit,
            batch_pixels=_BATCH_PIXELS if batch_size is None else None,
            stop_at_error=on_error == "raise",
            ahead=files_ahead(images, self._config.num_threads),
        )
        return self._stream(batches, on_error)

    def _stream(
        self, batches: Iterator[list[Image | ImageError]], on_error: Literal["raise", "return"]
    ) -> Iterator[Faces | ImageError]:
        for batch in batches:
            readable = [item for item in batch if not isinstance(item, ImageError)]
            with self._shared.lent() as backend:
                found = iter(backend.detect(readable) if readable else ())
            for item in batch:
                if not isinstance(item, ImageError):
                    yield next(found)
                elif on_error == "return":
                    yield item
                else:
                    raise item
            # Let go of the images before the next batch is read.
            batch.clear()
            readable.clear()

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

    def __enter__(self) -> Detector:
        self._shared.check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> tuple[DetectorConfig, str, Weights | None, bool]:
        return self._config, self._device, self._weights, self._shared.closed

    def __setstate__(self, state: tuple[DetectorConfig, str, Weights | None, bool]) -> None:
        config, device, weights, closed = state
        self._setup(config, device, weights)
        if closed:
            self.close()

    if not TYPE_CHECKING:  # a checker of types reports these itself

        def __getattr__(self, name: str) -> NoReturn:
            missing_attribute(self, name, DETECTOR)

        def __call__(self, *arguments: object, **settings: object) -> NoReturn:
            """Raise MisuseError: a detector detects by its methods."""
            raise MisuseError("a Detector is not called; use detector.detect(image), or detect_batch for several")

    def __repr__(self) -> str:
        parts = [repr(self._device)]
        for field in dataclasses.fields(DetectorConfig):
            value = getattr(self._config, field.name)
            if value != getattr(DEFAULTS, field.name):
                parts.append(f"{field.name}={value!r}")
        if self._weights is not None:
            parts.append(f"weights={self._weights.source!r}")
        state = "closed" if self._shared.closed else f"on {self._shared.name or 'no backend yet'}"
        return f"<Detector({', '.join(parts)}), {state}>"


def _refuse(unknown: Mapping[str, object]) -> NoReturn:
    """Raise MisuseError for settings that do not exist."""
    name = next(iter(unknown))
    names = ["device", *(field.name for field in dataclasses.fields(DetectorConfig)), "weights"]
    ending = hint(name, SETTINGS, names) or f"; its settings are {', '.join(names)}"
    raise MisuseError(f"Detector has no setting {name!r}{ending}")


def _weights(given: object) -> Weights:
    """Return the weights that an argument stands for; None stands for the package's."""
    # Imported when a detector is made, which is when files are read.
    from mtcnn_fast.weights import Weights, load_weights

    if isinstance(given, Weights):
        return given
    if given is not None and not isinstance(given, (str, os.PathLike)):
        raise WeightsError(f"weights must be a path, Weights or None, got {given!r} ({type(given).__name__})")
    return load_weights(given)

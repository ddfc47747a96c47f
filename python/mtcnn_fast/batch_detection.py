"""The part of `mtcnn_fast.Detector` that finds faces in many images."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

from mtcnn_fast._types import Color, Layout, ValueRange
from mtcnn_fast.backends import batch_size as best_batch_size
from mtcnn_fast.cascade_parts import CascadeParts
from mtcnn_fast.checks import Count
from mtcnn_fast.detection_options import BatchOptions, StreamOptions
from mtcnn_fast.errors import ConfigError, ImageError
from mtcnn_fast.images import split_batch
from mtcnn_fast.images.batches import files_ahead, gather
from mtcnn_fast.migration import ARGUMENTS, refuse_arguments
from mtcnn_fast.views.search import search
from mtcnn_fast.views.settings import Tiles, Views
from mtcnn_fast.views.windows import Window

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from mtcnn_fast.faces import Faces

OnError = Literal["raise", "return"]

# Where no batch size is asked for, large images end a batch early: it holds at most 96 MB of pixels and one image more.
_BATCH_PIXELS = 32_000_000


class BatchDetection(CascadeParts):
    """Methods of `mtcnn_fast.Detector` for many images."""

    @overload
    def detect_batch(
        self, images: Any, *, on_error: Literal["raise"] = ..., **options: Unpack[BatchOptions]
    ) -> list[Faces]: ...

    @overload
    def detect_batch(
        self, images: Any, *, on_error: Literal["return"], **options: Unpack[BatchOptions]
    ) -> list[Faces | ImageError]: ...

    def detect_batch(
        self,
        images: Any,
        *,
        batch_size: int | None = None,
        progress: bool = False,
        on_error: OnError = "raise",
        color: Color = "rgb",
        value_range: ValueRange | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
        profile: bool = False,
        keep_image: bool = False,
        roi: tuple[float, float, float, float] | None = None,
        max_side: int | None = None,
        rotations: Sequence[int] = (0,),
        tiles: Tiles | None = None,
        tile_overlap: int | None = None,
        **unknown: NoReturn,
    ) -> list[Faces] | list[Faces | ImageError]:
        """Find the faces in several images, which may differ in size and kind.

        Parameters
        ----------
        images : iterable of images, array, or str or path-like
            Anything that `detect` accepts; one array ``(N, H, W, C)``, or ``(N, C, H, W)`` with ``layout="chw"``; or a
            folder or a pattern such as ``"photos/**/*.jpg"``, for the files of `mtcnn_fast.list_images`, in its order.
        batch_size : int or None
            How many images the backend gets at once; ``None`` chooses by their size. The result does not depend on it.
        progress : bool
            Show a bar with rate and time left on standard error, if that is a terminal.
        on_error : {"raise", "return"}
            What an image that is not accepted does: raise its `ImageError`; or take its place among the results as an
            `ImageError`, so that the others are not lost.
        color, value_range, layout, exif, profile, keep_image, roi, max_side, rotations, tiles, tile_overlap
            As for `detect`, for every image. Seconds of a stage that works on several images at once are shared out.

        Returns
        -------
        list of Faces, and of ImageError where `on_error` is ``"return"``
            One for each image, in their order, each what `detect` returns for that image.

        Raises
        ------
        ImageError
            If an image is not accepted; the message begins with its place, such as ``images[3]``. If a folder or a
            pattern has no image.
        ConfigError
            If another argument is not accepted.
        MisuseError
            If there is no argument of a name; the message says what takes its place.
        BackendError
            If the detector is closed, or the backend fails.
        """
        if unknown:
            refuse_arguments(
                "detect_batch has no argument", unknown, ARGUMENTS, ("on_error", *BatchOptions.__annotations__)
            )
        listed = split_batch(images, layout)
        found: Iterator[Faces | ImageError] = self._found(
            listed,
            batch_size,
            on_error,
            Views.of(roi, max_side, rotations, tiles, tile_overlap),
            keep_image=keep_image,
            profile=profile,
            color=color,
            value_range=value_range,
            layout=layout,
            exif=exif,
        )
        if not progress:
            return list(found)
        from mtcnn_fast.progress import track

        return list(track(found, len(listed) if isinstance(listed, Sized) else None))

    @overload
    def detect_iter(
        self, images: Any, *, on_error: Literal["raise"] = ..., **options: Unpack[StreamOptions]
    ) -> Iterator[Faces]: ...

    @overload
    def detect_iter(
        self, images: Any, *, on_error: Literal["return"], **options: Unpack[StreamOptions]
    ) -> Iterator[Faces | ImageError]: ...

    def detect_iter(
        self,
        images: Any,
        *,
        batch_size: int | None = None,
        on_error: OnError = "raise",
        color: Color = "rgb",
        value_range: ValueRange | None = None,
        layout: Layout = "hwc",
        exif: bool | None = None,
        profile: bool = False,
        keep_image: bool = False,
        roi: tuple[float, float, float, float] | None = None,
        max_side: int | None = None,
        rotations: Sequence[int] = (0,),
        tiles: Tiles | None = None,
        tile_overlap: int | None = None,
        **unknown: NoReturn,
    ) -> Iterator[Faces | ImageError]:
        """Find the faces in a stream of images of any length.

        `images` is read as results are taken, never more than one batch ahead, so a generator of a million images needs
        the memory of a batch. Of a list of files a few more are decoded meanwhile, unless `num_threads`
        is 1. For a live source, where each result is wanted at once, use ``batch_size=1``.

        Parameters
        ----------
        images, batch_size, color, value_range, layout, exif, profile, keep_image, roi, max_side, rotations, tiles, \
tile_overlap
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
        ImageError, ConfigError, MisuseError, BackendError
            As `detect_batch` does.
        """
        if unknown:
            refuse_arguments(
                "detect_iter has no argument", unknown, ARGUMENTS, ("on_error", *StreamOptions.__annotations__)
            )
        return self._found(
            split_batch(images, layout),
            batch_size,
            on_error,
            Views.of(roi, max_side, rotations, tiles, tile_overlap),
            keep_image=keep_image,
            profile=profile,
            color=color,
            value_range=value_range,
            layout=layout,
            exif=exif,
        )

    def _found(
        self, images: Any, batch_size: int | None, on_error: OnError, views: Views, *, profile: bool, **reading: Any
    ) -> Iterator[Faces | ImageError]:
        # Checked here, not in the generator, so that a wrong argument shows where it was given.
        if on_error not in ("raise", "return"):
            raise ConfigError(f"on_error must be 'raise' or 'return', got {on_error!r}")
        views.check_with(self._config, trace=False)
        self._shared.check_open()
        with self._shared.lent() as backend:
            best = best_batch_size(backend.name)
        limit = best if batch_size is None else Count()("batch_size", batch_size)
        batches = gather(
            images,
            functools.partial(self._window, views=views, **reading),
            batch_size=limit,
            batch_pixels=_BATCH_PIXELS if batch_size is None else None,
            stop_at_error=on_error == "raise",
            ahead=files_ahead(images, self._config.num_threads),
        )
        return self._stream(batches, on_error, views, profile)

    def _stream(
        self, batches: Iterator[list[Window | ImageError]], on_error: OnError, views: Views, profile: bool
    ) -> Iterator[Faces | ImageError]:
        for batch in batches:
            readable = [item for item in batch if not isinstance(item, ImageError)]
            with self._shared.lent() as backend:
                found = iter(search(backend, readable, views, self._config, profile=profile))
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

"""Running a backend on all parts of images, and joining what is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Bools, Doubles, Image
from mtcnn_fast.backends.base import Backend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces import Faces
from mtcnn_fast.views.parts import Place, parts_of
from mtcnn_fast.views.settings import Views
from mtcnn_fast.views.windows import Window

#: Intersection over the smaller area above which two faces of different parts are one.
SAME = 0.5

#: Pixels and parts that a backend gets at once where an image has several.
CALL_PIXELS = 16_000_000
CALL_PARTS = 8


def search(
    backend: Backend,
    windows: Sequence[Window],
    views: Views,
    config: DetectorConfig,
    *,
    profile: bool = False,
    trace: bool = False,
) -> list[Faces]:
    """Find the faces of each window, in pixels of the image that it belongs to.

    Parameters
    ----------
    backend : Backend
    windows : sequence of Window
    views : Views
    config : DetectorConfig
        That of the backend.
    profile, trace : bool
        As for `mtcnn_fast.backends.base.Backend.detect`; times are the sums over an image's parts.

    Returns
    -------
    list of Faces
        One for each window, in their order: highest score first, ties by x1, y1, x2, y2.
    """
    if not windows:
        return []
    if not views.several:
        found = backend.detect([window.pixels for window in windows], profile=profile, trace=trace)
        return [window.result(faces) for window, faces in zip(windows, found, strict=True)]
    results: list[list[tuple[Place, Faces]]] = [[] for _ in windows]
    for call in _calls([window.pixels for window in windows], views, config):
        found = backend.detect([pixels for _, pixels, _ in call], profile=profile)
        for (number, _, place), faces in zip(call, found, strict=True):
            results[number].append((place, faces))
        # Let go of these pixels before the next ones are made.
        call.clear()
    return [window.result(_joined(result, window, config)) for window, result in zip(windows, results, strict=True)]


def _calls(images: Sequence[Image], views: Views, config: DetectorConfig) -> Iterator[list[tuple[int, Image, Place]]]:
    """Yield the parts of all images, with the image's index, in the groups that a backend gets at once."""
    call: list[tuple[int, Image, Place]] = []
    area = 0
    for number, image in enumerate(images):
        for pixels, place in parts_of(image, views, config):
            call.append((number, pixels, place))
            area += place.width * place.height
            # Not held here while the next ones are made.
            del pixels
            if len(call) == CALL_PARTS or area >= CALL_PIXELS:
                yield call
                call, area = [], 0
    if call:
        yield call


def _joined(found: Sequence[tuple[Place, Faces]], window: Window, config: DetectorConfig) -> Faces:
    """Return the faces of a window that its parts have, each once."""
    height, width = window.shape[:2]
    if len(found) == 1 and found[0][0].same:
        return found[0][1]
    mapped = [place.back(faces) for place, faces in found]
    boxes, scores, landmarks = (np.concatenate(arrays) for arrays in zip(*mapped, strict=True))
    source = np.repeat(np.arange(len(mapped)), [len(part[1]) for part in mapped])
    order = np.lexsort((*boxes.T[::-1], -scores))
    kept = order[_first_of_each(boxes[order], source[order])][: config.max_faces]
    timings = None
    if found[0][1].timings is not None:
        times = [faces.timings or {} for _, faces in found]
        timings = {stage: sum(part.get(stage, 0.0) for part in times) for stage in times[0]}
    return Faces(boxes[kept], scores[kept], landmarks[kept], (width, height), timings)


def _first_of_each(boxes: Doubles, source: npt.NDArray[np.integer[Any]]) -> Bools:
    """Tell which boxes, the best first, do not show what a better box of another part shows.

    Faces of one part were told apart by the cascade itself.
    """
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    kept = np.zeros(len(boxes), bool)
    for i, box in enumerate(boxes):
        better = np.flatnonzero(kept & (source != source[i]))
        low, high = np.maximum(boxes[better, :2], box[:2]), np.minimum(boxes[better, 2:], box[2:])
        shared = (high - low).clip(0).prod(axis=1)
        kept[i] = not (shared > SAME * np.minimum(areas[better], areas[i])).any()
    return kept

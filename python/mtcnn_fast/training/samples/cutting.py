"""From one annotated image to its samples."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mtcnn_fast._types import Floats, Indices
from mtcnn_fast.datasets.records import FaceRecord
from mtcnn_fast.images import load_image
from mtcnn_fast.ops import crop_pad_resize
from mtcnn_fast.training.samples.allotment import Quota
from mtcnn_fast.training.samples.geometry import SIZES, STAGES, Stage, box_targets, landmark_targets, mirrors
from mtcnn_fast.training.samples.sample_options import SampleOptions
from mtcnn_fast.training.samples.sample_set import SampleBatch, SampleKind
from mtcnn_fast.training.samples.windows import (
    NOTHING,
    AnnotatedFaces,
    Chosen,
    choose,
    inside,
    jittered,
    negative_candidates,
)

#: Windows that are drawn around a face at a time, at least and at most, and how often that is tried: about a quarter of
#: them are positives, and a face more than 1.62 times as high as wide has no square window with enough overlap.
_LEAST_DRAWS = 24
_MOST_DRAWS = 256
_ROUNDS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class CutSettings:
    """What all images of a set have in common.

    Attributes
    ----------
    stage : {"p", "r", "o"}
    options : SampleOptions
    seed : int
    """

    stage: Stage
    options: SampleOptions
    seed: int

    def rng(self, number: int) -> np.random.Generator:
        """Return the source of randomness of an image, by its place among the records."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, STAGES.index(self.stage), number]))


def cut_record(
    settings: CutSettings, number: int, record: FaceRecord, quota: Quota, proposals: Floats | None = None
) -> SampleBatch:
    """Cut the samples of one image.

    Parameters
    ----------
    settings : CutSettings
    number : int
        The image's place among the records.
    record : FaceRecord
    quota : Quota
    proposals : (M, 4) float32, optional
        For R-Net and O-Net: the previous stages' boxes.

    Returns
    -------
    SampleBatch
        By kind. The same arguments give the same samples.

    Raises
    ------
    ImageError
        If the image cannot be read.
    """
    pixels = load_image(record.path)
    chosen = choose_windows(settings, number, record, quota, (pixels.shape[1], pixels.shape[0]), proposals)
    return cut(settings.stage, pixels, record, chosen)


def choose_windows(
    settings: CutSettings,
    number: int,
    record: FaceRecord,
    quota: Quota,
    image_size: tuple[int, int],
    proposals: Floats | None,
) -> Chosen:
    """Choose the windows of one image; parameters as for `cut_record`, with the image's ``(width, height)``."""
    options, rng = settings.options, settings.rng(number)
    faces = AnnotatedFaces(record, options.min_face)
    missing = {kind: counts.copy() for kind, counts in quota.of_faces.items()}
    parts = []
    if proposals is not None:
        # In random order, so that the choice is fair among scores.
        shuffled = proposals[rng.permutation(len(proposals))]
        kinds, nearest = faces.classify(shuffled)
        parts.append(choose(shuffled, kinds, nearest, missing))
        parts.append(_negatives(shuffled[kinds == SampleKind.NEGATIVE][: quota.negatives]))
    else:
        parts.append(_draw_negatives(faces, image_size, quota.negatives, options, rng))
    if proposals is None or options.top_up:
        # P-Net sees nothing but the image when it detects; what lists of landmarks show is too narrow for that.
        limits = image_size if settings.stage == "p" and record.complete else None
        parts += _draw_around(faces, missing, limits, settings, rng)
    return Chosen.joined(parts)


def _draw_around(
    faces: AnnotatedFaces,
    missing: dict[SampleKind, Indices],
    limits: tuple[int, int] | None,
    settings: CutSettings,
    rng: np.random.Generator,
) -> list[Chosen]:
    parts = []
    for _ in range(_ROUNDS):
        needing = np.flatnonzero(np.sum(list(missing.values()), axis=0))
        if not len(needing):
            break
        most = int(max(counts.max() for counts in missing.values()))
        draws = min(max(_LEAST_DRAWS, 4 * most), _MOST_DRAWS)
        corners = jittered(faces.boxes[needing], draws, settings.options, rng, whole=settings.stage == "p")
        kinds, nearest = faces.classify(corners)
        kinds[nearest != np.repeat(needing, draws)] = NOTHING
        if limits is not None:
            kinds[~inside(corners, limits)] = NOTHING
        parts.append(choose(corners, kinds, nearest, missing))
    return parts


def _draw_negatives(
    faces: AnnotatedFaces, image_size: tuple[int, int], count: int, options: SampleOptions, rng: np.random.Generator
) -> Chosen:
    found = np.empty((0, 4), np.float32)
    for _ in range(_ROUNDS):
        missing = count - len(found)
        if missing <= 0:
            break
        corners = negative_candidates(faces.usable, image_size, 2 * missing + 8, options.near, rng)
        kinds, _nearest = faces.classify(corners)
        found = np.concatenate([found, corners[kinds == SampleKind.NEGATIVE][:missing]])
    return _negatives(found)


def _negatives(corners: Floats) -> Chosen:
    count = len(corners)
    return Chosen(corners, np.full(count, int(SampleKind.NEGATIVE), np.int64), np.full(count, -1, np.int64))


def cut(stage: Stage, pixels: npt.NDArray[np.uint8], record: FaceRecord, chosen: Chosen) -> SampleBatch:
    """Cut windows out of an image as the detector does, rounded to 8 bits, and attach their targets.

    Parameters
    ----------
    stage : {"p", "r", "o"}
    pixels : (H, W, 3) uint8
    record : FaceRecord
    chosen : Chosen
        Windows without a pixel inside the image are left out.

    Returns
    -------
    SampleBatch
    """
    size = SIZES[stage]
    crops, valid = crop_pad_resize(pixels, chosen.corners, size, num_threads=1)
    crops, corners, kinds, faces = crops[valid], chosen.corners[valid], chosen.kinds[valid], chosen.faces[valid]
    boxes = np.zeros((len(kinds), 4), np.float32)
    landmarks = np.zeros((len(kinds), 5, 2), np.float32)
    boxed = (kinds == SampleKind.POSITIVE) | (kinds == SampleKind.PART)
    boxes[boxed] = box_targets(stage, corners[boxed], record.boxes[faces[boxed]].astype(np.float64))
    marked = kinds == SampleKind.LANDMARK
    landmarks[marked] = landmark_targets(stage, corners[marked], record.points[faces[marked]].astype(np.float64))
    return SampleBatch(to_bytes(crops), kinds.astype(np.int8), boxes, landmarks, mirrors(stage, corners))


def to_bytes(crops: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Turn a network's input ``(N, 3, S, S)`` back into pixels ``(N, S, S, 3)``, rounded to 8 bits."""
    values = crops * np.float32(128)
    values += np.float32(127.5)
    np.rint(values, out=values)
    return np.ascontiguousarray(values.astype(np.uint8).transpose(0, 2, 3, 1))

"""Flips and changes of light and color."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtcnn_fast import ConfigError
from mtcnn_fast.datasets import FaceRecord
from mtcnn_fast.training.samples import AugmentOptions, SampleBatch, SampleKind, augment
from mtcnn_fast.training.samples.augment import DRAWS, draw, flip
from mtcnn_fast.training.samples.cutting import cut
from mtcnn_fast.training.samples.geometry import SIZES, Stage
from mtcnn_fast.training.samples.windows import Chosen
from support.annotated import POINTS
from support.portrait import portrait

STAGES: tuple[Stage, ...] = ("p", "r", "o")


def samples(stage: Stage, pixels: np.ndarray, box: np.ndarray, points: np.ndarray, corners: np.ndarray) -> SampleBatch:
    """Cut a window as a sample of each kind."""
    record = FaceRecord(Path("a.jpg"), box[None].astype(np.float32), points[None].astype(np.float32))
    kinds = np.arange(4)
    return cut(stage, pixels, record, Chosen(np.tile(corners.astype(np.float32), (4, 1)), kinds, np.zeros(4, np.int64)))


@given(
    st.sampled_from(STAGES),
    st.integers(-4, 4),
    st.integers(2, 30),
    st.lists(st.floats(-8, 8), min_size=4, max_size=4),
)
def test_a_mirrored_sample_is_a_sample_of_the_mirrored_image(
    stage: Stage, multiple: int, left: int, shift: list[float]
) -> None:
    pixels = portrait()
    width = pixels.shape[1]
    # A side that the crop divides into whole pixels, for a crop of the mirrored image to be the mirrored crop.
    side = 48 if multiple < 0 else 96
    box = np.array([29.0, 20.0, 79.0, 84.0]) + shift
    window = np.array([left + 1, 11, left + side, 10 + side])
    whole = flip(samples(stage, pixels, box, POINTS, window), np.ones(4, np.bool_))

    mirrored_box = np.array([width - box[2], box[1], width - box[0], box[3]])
    mirrored_window = np.array([width - (left + side) + 1, 11, width - left, 10 + side])
    # Points are edges too: x becomes width - x, and the viewer's left eye is the other one.
    mirrored_points = np.stack([width - POINTS[:, 0], POINTS[:, 1]], axis=1)[[1, 0, 2, 4, 3]]
    expected = samples(stage, np.ascontiguousarray(pixels[:, ::-1]), mirrored_box, mirrored_points, mirrored_window)

    assert np.abs(whole.images.astype(int) - expected.images).max() <= 1
    assert np.array_equal(whole.kinds, expected.kinds)
    assert np.allclose(whole.boxes, expected.boxes, atol=1e-5)
    # Where a landmark lies within its pixel is not known: the two differ by one pixel of the image.
    assert np.allclose(whole.landmarks[3], expected.landmarks[3], atol=1.01 / side)
    assert np.array_equal(whole.boxes[[0, 3]], np.zeros((2, 4)))
    assert np.array_equal(whole.landmarks[:3], np.zeros((3, 5, 2)))


@pytest.mark.parametrize("stage", STAGES)
def test_two_flips_are_none(stage: Stage) -> None:
    batch = samples(stage, portrait(), np.array([29, 20, 79, 84]), POINTS, np.array([24, 15, 90, 81]))
    twice = flip(flip(batch, np.ones(4, np.bool_)), np.ones(4, np.bool_))
    for name in SampleBatch._fields:
        assert np.allclose(getattr(twice, name), getattr(batch, name), atol=1e-6), name


def test_only_what_is_chosen_is_mirrored() -> None:
    batch = samples("o", portrait(), np.array([29, 20, 79, 84]), POINTS, np.array([24, 15, 90, 81]))
    before = [array.copy() for array in batch]
    some = flip(batch, np.array([True, False, False, True]))
    assert np.array_equal(some.images[0], batch.images[0][:, ::-1])
    assert np.array_equal(some.images[1:3], batch.images[1:3])
    assert np.array_equal(some.boxes[1:3], batch.boxes[1:3])
    # Left stays left: the first eye is the one further left.
    assert (some.landmarks[3, 0, 0] < some.landmarks[3, 1, 0]) & (some.landmarks[3, 3, 0] < some.landmarks[3, 4, 0])
    assert all(np.array_equal(a, b) for a, b in zip(batch, before, strict=True))


def gray_batch(count: int, value: int = 128) -> SampleBatch:
    images = np.full((count, 12, 12, 3), value, np.uint8)
    kinds = np.full(count, SampleKind.NEGATIVE, np.int8)
    return SampleBatch(images, kinds, *(np.zeros((count, *shape), np.float32) for shape in ((4,), (5, 2), ())))


def test_light_changes_within_its_limits() -> None:
    batch = gray_batch(400)
    options = AugmentOptions(brightness=0.2, contrast=0.0, color=0.0, gray=0.0)
    values = augment(batch, draw(400, [1]), options).images.astype(int)
    assert (np.ptp(values.reshape(400, -1), axis=1) == 0).all()
    assert 128 - 51 <= values.min() < 90
    assert 170 < values.max() <= 128 + 51

    # Middle gray is where contrast turns.
    same = augment(batch, draw(400, [1]), AugmentOptions(brightness=0.0, contrast=0.9, color=0.0))
    assert np.array_equal(same.images, batch.images)
    colored = augment(gray_batch(50), draw(50, [1]), AugmentOptions(brightness=0, contrast=0, color=0.5, gray=0))
    assert np.ptp(colored.images, axis=3).max() > 40
    without = augment(colored, draw(50, [2]), AugmentOptions(color=0.5, gray=1.0))
    assert np.ptp(without.images, axis=3).max() == 0


def test_values_do_not_wrap_around() -> None:
    options = AugmentOptions(brightness=1.0, contrast=0.9)
    bright = augment(gray_batch(300, 255), draw(300, [5]), options).images
    drawn = draw(300, [5])
    assert (bright[drawn[:, 1] > 0.75] == 255).all()


def test_no_change_is_asked_for() -> None:
    nothing = AugmentOptions(flip=0, brightness=0, contrast=0, color=0, gray=0)
    batch = samples("o", portrait(), np.array([29, 20, 79, 84]), POINTS, np.array([24, 15, 90, 81]))
    same = augment(batch, draw(4, [0]), nothing)
    assert all(np.array_equal(a, b) for a, b in zip(batch, same, strict=True))


def test_draws_belong_to_the_seed_and_a_part_to_the_whole() -> None:
    assert np.array_equal(draw(10, [3, 7]), draw(10, [3, 7]))
    assert not np.array_equal(draw(10, [3, 7]), draw(10, [3, 8]))
    batch = gray_batch(10)
    whole = augment(batch, draw(10, [3, 7]))
    part = augment(SampleBatch(*(array[4:7] for array in batch)), draw(10, [3, 7])[4:7])
    assert np.array_equal(whole.images[4:7], part.images)


@pytest.mark.parametrize(
    ("name", "value"), [("flip", 1.5), ("brightness", -1), ("contrast", 1), ("color", 1.0), ("gray", "no")]
)
def test_options_are_checked(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        AugmentOptions(**{name: value})  # type: ignore[arg-type]


def test_draws_need_a_row_each() -> None:
    with pytest.raises(ConfigError, match="draws must be of shape"):
        augment(gray_batch(3), np.zeros((2, DRAWS), np.float32))


def test_samples_have_the_size_of_their_network() -> None:
    for stage in STAGES:
        batch = samples(stage, portrait(), np.array([29, 20, 79, 84]), POINTS, np.array([24, 15, 90, 81]))
        assert batch.images.shape == (4, SIZES[stage], SIZES[stage], 3)

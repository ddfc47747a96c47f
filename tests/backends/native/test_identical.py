"""Threads, batches and their order change no bit; algorithms and instruction sets change no face."""

from __future__ import annotations

import functools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mtcnn_fast.config import DetectorConfig
from support.data import shared
from support.golden import load_golden, match, read_image
from support.variants import ISAS, THREADS, engine

BORDERS = ("zero", "clip")


@functools.cache
def backend(isa: str, threads: int, border: str = "zero", direct: bool = False, **settings):
    return engine(isa, DetectorConfig(num_threads=threads, border=border, min_face_size=16), direct=direct)


def assert_same_trace(faces, expected):
    """Assert equality to the bit of faces and of the candidates at every step."""
    assert faces == expected
    for mine, theirs in zip(faces.trace, expected.trace, strict=True):
        np.testing.assert_array_equal(mine.boxes, theirs.boxes)
        np.testing.assert_array_equal(mine.scores, theirs.scores)
        assert mine.dropped.reasons == theirs.dropped.reasons
        for name in ("boxes", "scores", "by"):
            np.testing.assert_array_equal(getattr(mine.dropped, name), getattr(theirs.dropped, name))


@pytest.fixture(scope="module", params=BORDERS)
def border(request):
    return request.param


@pytest.fixture(scope="module", params=[False, True], ids=["fast", "direct"])
def direct(request):
    return request.param


@pytest.fixture(scope="module")
def alone(isa, border, direct, mixed):
    """Each image's faces by itself, by an engine that has seen nothing before."""
    config = DetectorConfig(num_threads=1, border=border, min_face_size=16)
    return [engine(isa, config, direct=direct).detect([image], trace=True)[0] for image in mixed]


def test_any_batch_on_any_number_of_threads(isa, border, direct, mixed, alone):
    assert sum(map(len, alone)) > 8
    assert min(map(len, alone)) == 0

    @settings(max_examples=12)
    @given(st.sampled_from(THREADS), st.lists(st.integers(0, len(mixed) - 1), max_size=2 * len(mixed)))
    def check(threads, order):
        together = backend(isa, threads, border, direct).detect([mixed[i] for i in order], trace=True)
        assert len(together) == len(order)
        for faces, i in zip(together, order, strict=True):
            assert_same_trace(faces, alone[i])

    check()


def test_all_images_in_either_order(isa, border, direct, mixed, alone):
    for threads in THREADS:
        for order in (list(range(len(mixed))), list(range(len(mixed)))[::-1]):
            together = backend(isa, threads, border, direct).detect([mixed[i] for i in order], trace=True)
            for faces, i in zip(together, order, strict=True):
                assert_same_trace(faces, alone[i])


def assert_same_faces(ours, reference, score=1e-5):
    pairs, extra, missing = match(ours, reference)
    assert not extra
    assert not missing
    for i, j in pairs:
        assert abs(float(ours.scores[i]) - float(reference.scores[j])) <= score


def test_algorithms_find_the_same_faces(isa, border, mixed):
    for image in mixed:
        fast, direct = (backend(isa, 2, border, direct).detect([image])[0] for direct in (False, True))
        assert_same_faces(fast, direct)


def test_instruction_sets_find_the_same_faces(border, mixed):
    for image in mixed:
        (first, *others) = (backend(isa, 2, border).detect([image])[0] for isa in ISAS)
        for faces in others:
            assert_same_faces(faces, first)


@pytest.mark.slow
def test_algorithms_find_the_same_faces_in_photographs(isa):
    """Every third of the reference images; a face near a threshold, or one of two that tie, may differ."""
    golden = load_golden("default", shared("golden/default.json").parents[1])
    faces = different = 0
    for path in list(golden.images)[::3]:
        image = read_image(shared(path))
        fast, direct = (engine(isa, golden.config, direct=direct).detect([image])[0] for direct in (False, True))
        pairs, extra, missing = match(fast, direct)
        faces += len(pairs)
        different += max(len(extra), len(missing))
    assert faces > 300
    assert different <= 0.005 * faces

"""What must not change a result: the batch an image is in, other threads, the array it comes in."""

from __future__ import annotations

import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mtcnn_fast import DetectorConfig
from support.memory import resident
from support.variants import create_variant

pytestmark = pytest.mark.contract


def assert_same(faces, expected, tolerance):
    """Assert equality to the bit, or the same faces within a score tolerance where the backend is allowed one."""
    assert len(faces) == len(expected)
    if tolerance == 0:
        assert faces == expected
    else:
        np.testing.assert_allclose(faces.scores, expected.scores, rtol=0, atol=tolerance)
        np.testing.assert_allclose(faces.boxes, expected.boxes, rtol=0, atol=0.5)
        np.testing.assert_allclose(faces.landmarks, expected.landmarks, rtol=0, atol=0.5)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1, 0], [2, 2, 0, 5], [1], [5, 1, 3]])
def test_a_batch_equals_its_images(make_backend, mixed, batch_tolerance, order):
    backend = make_backend()
    alone = [backend.detect([image])[0] for image in mixed]
    assert sum(map(len, alone)) > 8
    together = backend.detect([mixed[index] for index in order])
    assert len(together) == len(order)
    for faces, index in zip(together, order, strict=True):
        assert_same(faces, alone[index], batch_tolerance)


@pytest.mark.parametrize("border", ["zero", "clip"])
def test_a_second_run_and_a_second_backend_agree(make_backend, crowd, border):
    backend = make_backend(border=border)
    (first,) = backend.detect([crowd])
    assert backend.detect([crowd])[0] == first
    assert make_backend(border=border).detect([crowd])[0] == first


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc, which Linux has")
def test_a_backend_that_is_closed_leaves_nothing(backend_name, weights):
    """The weights alone are 2 MB: of thirty backends that stay, some part would show."""
    image = np.zeros((40, 40, 3), np.uint8)
    held = []
    for count in (15, 30):
        for _ in range(count):
            backend = create_variant(backend_name, DetectorConfig(), weights)
            backend.detect([image])
            backend.close()
            del backend
        gc.collect()
        held.append(resident())
    assert held[1] - held[0] < 15_000_000


def test_many_threads_at_once(make_backend, mixed):
    backend = make_backend()
    expected = [backend.detect([image])[0] for image in mixed]
    jobs = list(range(len(mixed))) * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda index: backend.detect([mixed[index]])[0], jobs))
    for index, faces in zip(jobs, found, strict=True):
        assert faces == expected[index]


def test_input_is_only_read(make_backend, crowd):
    backend = make_backend()
    image = crowd.copy()
    (expected,) = backend.detect([image])
    np.testing.assert_array_equal(image, crowd)
    assert not crowd.flags.writeable
    assert backend.detect([crowd])[0] == expected


def test_results_do_not_share_memory(make_backend, crowd):
    backend = make_backend()
    first, second = backend.detect([crowd, crowd])
    for name in ("boxes", "scores", "landmarks"):
        assert not np.shares_memory(getattr(first, name), getattr(second, name))
    before = first.boxes.copy()
    backend.detect([crowd[::-1].copy()])
    np.testing.assert_array_equal(first.boxes, before)

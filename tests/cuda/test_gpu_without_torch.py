"""The device ``cuda`` without torch on a real device: streams, memory and arrays of the package's own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.backends.cuda import backend as cuda_backend
from mtcnn_fast.backends.cuda.backend import CudaBackend
from mtcnn_fast.backends.cuda.devices import cuda_problem
from mtcnn_fast.backends.numpy.backend import NumpyBackend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.weights import load_weights
from support.cuda_build import ROOT
from support.cuda_real import RealDevice
from support.data import PHOTO, shared
from support.golden import read_image

PROBLEM = cuda_problem()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(PROBLEM is not None, reason=f"no CUDA device: {PROBLEM}")]


@pytest.fixture(scope="module")
def device():
    return RealDevice()


@pytest.fixture(scope="module")
def images():
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    return [
        photo,
        photo[:, ::-1].copy(),
        photo[:300, 50:].copy(),
        np.zeros((90, 70, 3), np.uint8),
        photo[::2, ::2].copy(),
    ]


@pytest.fixture(scope="module")
def backend():
    made = CudaBackend(DetectorConfig(), load_weights(None))
    made.warmup()
    yield made
    made.close()
    assert made._memory.reserved == 0


@pytest.fixture(scope="module")
def expected(backend, images):
    return [backend.detect([image])[0] for image in images]


def test_faces_are_those_of_numpy(images, expected):
    reference = NumpyBackend(DetectorConfig(), load_weights(None)).detect(images)
    assert sum(map(len, reference)) >= 3
    for ours, faces in zip(expected, reference, strict=True):
        assert len(ours) == len(faces)
        np.testing.assert_allclose(ours.scores, faces.scores, rtol=0, atol=1e-3)
        np.testing.assert_allclose(ours.boxes, faces.boxes, rtol=0, atol=0.5)
        np.testing.assert_allclose(ours.landmarks, faces.landmarks, rtol=0, atol=0.5)


@pytest.mark.parametrize("count", [2, 16, 64])
def test_a_batch_equals_its_images_to_the_bit(backend, images, expected, count):
    order = [i % len(images) for i in range(count)]
    assert backend.detect([images[i] for i in order]) == [expected[i] for i in order]


@pytest.mark.parametrize("threshold", [0.6, 0.95])
def test_the_filter_gives_the_bits_of_float32(images, expected, threshold):
    """On tensor cores, whose sums may round as they like."""
    config = DetectorConfig(thresholds=(threshold, 0.7, 0.7))
    exact = CudaBackend(config, load_weights(None)).detect(images * 4)
    assert threshold != 0.6 or exact == expected * 4
    with CudaBackend(dataclasses.replace(config, precision="float16-filter"), load_weights(None)) as filtered:
        assert filtered.detect(images * 4) == exact
        for image, faces in zip(images, exact, strict=False):
            assert filtered.detect([image]) == [faces]


@pytest.mark.golden
@pytest.mark.parametrize("border", ["zero", "clip"])
def test_the_filter_on_photographs(border):
    """Every fourth photograph of WIDER FACE: each proposal and each face has the bits of float32."""
    paths = sorted(shared("wider/WIDER_val/images").rglob("*.jpg"))[::4]
    images = [read_image(path) for path in paths]
    config = DetectorConfig(border=border)
    with (
        CudaBackend(config, load_weights(None)) as exact,
        CudaBackend(dataclasses.replace(config, precision="float16-filter"), load_weights(None)) as filtered,
    ):
        for first in range(0, len(images), 16):
            batch = images[first : first + 16]
            assert filtered.detect(batch) == exact.detect(batch)
            for ours, theirs in zip(filtered.propose(batch), exact.propose(batch), strict=True):
                assert all(map(np.array_equal, ours, theirs))


def test_threads_at_once(backend, images, expected):
    def work(number):
        order = [(number + i) % len(images) for i in range(len(images))]
        return all(backend.detect([images[i]]) == [expected[i]] for i in order * 4)

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(work, range(6)))


def test_results_on_the_device_are_queued_one_after_another(backend, device, images, expected):
    """Nobody waits: tables are staged in pinned memory while earlier copies may be under way."""
    held = [device.array(image) for image in images]
    order = [i % len(images) for i in range(60)]
    queued = [backend.detect_tensor([held[i]]) for i in order]
    for i, faces in zip(order, queued, strict=True):
        count = len(expected[i])
        assert faces.counts.numpy().tolist() == [count]
        np.testing.assert_array_equal(faces.boxes.numpy()[0, :count], expected[i].boxes)
        np.testing.assert_array_equal(faces.landmarks.numpy()[0, :count], expected[i].landmarks)


def test_images_may_go_at_once(backend, device, images, expected):
    """They are held until the device has read them."""
    results = []
    for _ in range(20):
        results.append(backend.detect_tensor([device.array(images[0])]))
        device.array(np.full_like(images[0], 255))
    for faces in results:
        np.testing.assert_array_equal(faces.boxes.numpy()[0, : len(expected[0])], expected[0].boxes)


def test_tensors_give_tensors(backend, images, expected):
    torch = pytest.importorskip("torch", reason="tensors need torch")
    if not torch.cuda.is_available():
        pytest.skip("torch is built without CUDA")
    stream = torch.cuda.Stream()
    for context in (torch.cuda.stream(torch.cuda.default_stream()), torch.cuda.stream(stream)):
        with context:
            batch = torch.from_numpy(np.stack([images[0], images[1]])).cuda()
            faces = backend.detect_tensor(batch)
            assert faces.boxes.device == batch.device
            assert faces.counts.tolist() == [len(expected[0]), len(expected[1])]
            for i in range(2):
                np.testing.assert_array_equal(faces.boxes[i, : len(expected[i])].cpu().numpy(), expected[i].boxes)


def test_arrays_of_cupy(backend, images, expected):
    cupy = pytest.importorskip("cupy", reason="needs CuPy")
    for stream in (cupy.cuda.Stream.null, cupy.cuda.Stream(non_blocking=True)):
        with stream:
            faces = backend.detect_tensor([cupy.asarray(images[0])])
            boxes = cupy.from_dlpack(faces.boxes)
            np.testing.assert_array_equal(cupy.asnumpy(boxes)[0, : len(expected[0])], expected[0].boxes)


def test_a_batch_that_does_not_fit_is_halved(device, images, caplog, monkeypatch):
    """Nearly all memory is taken; what is left holds a part of the batch."""
    # Halves that go side by side may both fit.
    monkeypatch.setattr(cuda_backend, "_LEAST_HALVED", 1 << 30)
    caplog.set_level("INFO", logger="mtcnn_fast")
    backend = CudaBackend(DetectorConfig(), load_weights(None))
    large = np.zeros((1080, 1920, 3), np.uint8)
    large[:512, :512] = images[0]
    (alone,) = backend.detect([large])
    backend._give_memory_back()
    pool = device.module.Pool(0)
    # All memory in pieces, of which some 768 MB are let go: a batch of 64 wants more.
    stream, taken, size = device.module.Stream(pool), [], 8 << 30
    while size >= 256 << 20:
        try:
            taken.append(device.module.Array(stream, size, "uint8"))
        except MemoryError:
            size //= 2
    small = [part for part in taken if part.nbytes == 256 << 20] or taken[-1:]
    taken = [part for part in taken if part is not small[0]]
    small.clear()
    pool.trim()
    try:
        assert backend.detect([large] * 64) == [alone] * 64
    finally:
        taken.clear()
        pool.trim()
    assert any("trying halves" in message for message in caplog.messages)


PROGRAM = """
import json, sys
sys.modules["torch"] = None
import numpy as np
from mtcnn_fast import Detector
from mtcnn_fast.images import load_image
photo = load_image(sys.argv[1])
with Detector("cuda") as detector:
    faces = detector.detect(photo)
    batch = detector.detect_batch([photo] * 5)
    assert all(each == faces for each in batch)
    assert detector.backend == "cuda:0"
    boxes, scores = detector.propose(photo)
    assert len(detector.refine(photo, boxes)) == len(faces)
print(json.dumps([faces.boxes.tolist(), faces.scores.tolist()]))
"""


def test_a_process_without_torch(expected):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(PHOTO)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    boxes, scores = json.loads(done.stdout)
    np.testing.assert_array_equal(np.array(boxes, np.float32), expected[0].boxes)
    np.testing.assert_array_equal(np.array(scores, np.float32), expected[0].scores)

"""What only a real device can show: its streams, that nothing waits for it, several of them, memory that is taken."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.backends import create_backend
from mtcnn_fast.backends.cuda.devices import cuda_problem
from mtcnn_fast.backends.numpy.backend import NumpyBackend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.weights import load_weights
from support.cuda_build import ROOT
from support.data import PHOTO

PROBLEM = cuda_problem()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(PROBLEM is not None, reason=f"no CUDA device: {PROBLEM}")]

KERNEL_TESTS = [
    "test_resize_pyramid.py",
    "test_crop_pad_resize.py",
    "test_batched_nms.py",
    "test_proposals.py",
    "test_refine.py",
    "test_pnet.py",
    "test_pnet_filter.py",
    "test_crop_network.py",
    "test_cuda_memory.py",
]


@pytest.fixture(scope="module")
def photo():
    return np.asarray(Image.open(PHOTO).convert("RGB")).copy()


@pytest.fixture(scope="module")
def backend():
    made = create_backend("cuda", DetectorConfig(), load_weights(None))
    made.warmup()
    return made


@pytest.fixture(scope="module")
def expected(photo):
    return NumpyBackend(DetectorConfig(), load_weights(None)).detect([photo])[0]


def assert_close(boxes, scores, expected):
    np.testing.assert_allclose(scores, expected.scores, rtol=0, atol=1e-3)
    np.testing.assert_allclose(boxes, expected.boxes, rtol=0, atol=0.5)


@pytest.mark.parametrize("name", KERNEL_TESTS)
def test_kernels_on_the_device(name):
    """The tests that the emulated device passes, on a real one."""
    environment = {**os.environ, "MTCNN_FAST_EMULATION": "gpu"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:benchmark"]
    done = subprocess.run(
        [*command, str(ROOT / "tests" / "cuda" / name)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == pytest.ExitCode.OK, done.stdout[-5000:] + done.stderr[-5000:]


@pytest.mark.filterwarnings("ignore:Synchronization debug mode:UserWarning")
def test_nothing_waits_for_the_device_before_the_result(backend, photo):
    torch = pytest.importorskip("torch")
    batch = torch.from_numpy(np.stack([photo, photo])).cuda()
    backend.detect_tensor(batch)
    torch.cuda.synchronize()
    try:
        torch.cuda.set_sync_debug_mode("error")
        faces = backend.detect_tensor(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert faces.counts.tolist() == [1, 1]


def test_a_producer_on_another_stream(backend, photo, expected):
    """The image is written by work that is still queued when the detection is."""
    torch = pytest.importorskip("torch")
    source = torch.from_numpy(photo).cuda()
    stream = torch.cuda.Stream()
    for _ in range(10):
        with torch.cuda.stream(stream):
            late = torch.zeros_like(source)
            torch.cuda._sleep(20_000_000)
            late.copy_(source)
            faces = backend.detect_tensor([late])
        stream.synchronize()
        count = int(faces.counts[0])
        assert_close(faces.boxes[0, :count].cpu().numpy(), faces.scores[0, :count].cpu().numpy(), expected)


def test_memory_of_temporaries_is_not_used_again_too_early(backend, photo, expected):
    """Other tensors are made and filled while a detection is queued on a stream of its own."""
    torch = pytest.importorskip("torch")
    image = torch.from_numpy(photo).cuda()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    results = []
    for _ in range(20):
        with torch.cuda.stream(stream):
            torch.cuda._sleep(2_000_000)
            results.append(backend.detect_tensor([image]))
        for size in (1 << 12, 1 << 18, 1 << 22):
            torch.full((size,), 255, dtype=torch.uint8, device="cuda")
    stream.synchronize()
    for faces in results:
        count = int(faces.counts[0])
        assert_close(faces.boxes[0, :count].cpu().numpy(), faces.scores[0, :count].cpu().numpy(), expected)


def test_faces_equal_numpys(backend, photo, expected):
    (faces,) = backend.detect([photo])
    assert_close(faces.boxes, faces.scores, expected)


@pytest.mark.parametrize("precision", ["tf32", "float16", "bfloat16"])
def test_lower_precision_finds_the_face(photo, expected, precision):
    pytest.importorskip("torch")
    (faces,) = create_backend("cuda", DetectorConfig(precision=precision), load_weights(None)).detect([photo])
    assert len(faces) == len(expected)
    np.testing.assert_allclose(faces.boxes, expected.boxes, atol=3)


def test_every_device(photo, expected):
    torch = pytest.importorskip("torch")
    for index in range(torch.cuda.device_count()):
        faces = create_backend(f"cuda:{index}", DetectorConfig(), load_weights(None)).detect([photo])[0]
        assert_close(faces.boxes, faces.scores, expected)


def test_recorded_detections_equal_others(photo, expected):
    pytest.importorskip("torch")
    from mtcnn_fast.backends.torch.backend import TorchBackend

    backend = TorchBackend(DetectorConfig(), load_weights(None), "cuda", graphs=2)
    for _ in range(3):
        faces, nothing = backend.detect([photo, np.zeros_like(photo)])
        assert_close(faces.boxes, faces.scores, expected)
        assert len(nothing) == 0
        nothing, faces = backend.detect([np.zeros_like(photo), photo])
        assert_close(faces.boxes, faces.scores, expected)
        assert len(nothing) == 0


def test_operators_on_the_device(photo):
    from mtcnn_fast import ops

    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    boxes = np.concatenate([rng.uniform(-9, 400, (200, 2)), rng.uniform(100, 540, (200, 2))], 1).astype(np.float32)
    scores, segments = rng.random(200, np.float32), rng.integers(-2, 2, 200)
    image = torch.from_numpy(photo).cuda()
    levels = zip(ops.resize_pyramid(image, [0.6, 0.1]), ops.resize_pyramid(photo, [0.6, 0.1]), strict=True)
    for ours, reference in levels:
        np.testing.assert_array_equal(ours.cpu().numpy(), reference)
    crops, valid = ops.crop_pad_resize(image, torch.from_numpy(boxes).cuda(), 24)
    expected_crops, expected_valid = ops.crop_pad_resize(photo, boxes, 24)
    np.testing.assert_array_equal(crops.cpu().numpy(), expected_crops)
    np.testing.assert_array_equal(valid.cpu().numpy(), expected_valid)
    kept = ops.batched_nms(*(torch.from_numpy(part).cuda() for part in (boxes, scores, segments)), 0.5)
    assert kept.tolist() == ops.batched_nms(boxes, scores, segments, 0.5).tolist()

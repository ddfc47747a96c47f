"""What only the torch backend has: entry points, messages about devices, memory that runs out, other processes."""

from __future__ import annotations

import dataclasses
import multiprocessing
import pickle
import re
import warnings

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.backends import create_backend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import BackendError, BackendUnavailableError, ConfigError, ImageError
from mtcnn_fast.weights import load_weights
from support.data import COPY, PHOTO
from support.golden import load_golden, read_image

torch = pytest.importorskip("torch", reason="the torch backend needs torch")

from mtcnn_fast.backends.cascade.run import Cascade  # noqa: E402
from mtcnn_fast.backends.torch import devices as torch_devices  # noqa: E402
from mtcnn_fast.backends.torch.backend import TorchBackend  # noqa: E402
from mtcnn_fast.nets import TOLERANCES  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def face():
    photo = Image.open(PHOTO).convert("RGB")
    return np.asarray(photo.crop((130, 20, 330, 220)).resize((120, 120)))


@pytest.fixture(scope="module")
def backend():
    return TorchBackend(DetectorConfig(), load_weights(None))


def test_detect_tensor_agrees_with_detect(backend, face):
    (expected,) = backend.detect([face])
    assert len(expected) == 1
    batch = torch.from_numpy(np.stack([face, np.zeros_like(face)]))
    for images in (batch, batch.permute(0, 3, 1, 2), list(batch)):
        faces = backend.detect_tensor(images)
        assert faces.counts.tolist() == [1, 0]
        assert faces.overflow.tolist() == [0]
        np.testing.assert_array_equal(faces.boxes[0, :1].numpy(), expected.boxes)
        np.testing.assert_array_equal(faces.landmarks[0, :1].numpy(), expected.landmarks)
        assert not faces.boxes[1].any()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(4, 5), r"got \(4, 5\) torch.float32"),
        (torch.zeros(4, 5, 3), r"got \(4, 5, 3\) torch.float32"),
        (torch.zeros(4, 5, 4, dtype=torch.uint8), r"got \(4, 5, 4\) torch.uint8"),
        (torch.zeros(0, 5, 3, dtype=torch.uint8), r"at least one pixel, got \(0, 5, 3\)"),
        (torch.zeros(4, 5, 3, dtype=torch.uint8, device="meta"), "got one on meta"),
    ],
)
def test_detect_tensor_refuses(backend, image, message):
    with pytest.raises(ImageError, match=message):
        backend.detect_tensor([image])


def test_propose_and_refine_make_detect(backend, face):
    ((boxes, scores),) = backend.propose([face])
    assert boxes.shape == (len(scores), 4)
    np.testing.assert_allclose(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1], rtol=1e-5)
    (expected,) = backend.detect([face])
    (found,) = backend.refine([face], [boxes])
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)


def test_refine_of_a_tracked_box(backend, face):
    (expected,) = backend.detect([face])
    found, nothing = backend.refine([face, face], [expected.boxes + 3, np.empty((0, 4), np.float32)])
    assert len(found) == 1
    assert len(nothing) == 0
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=10)
    assert backend.refine([], []) == []
    with pytest.raises(ConfigError, match="boxes must have one entry for each of the 1 images, got 2"):
        backend.refine([face], [expected.boxes, expected.boxes])


def test_the_detector_has_the_parts_too(backend, face):
    with Detector("torch:cpu") as detector:
        (expected,) = backend.detect([face])
        boxes, scores = detector.propose(face[..., ::-1], color="bgr")
        assert len(boxes) == len(scores) > 1
        found = detector.refine(face.transpose(2, 0, 1), boxes, layout="chw")
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
        assert len(detector.refine(face, [])) == 0
        faces = detector.detect_tensor(torch.from_numpy(face[None].copy()))
        np.testing.assert_array_equal(faces.boxes[0].numpy(), expected.boxes)
        with pytest.raises(ConfigError, match=r"boxes must be finite numbers of shape \(N, 4\), got nan"):
            detector.refine(face, [[0, 0, 9, np.nan]])
        with pytest.raises(ImageError):
            detector.propose("no such file")
    with pytest.raises(BackendError, match="this detector is closed"):
        detector.propose(face)


#: What torch, its libraries, numpy and our kernels say of a batch that is too large.
SIZE_ERRORS = [
    torch.cuda.OutOfMemoryError("CUDA out of memory"),
    MemoryError("Unable to allocate 40 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    RuntimeError("Expected canUse32BitIndexMath(input) to be true, but got false"),
    ValueError("levels have too many cells"),
]


@pytest.fixture
def limited(monkeypatch):
    """Make the cascade fail on more than some images; return the sizes of the batches that it was given."""

    def limit(method, most, error):
        run, sizes = getattr(Cascade, method), []

        def limited_run(cascade, batch, *arguments):
            sizes.append(len(batch.plan.sizes))
            if len(batch.plan.sizes) > most:
                raise error
            return run(cascade, batch, *arguments)

        monkeypatch.setattr(Cascade, method, limited_run)
        return sizes

    return limit


@pytest.mark.parametrize("error", SIZE_ERRORS, ids=str)
def test_memory_that_runs_out_splits_the_batch(backend, face, limited, caplog, error):
    caplog.set_level("INFO", logger="mtcnn_fast")
    sizes = limited("detect", 1, error)
    blank = np.zeros_like(face)
    assert [len(faces) for faces in backend.detect([face, blank, face])] == [1, 0, 1]
    assert sizes == [3, 1, 2, 1, 1]
    assert any("out of memory with 3 images, trying halves" in message for message in caplog.messages)


def test_parts_of_the_cascade_are_split_too(backend, face, limited):
    proposals = backend.propose([face, face])
    found = backend.refine([face, face], [boxes for boxes, _ in proposals])
    sizes = limited("propose", 1, SIZE_ERRORS[0])
    assert [len(boxes) for boxes, _ in backend.propose([face, face])] == [len(boxes) for boxes, _ in proposals]
    assert sizes == [2, 1, 1]
    sizes = limited("refine", 1, SIZE_ERRORS[0])
    assert backend.refine([face, face], [boxes for boxes, _ in proposals]) == found
    assert sizes == [2, 1, 1]
    limited("refine", 0, SIZE_ERRORS[0])
    with pytest.raises(BackendError, match="memory does not hold one image of 120x120 with 2 boxes"):
        backend.refine([face], [np.zeros((2, 4), np.float32)])


def test_memory_too_small_for_one_image_is_an_error(backend, face, limited):
    limited("detect", 0, SIZE_ERRORS[0])
    with pytest.raises(BackendError, match="torch:cpu: the device's memory does not hold one image of 120x120"):
        backend.detect([face, face])


def test_other_errors_are_not_taken_for_a_lack_of_memory(backend, face, limited):
    sizes = limited("detect", 0, RuntimeError("CUDA error: an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        backend.detect([face, face])
    assert sizes == [2]


def test_pickled_backend_detects_the_same(backend, face):
    again = pickle.loads(pickle.dumps(backend))
    assert again.name == backend.name
    assert again.detect([face])[0] == backend.detect([face])[0]


@pytest.mark.slow
def test_spawned_process_detects_the_same(backend, face):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(backend.detect, ([face],))[0] == backend.detect([face])[0]


def test_context_manager_and_warmup():
    with TorchBackend(DetectorConfig(), load_weights(None)) as backend:
        backend.warmup()
    assert not hasattr(backend, "_cascade")


def test_recordings_need_cuda():
    with pytest.raises(ConfigError, match="graphs must be 0 on torch:cpu and with download_counts, got 3 on torch:cpu"):
        TorchBackend(DetectorConfig(), load_weights(None), graphs=3)


def test_max_faces_keeps_the_best(face):
    pair = np.concatenate([face, face], axis=1)
    every = TorchBackend(DetectorConfig(), load_weights(None)).detect([pair])[0]
    assert len(every) >= 2
    (best,) = TorchBackend(DetectorConfig(max_faces=1), load_weights(None)).detect([pair])
    assert best.scores.tolist() == every.scores[:1].tolist()


@pytest.mark.parametrize("precision", ["tf32", "float16", "bfloat16"])
def test_lower_precision_finds_the_same_faces(precision):
    """Within the tolerance of the scores, and of 1 % (bfloat16: 4 %) of a face's width in its box and landmarks."""
    golden = load_golden("default", COPY)
    images = [read_image(COPY / path) for path in golden.images]
    exact, rounded = (
        Detector.from_config(dataclasses.replace(golden.config, precision=name), "torch:cpu").detect_batch(images)
        for name in ("float32", precision)
    )
    assert sum(map(len, exact)) > 0
    assert (rounded == exact) == (precision == "tf32")
    for ours, expected in zip(rounded, exact, strict=True):
        assert len(ours) == len(expected)
        np.testing.assert_allclose(ours.scores, expected.scores, rtol=0, atol=TOLERANCES[precision])
        width = expected.boxes[:, 2:3] - expected.boxes[:, :1]
        allowed = (0.04 if precision == "bfloat16" else 0.01) * width
        assert (np.abs(ours.boxes - expected.boxes) <= allowed).all()
        assert (np.abs(ours.landmarks - expected.landmarks) <= allowed[..., None]).all()


@pytest.mark.parametrize(
    ("problem", "cpu_only", "message"),
    [
        (None, True, "the installed torch is built for the CPU only; install one that"),
        ("there is no NVIDIA driver", True, "there is no NVIDIA driver; the installed torch is built for the CPU only"),
        ("this installation has no CUDA kernels", False, "this installation has no CUDA kernels$"),
    ],
)
def test_message_says_why_torch_cannot_use_cuda(monkeypatch, problem, cpu_only, message):
    """Other precisions than float32 and graphs need torch on the device."""
    monkeypatch.setattr(torch_devices, "cuda_problem", lambda index: problem)
    monkeypatch.setattr(torch_devices, "_cpu_only", lambda: cpu_only)
    with pytest.raises(BackendUnavailableError, match="device 'cuda:0' is not available: " + message):
        TorchBackend(DetectorConfig(), load_weights(None), "cuda")


def test_the_filter_belongs_to_fused_networks():
    config = DetectorConfig(precision="float16-filter")
    with pytest.raises(
        ConfigError, match="precision 'float16-filter' needs a CUDA device and fused networks, got torch"
    ):
        TorchBackend(config, load_weights(None))
    with pytest.raises(
        ConfigError, match=r"precision must be .* on the backend 'torch:cpu', got 'float16-filter', which"
    ):
        create_backend("torch:cpu", config, load_weights(None))


def test_message_without_torch(monkeypatch):
    monkeypatch.setattr(torch_devices.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        BackendUnavailableError, match=r"torch is not installed; to get it, pip install 'mtcnn-fast\[torch\]'"
    ):
        create_backend("torch:cpu", DetectorConfig(), load_weights(None))


def test_build_of_torch_is_known_without_importing_it():
    assert torch_devices._cpu_only() == (torch.version.cuda is None)


@pytest.mark.parametrize(
    ("available", "count", "capability", "built", "message"),
    [
        (False, 0, None, [], r"finds no usable device: torch.cuda.is_available\(\) is False \(driver too old\)"),
        (True, 1, (9, 0), ["sm_90"], "torch finds no device 1; it finds 1"),
        (
            True,
            2,
            (7, 0),
            ["sm_75", "sm_90", "compute_90"],
            r"capability 7.0, .* \(sm_75, sm_90, compute_90\)",
        ),
        (True, 2, (8, 0), ["sm_86", "sm_90a"], "compute capability 8.0"),
        (True, 2, (8, 9), ["sm_86"], None),
        (True, 2, (12, 0), ["sm_80", "compute_90"], None),
        (True, 2, (9, 0), ["sm_90a"], None),
        (True, 2, (9, 0), [], None),
    ],
)
def test_message_says_why_torch_cannot_use_a_device(monkeypatch, available, count, capability, built, message):
    def is_available():
        if not available:
            warnings.warn("driver too old\nmore", UserWarning, stacklevel=1)
        return available

    monkeypatch.setattr(torch_devices, "cuda_problem", lambda index: None)
    monkeypatch.setattr(torch_devices, "_cpu_only", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)
    problem = torch_devices.torch_cuda_problem(1)
    if message is None:
        assert problem is None
    else:
        assert re.search(message, problem)

"""The device ``cuda`` without torch: its backend on the emulated device, from arrays to arrays."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import pickle
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mtcnn_fast.backends.cascade.capacities import usual_capacities
from mtcnn_fast.backends.cascade.steps import Capacities
from mtcnn_fast.backends.numpy.backend import NumpyBackend
from mtcnn_fast.errors import BackendError, ImageError
from mtcnn_fast.weights import load_weights
from support.cascade_cases import assert_close
from support.cuda_build import ROOT
from support.cuda_device import VARIANT
from support.cuda_producers import DLPack, Interface
from support.emulated_backend import CONFIG

pytestmark = pytest.mark.skipif(VARIANT == "gpu", reason="runs on the emulated device")


@pytest.mark.parametrize("border", ["zero", "clip"])
def test_faces_are_those_of_numpy(make, images, border):
    reference = NumpyBackend(dataclasses.replace(CONFIG, border=border), load_weights(None)).detect(images)
    assert sum(map(len, reference)) >= 2
    for ours, expected in zip(make(border=border).detect(images), reference, strict=True):
        assert_close(ours, expected)


def test_a_detection_waits_once(make, images, plain_device):
    backend = make()
    backend.detect(images)
    with plain_device.counted_waits() as waits:
        backend.detect(images)
        assert waits() == 1
        backend.propose(images)
        assert waits() == 2


def test_lists_that_are_too_short_are_made_longer_at_once(make, images, caplog):
    caplog.set_level("INFO", logger="mtcnn_fast")
    expected = make().detect(images[:2])
    found = make(Capacities(1, 1, 1, 1)).detect(images[:2])
    assert len(caplog.messages) == 1
    assert found == expected


def test_propose_and_refine(make, images):
    backend = make()
    (boxes, scores), *_ = backend.propose(images)
    assert len(boxes) == len(scores) > 0
    ours, nothing = backend.refine(images[:2], [boxes, np.empty((0, 4), np.float32)])
    assert_close(ours, backend.detect(images[:1])[0])
    assert len(nothing) == 0


def test_profile_and_trace(make, images):
    backend = make()
    (plain,) = backend.detect(images[:1])
    (faces,) = backend.detect(images[:1], profile=True, trace=True)
    assert_close(faces, plain)
    assert faces.timings["pnet"] > 0
    assert [len(step.boxes) for step in faces.trace][-1] == len(plain)


def batches(device, images):
    """Give one image in every layout that is taken, with what it is."""
    face = images[0]
    held = device.array(face)
    yield [held]
    yield [Interface(held, strides=(300, 3, 1)), DLPack(held), DLPack(held, versioned=True)]
    planes = device.array(np.ascontiguousarray(face.transpose(2, 0, 1)))
    yield [planes]
    yield device.array(np.stack([face, face]))
    yield DLPack(device.array(np.stack([face.transpose(2, 0, 1)] * 2)))
    wide = np.zeros((100, 120, 3), np.uint8)
    wide[:, 7:107] = face
    memory = device.array(wide)
    yield [Interface(memory, data=(memory.pointer + 21, False), shape=(100, 100, 3), strides=(360, 3, 1))]


def test_arrays_of_others_are_used_where_they_are(make, images, plain_device):
    backend = make()
    (expected,) = backend.detect(images[:1])
    for batch in batches(plain_device, images):
        faces = backend.detect_tensor(batch)
        assert faces.overflow.numpy().tolist() == [0]
        counts = faces.counts.numpy()
        assert (counts == len(expected)).all()
        for image in range(len(counts)):
            np.testing.assert_array_equal(faces.boxes.numpy()[image, : len(expected)], expected.boxes)
            np.testing.assert_array_equal(np.asarray(faces.landmarks)[image, : len(expected)], expected.landmarks)


def test_a_result_stays_on_the_device_and_nothing_waits(make, images, plain_device):
    backend = make()
    held = plain_device.array(images[0])
    backend.detect_tensor([held])
    with plain_device.counted_waits() as waits:
        faces = backend.detect_tensor([held])
        assert waits() == 1  # for what the lists of the call before wanted
    assert faces.boxes.__dlpack_device__() == (2, 0)
    assert faces.boxes.__cuda_array_interface__["shape"] == (1, 16, 4)
    # The result outlives the backend.
    expected = faces.boxes.numpy()
    backend.close()
    np.testing.assert_array_equal(faces.boxes.numpy(), expected)


def test_producers_learn_of_the_stream_and_are_held_until_it_has_passed(make, images, plain_device):
    backend = make()
    producer = DLPack(plain_device.array(images[0]))
    before = plain_device.library.emulation_stream_waits()
    backend.detect_tensor([producer, Interface(plain_device.array(images[0]), stream=4096)])
    # The legacy default stream is 1 in the protocol.
    assert producer.streams == [1]
    assert plain_device.library.emulation_stream_waits() - before == 1
    assert producer.released == 0
    backend.detect_tensor([plain_device.array(images[0])])
    gc.collect()
    assert producer.released == 1


def test_the_tensor_result_reports_the_overflow(make, images, plain_device):
    short = make(Capacities(1, 1, 1, 1)).detect_tensor([plain_device.array(images[0])])
    assert short.overflow.numpy()[0] != 0
    assert short.wanted.numpy()[0] > 1


@pytest.mark.parametrize(
    ("make_images", "message"),
    [
        (lambda device: [device.array(np.zeros((4, 5, 4), np.uint8))], r"got \(4, 5, 4\) uint8"),
        (lambda device: [device.array(np.zeros((4, 5, 3), np.float32))], r"got \(4, 5, 3\) float32"),
        (lambda device: [device.array(np.zeros((4, 5), np.uint8))], r"got \(4, 5\) uint8"),
        (lambda device: device.array(np.zeros((4, 5, 3), np.uint8)), r"or one batch of them, got \(4, 5, 3\) uint8"),
        (lambda device: [device.array(np.zeros((0, 5, 3), np.uint8))], r"at least one pixel, got \(0, 5, 3\)"),
        (lambda device: [np.zeros((4, 5, 3), np.uint8)], r"must be in CUDA memory, got DLPack device type 1 \(CPU\)"),
        (lambda device: ["photo.jpg"], r"must be an array in CUDA memory .*, got str"),
    ],
)
def test_detect_tensor_refuses(make, plain_device, make_images, message):
    accepted = r"images must be \(H, W, 3\) or \(3, H, W\) uint8 tensors on cuda:0"
    with pytest.raises(ImageError, match=accepted + ".*" + message):
        make().detect_tensor(make_images(plain_device))


def test_arrays_on_another_device_are_refused(make, images, plain_device):
    plain_device.library.emulation_select_device(1)
    try:
        held = plain_device.array(images[0])
    finally:
        plain_device.library.emulation_select_device(0)
    with pytest.raises(ImageError, match="on cuda:0, got one on cuda:1"):
        make().detect_tensor([held])
    assert make(index=1).detect_tensor([held]).counts.numpy().tolist() == [1]


def test_another_device_and_no_context_on_the_first(make, images, plain_device):
    expected = make().detect(images[:1])
    with plain_device.opened_contexts() as opened:
        backend = make(index=1)
        assert backend.name == "cuda:1"
        assert backend.detect(images[:1]) == expected
        assert opened() == [1]


def test_threads_have_streams_of_their_own(make, images):
    backend = make()
    expected = [backend.detect([image])[0] for image in images]
    used, begin, lock = set(), threading.Barrier(3), threading.Lock()
    working = backend._memory.stream

    def stream():
        handle = working()
        with lock:
            used.add((threading.get_ident(), handle))
        return handle

    backend._memory.stream = stream

    def work(number):
        begin.wait()
        return [backend.detect([image])[0] for image in images[number:] + images[:number]]

    with ThreadPoolExecutor(3) as threads:
        for number, found in enumerate(threads.map(work, range(3))):
            assert found == expected[number:] + expected[:number]
    assert len({thread for thread, _ in used}) == 3
    assert 0 not in {handle for _, handle in used}
    assert 1 < len(backend._memory._idle) <= 3


def test_a_batch_that_does_not_fit_is_halved(make, images, caplog):
    caplog.set_level("INFO", logger="mtcnn_fast")
    backend = make(usual_capacities)
    with backend.memory_for_one(images[0]) as expected:
        assert backend.detect(images[:1] * 4) == [expected] * 4
        assert any("out of memory with 4 images, trying halves" in message for message in caplog.messages)
        with pytest.raises(BackendError, match=r"cuda:0: the device's memory does not hold one image of 3000x3000"):
            backend.detect([np.zeros((3000, 3000, 3), np.uint8)])
    assert backend.detect(images[:1]) == [expected]


def test_a_closed_backend_gives_its_memory_back(make, images, plain_device):
    gc.collect()
    before = plain_device.library.emulation_memory()
    backend = make()
    backend.detect(images)
    assert plain_device.library.emulation_memory() > before
    backend.close()
    assert plain_device.library.emulation_memory() == before
    # And so does one that was let go.
    backend = make()
    backend.detect(images)
    del backend
    gc.collect()
    assert plain_device.library.emulation_memory() == before


def test_memory_does_not_grow_with_detections(make, images):
    backend = make()
    backend.detect(images)
    held = backend._memory.reserved
    for _ in range(3):
        backend.detect(images)
    assert backend._memory.reserved == held


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_says_so(make, images):
    backend = make()
    backend.detect(images[2:])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            backend.detect(images[2:])
        except BackendError as error:
            status = 0 if "initialised before this process was forked" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_pickled_backends_are_made_anew(plain_device, monkeypatch):
    from mtcnn_fast.backends.cuda import backend as module

    monkeypatch.setattr(module, "usable_module", lambda index: plain_device.module)
    backend = module.CudaBackend(CONFIG, load_weights(None), 1)
    again = pickle.loads(pickle.dumps(backend))
    assert (again.name, again._config) == ("cuda:1", CONFIG)


PROGRAM = """
import sys
sys.path[:0] = ["tests", "python"]
sys.modules["torch"] = None
import numpy as np
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.weights import load_weights
from support.cuda_device import load_device
from support.emulated_backend import EmulatedBackend
backend = EmulatedBackend(load_device("plain"), DetectorConfig(min_face_size=30), load_weights(None))
image = np.load(sys.argv[1])
"""


def run(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + program, *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_torch_is_not_missed(images, tmp_path):
    """A process that cannot import torch finds the same faces and imports nothing of it."""
    np.save(tmp_path / "image.npy", images[0])
    done = run(
        "faces = backend.detect([image])[0]\n"
        "print(len(faces), [name for name in sys.modules if name.startswith('torch') and name != 'torch'])\n",
        str(tmp_path / "image.npy"),
    )
    assert (done.stdout, done.stderr) == ("1 []\n", "")


def test_a_daemon_thread_may_be_in_a_detection_when_the_interpreter_ends(images, tmp_path):
    np.save(tmp_path / "image.npy", images[0])
    done = run(
        "import threading, time\n"
        "started = threading.Event()\n"
        "def work():\n"
        "    while True:\n"
        "        backend.detect([image])\n"
        "        started.set()\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "started.wait()\n"
        "time.sleep(0.05)\n",
        str(tmp_path / "image.npy"),
    )
    assert (done.returncode, done.stderr) == (0, "")


class Tensor:
    """Stands for a tensor of torch in the emulated device's memory."""

    def __init__(self, held, shape=None, stride=None, kind="cuda", dtype="torch.uint8"):
        self.held, self.shape, self.dtype = held, shape or held.shape, dtype
        self.device = types.SimpleNamespace(type=kind, index=0)
        self._stride = stride or np.empty(self.shape, np.uint8).strides

    def data_ptr(self):
        return self.held.pointer

    def stride(self):
        return self._stride


@pytest.fixture
def torch(monkeypatch):
    """What the backend asks of torch, where it has been imported by somebody."""
    stream = types.SimpleNamespace(cuda_stream=0)
    taken = []

    def from_dlpack(array):
        taken.append(array)
        capsule = array.__dlpack__(stream=stream.cuda_stream or 1, max_version=(1, 0))
        content = array.numpy()
        return types.SimpleNamespace(clone=lambda: types.SimpleNamespace(numpy=lambda: content), capsule=capsule)

    module = types.SimpleNamespace(
        Tensor=Tensor,
        uint8="torch.uint8",
        inference_mode=lambda mode: contextlib.nullcontext(),
        no_grad=contextlib.nullcontext,
        from_dlpack=from_dlpack,
        stream=stream,
        emptied=[],
        cuda=types.SimpleNamespace(
            is_initialized=lambda: True,
            current_stream=lambda index: stream,
            empty_cache=lambda: module.emptied.append(True),
        ),
    )
    monkeypatch.setitem(sys.modules, "torch", module)
    return module


@pytest.mark.parametrize("handle", [0, 4096])
def test_tensors_of_torch_give_tensors_on_torchs_stream(make, images, plain_device, torch, handle):
    torch.stream.cuda_stream = handle
    backend = make()
    (expected,) = backend.detect(images[:1])
    held = plain_device.array(images[0])
    planes = plain_device.array(np.ascontiguousarray(images[0].transpose(2, 0, 1)))
    pair = plain_device.array(np.stack([images[0]] * 2))
    before = plain_device.library.emulation_stream_waits()
    batches = (
        [Tensor(held)],
        [Tensor(planes), Tensor(planes, (100, 100, 3), (100, 1, 10000))],
        Tensor(pair),
        [Tensor(held), held],
    )
    for batch in batches:
        faces = backend.detect_tensor(batch)
        assert (faces.counts.numpy() == len(expected)).all()
        for boxes in faces.boxes.numpy():
            np.testing.assert_array_equal(boxes[: len(expected)], expected.boxes)
    # All on one stream: nothing has to be put in order, and the memory is torch's stream's as with torch's own.
    assert plain_device.library.emulation_stream_waits() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "cpu"}, "uint8 tensors on cuda:0, got one on namespace"),
        ({"dtype": "torch.float32"}, r"got \(100, 100, 3\) torch.float32"),
        ({"shape": (100, 300), "stride": (300, 1)}, r"got \(100, 300\) uint8"),
    ],
)
def test_tensors_that_are_refused(make, images, plain_device, torch, changes, message):
    with pytest.raises(ImageError, match=message):
        make().detect_tensor([Tensor(plain_device.array(images[0]), **changes)])


def test_torchs_unused_memory_goes_too_where_there_is_too_little(make, images, torch):
    backend = make()
    backend._give_memory_back()
    assert torch.emptied == [True]

"""The module's own memory, streams and arrays: what they hold, when memory is used again, and who may have it."""

import ctypes
import gc
import os

import numpy as np
import pytest

from mtcnn_fast.errors import BackendError
from support.cuda_device import VARIANT
from support.cuda_producers import DLManagedTensor, DLManagedTensorVersioned, DLPack, Interface
from support.native_names import compares

emulated = pytest.mark.skipif(VARIANT == "gpu", reason="steers the emulated device")
CONTENT = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.fixture
def stream(device):
    made = device.module.Stream(device.module.Pool(0))
    yield made
    made.synchronize()


@pytest.fixture
def empty(device):
    return device.module.Array


def upload(device, stream, content):
    array = device.module.Array(stream, content.shape, content.dtype.name)
    pinned = device.module.PinnedMemory(stream, max(content.nbytes, 1))
    np.frombuffer(pinned, np.uint8)[: content.nbytes] = content.reshape(-1).view(np.uint8)
    pinned.send(0, array)
    return array


@compares("_cuda.Pool", "_cuda.Stream", "_cuda.PinnedMemory", "_cuda.Mark", "_cuda.Array")
def test_arrays_come_back_as_they_went(device):
    module = device.module
    stream = module.Stream(module.Pool(0))
    contents = [
        CONTENT,
        CONTENT.astype(np.int32) - 5,
        np.arange(3, dtype=np.int64) << 40,
        np.array([[True, False]]),
        np.frombuffer(b"bytes", np.uint8),
        np.empty((0, 4), np.float32),
    ]
    arrays = []
    for content in contents:
        array = module.Array(stream, content.shape, content.dtype.name)
        arrays.append(array)
        if content.size:
            pinned = module.PinnedMemory(stream, content.nbytes)
            np.frombuffer(pinned, np.uint8)[:] = content.reshape(-1).view(np.uint8)
            pinned.send(0, array)
    mark = module.Mark(stream)
    for content, found in zip(contents, stream.download(arrays), strict=True):
        assert found.dtype == content.dtype
        np.testing.assert_array_equal(found, content)
    assert mark.passed


def test_arrays_are_cut_and_reshaped_in_place(device, empty, stream):
    array = upload(device, stream, CONTENT)
    assert (array.shape, array.dtype, array.device, array.nbytes, len(array)) == ((4, 6), "float32", "cuda:0", 96, 4)
    assert repr(array) == "<Array (4, 6) float32 on cuda:0>"
    np.testing.assert_array_equal(array.numpy(), CONTENT)
    np.testing.assert_array_equal(np.asarray(array, np.float64), CONTENT)
    for rows in (slice(1, 3), slice(None), slice(-1, None), slice(2, 2), slice(3, 99)):
        np.testing.assert_array_equal(array[rows].numpy(), CONTENT[rows])
    assert array[1:].data_ptr() == array.data_ptr() + 24
    np.testing.assert_array_equal(array[1:3].reshape((2, 2, 3)).numpy(), CONTENT[1:3].reshape(2, 2, 3))
    np.testing.assert_array_equal(array.reshape(24).numpy(), CONTENT.reshape(24))
    assert empty(stream, (2, 3), "int64", zeros=True).numpy().tolist() == [[0] * 3] * 2


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda empty, s: empty(s, 3, "float64"), "dtype must be float32, int32, int64, uint8 or bool, got float64"),
        (lambda empty, s: empty(s, (3, -1), "int32"), "shape must not be negative, got -1"),
        (lambda empty, s: empty(s, 3, "int32").reshape(4), "shape must have 3 elements, got 4"),
        (lambda empty, s: empty(s, 3, "int32")[::2], "rows must follow one another, got a step"),
        (lambda empty, s: empty(s, (), "int32")[:1], "an array without axes has no rows"),
        (lambda empty, s: np.array(empty(s, 3, "int32"), copy=False), "must be copied"),
        (lambda empty, s: empty(s, 3, "int32").__dlpack__(stream=0), "stream must be None, -1 or above 0, got 0"),
    ],
)
def test_what_cannot_be_is_refused(empty, stream, work, message):
    with pytest.raises(ValueError, match=message):
        work(empty, stream)


def test_a_copy_stays_within_the_pinned_memory(device, empty, stream):
    pinned = device.module.PinnedMemory(stream, 10)
    with pytest.raises(ValueError, match="the copy must lie within the pinned memory"):
        pinned.send(5, empty(stream, 6, "uint8"))


def test_kernels_take_the_arrays(device, empty, stream):
    module = device.module
    boxes = upload(device, stream, np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60]], np.float32))
    scores = upload(device, stream, np.array([0.5, 0.9, 0.7], np.float32))
    kept, count = empty(stream, 3, "int64"), empty(stream, 1, "int32")
    workspace = empty(stream, module.batched_nms_workspace_size(3, 1), "uint8")
    module.batched_nms(boxes, scores, None, 1, None, 0.5, False, kept, count, workspace, stream=stream.handle)
    assert kept.numpy()[: count.numpy()[0]].tolist() == [1, 2]


@emulated
def test_kernels_on_another_stream_wait_for_the_arrays(device, empty, stream):
    module = device.module
    boxes, scores = (upload(device, stream, part) for part in (CONTENT[:, :4].copy(), CONTENT[:, 0].copy()))
    other = module.Stream(module.Pool(0))
    outputs = empty(other, 4, "int64"), empty(other, 1, "int32")
    workspace = empty(other, module.batched_nms_workspace_size(4, 1), "uint8")
    before = device.library.emulation_stream_waits()
    module.batched_nms(boxes, scores, None, 1, None, 0.5, False, *outputs, workspace, stream=other.handle)
    assert device.library.emulation_stream_waits() - before == 2
    for array in (boxes, scores):
        array.share()
    module.batched_nms(boxes, scores, None, 1, None, 0.5, False, *outputs, workspace, stream=other.handle)
    assert device.library.emulation_stream_waits() - before == 2


def test_memory_is_used_again_on_its_stream(device, empty):
    pool = device.module.Pool(0)
    stream, other = device.module.Stream(pool), device.module.Stream(pool)
    array = empty(stream, 1000, "uint8")
    place, held = array.data_ptr(), pool.reserved
    assert empty(stream, 1000, "uint8").data_ptr() != place
    part = array[10:20]
    del array
    # Part of it is in use.
    assert empty(stream, 1000, "uint8").data_ptr() != place
    del part
    assert empty(other, 1000, "uint8").data_ptr() != place
    assert empty(stream, 900, "uint8").data_ptr() == place
    assert pool.reserved > held > 0
    # What was a stream's is anybody's when that has ended.
    del stream
    found = [empty(other, 1000, "uint8") for _ in range(3)]
    assert place in [entry.data_ptr() for entry in found]


def test_sizes_are_rounded_by_a_quarter_at_most(device, empty):
    pool = device.module.Pool(0)
    stream = device.module.Stream(pool)
    for size in (1, 512, 513, 5000, 65537, 1 << 20, (1 << 20) + 1):
        before = pool.reserved
        held = empty(stream, size, "uint8")
        assert size <= pool.reserved - before <= max(512, 1.25 * size + 512)
        del held
        pool.trim()


def test_trim_gives_back_what_is_not_in_use(device, empty):
    pool = device.module.Pool(0)
    stream = device.module.Stream(pool)
    held, idle = empty(stream, 4096, "uint8"), empty(stream, 1 << 20, "uint8")
    del idle
    assert pool.reserved == 4096 + (1 << 20)
    pool.trim()
    assert pool.reserved == 4096
    del held, stream
    pool.trim()
    assert pool.reserved == 0


def test_memory_that_is_not_used_for_long_is_given_back(device, empty):
    pool = device.module.Pool(0)
    stream = device.module.Stream(pool)
    empty(stream, 1 << 20, "uint8")
    small = empty(stream, 4, "int32")
    for _ in range(12):
        for _ in range(1000):
            empty(stream, 1, "uint8")
        stream.download([small])
    assert pool.reserved == 1024


@emulated
def test_a_lack_of_memory_is_told_after_all_else_was_given_back(device, empty):
    pool = device.module.Pool(0)
    stream = device.module.Stream(pool)
    empty(stream, 3 << 20, "uint8")
    with device.memory_left(2 << 20):
        held = empty(stream, 4 << 20, "uint8")
        assert pool.reserved == 4 << 20
        with pytest.raises(MemoryError, match="cudaMalloc of 2097152 bytes on device 0: out of memory"):
            empty(stream, 2 << 20, "uint8")
        del held
        assert len(empty(stream, 2 << 20, "uint8")) == 2 << 20


@emulated
def test_pinned_memory_is_not_used_again_before_the_copy_is_over(device, stream):
    """The emulated device copies late, as a real one may."""
    arrays = [upload(device, stream, np.full(1000, value, np.uint8)) for value in range(8)]
    for value, content in enumerate(stream.download(arrays)):
        assert (content == value).all()


@emulated
def test_a_stream_of_another_library_is_left_to_it(device, empty):
    module = device.module
    pool = module.Pool(0)
    stream = module.Stream(pool, 4096)
    assert stream.handle == 4096
    array = empty(stream, 3, "int32", zeros=True)
    del stream
    assert empty(module.Stream(pool, 4096), 3, "int32", zeros=True).numpy().tolist() == [0, 0, 0]
    del array


def managed(capsule):
    """Return the structure in a capsule of DLPack."""
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found = name(capsule)
    kind = {b"dltensor": DLManagedTensor, b"dltensor_versioned": DLManagedTensorVersioned}[found]
    return kind.from_address(pointer(capsule, found))


@pytest.mark.parametrize(("version", "versioned"), [(None, False), ((0, 8), False), ((1, 0), True), ((1, 3), True)])
def test_dlpack_describes_the_array(device, stream, version, versioned):
    array = upload(device, stream, CONTENT)[1:]
    assert array.__dlpack_device__() == (2, 0)
    capsule = array.__dlpack__(stream=1, max_version=version, dl_device=(2, 0), copy=False)
    tensor = managed(capsule)
    assert isinstance(tensor, DLManagedTensorVersioned) == versioned
    found = tensor.tensor
    assert (found.data, found.device.type, found.device.id) == (array.data_ptr(), 2, 0)
    assert (found.dtype.code, found.dtype.bits, found.dtype.lanes) == (2, 32, 1)
    assert (found.shape[: found.ndim], found.strides[: found.ndim], found.byte_offset) == ([3, 6], [6, 1], 0)


def test_dlpack_holds_the_memory(device, empty):
    pool = device.module.Pool(0)
    stream = device.module.Stream(pool)
    array = empty(stream, 5000, "uint8")
    place = array.data_ptr()
    capsule = array.__dlpack__(stream=None)
    del array
    pool.trim()
    assert pool.reserved > 0
    assert empty(stream, 5000, "uint8").data_ptr() != place
    del capsule
    gc.collect()
    pool.trim()
    assert pool.reserved == 0


@emulated
@pytest.mark.parametrize(("number", "waits"), [(None, 1), (1, 1), (2, 1), (4096, 1), (-1, 0)])
def test_a_consumers_stream_waits(device, empty, stream, number, waits):
    array = empty(stream, 3, "int32")
    before = device.library.emulation_stream_waits()
    array.__dlpack__(stream=number)
    assert device.library.emulation_stream_waits() - before == waits
    empty(device.module.Stream(device.module.Pool(0), 0), 3, "int32").__dlpack__(stream=1)
    assert device.library.emulation_stream_waits() - before == waits


def test_memory_that_others_use_is_free_after_a_wait_only(device, empty):
    pool = device.module.Pool(0)
    stream = device.module.Stream(pool, 0)
    for export in (lambda array: array.__dlpack__(stream=2), lambda array: array.__cuda_array_interface__):
        array = empty(stream, 1000, "uint8")
        place = array.data_ptr()
        export(array)
        del array
        assert empty(stream, 1000, "uint8").data_ptr() != place
    # On the same stream it is free at once.
    array = empty(stream, 5000, "uint8")
    place = array.data_ptr()
    array.__dlpack__(stream=1)
    del array
    assert empty(stream, 5000, "uint8").data_ptr() == place
    pool.trim()
    assert pool.reserved == 0


@emulated
def test_many_arrays_of_others_share_a_wait(device, empty):
    pool = device.module.Pool(0)
    stream = device.module.Stream(pool)
    with device.counted_waits() as waits:
        for _ in range(640):
            assert empty(stream, 1000, "uint8").__cuda_array_interface__["shape"] == (1000,)
        assert waits() <= 10
    assert pool.reserved <= 130 * 1024


def test_the_interface_names_the_stream(device, empty, stream):
    array = upload(device, stream, CONTENT)
    interface = array.__cuda_array_interface__
    assert interface == {
        "shape": (4, 6),
        "typestr": "<f4",
        "data": (array.data_ptr(), False),
        "strides": None,
        "version": 3,
        "stream": stream.handle,
    }
    default = empty(device.module.Stream(device.module.Pool(0), 0), 2, "bool")
    assert default.__cuda_array_interface__["stream"] == 1


@pytest.mark.parametrize("arguments", [{"dl_device": (1, 0)}, {"copy": True}])
def test_dlpack_neither_copies_nor_moves(empty, stream, arguments):
    with pytest.raises(BufferError, match="the array"):
        empty(stream, 3, "int32").__dlpack__(**arguments)


@emulated
@compares("_cuda.ForeignArray")
def test_arrays_of_others_are_described(device):
    content = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    array = device.array(content)
    describe = device.module.ForeignArray
    found = describe("image", DLPack(array, strides=(15, 3, 1)), stream=0)
    assert (found.address, found.shape, found.strides) == (array.pointer, (4, 5, 3), content.strides)
    assert (found.dtype, found.device) == ("uint8", 0)
    found = describe("image", Interface(array, strides=(-15, 3, 1)), stream=0)
    assert found.strides == (-15, 3, 1)
    assert describe("image", Interface(array), stream=0).strides == content.strides
    with pytest.raises(TypeError, match="image must be an array in CUDA memory"):
        describe("image", content.tolist(), stream=0)


@emulated
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_says_so(device, empty):
    pool = device.module.Pool(0)
    stream = device.module.Stream(pool)
    array = empty(stream, 3, "int32")
    device.library.emulation_set_forked(1)
    try:
        with pytest.raises(BackendError, match="CUDA was initialised before this process was forked"):
            array.numpy()
        with pytest.raises(BackendError, match="CUDA was initialised before this process was forked"):
            device.module.Pool(0)
    finally:
        device.library.emulation_set_forked(0)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            empty(stream, 3, "int32")
        except BackendError as error:
            status = 0 if "before this process was forked" in str(error) else 2
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_only_the_pools_device_gets_a_context(device, empty):
    if VARIANT == "gpu":
        pytest.skip("asks the emulated device")
    with device.opened_contexts() as opened:
        stream = device.module.Stream(device.module.Pool(1))
        array = empty(stream, 3, "int32", zeros=True)
        assert (array.device, array.numpy().tolist()) == ("cuda:1", [0, 0, 0])
        del array, stream
        assert opened() == [1]

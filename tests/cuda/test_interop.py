"""How arrays of other libraries come in, what is refused, and on which device and stream the work is queued."""

import ctypes
import gc
import weakref

import numpy as np
import pytest

from mtcnn_fast.errors import BackendError
from support.cuda_ops import nms


class Interface:
    """An object with ``__cuda_array_interface__`` and nothing else, such as numba's and CuPy's arrays."""

    def __init__(self, array, **changes):
        self.array = array
        self.__cuda_array_interface__ = {**array.interface, **changes}


class DLDevice(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("id", ctypes.c_int32)]


class DLDataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", DLDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", DLDataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class DLManagedTensor(ctypes.Structure):
    _fields_ = [("tensor", DLTensor), ("context", ctypes.c_void_p), ("deleter", DELETER)]


class DLManagedTensorVersioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", DELETER),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    ]


CODES = {"i": 0, "u": 1, "f": 2, "b": 6}


class DLPack:
    """An object with ``__dlpack__`` and nothing else, over an array of the emulated device."""

    def __init__(self, array, versioned=False, device=2, read_only=False, strides=None, offset=0, lanes=1):
        self.array, self.device, self.released, self.streams = array, device, 0, []
        shape = (ctypes.c_int64 * len(array.shape))(*array.shape)
        step = (ctypes.c_int64 * len(array.shape))(*strides) if strides else None
        tensor = DLTensor(
            array.pointer - offset,
            DLDevice(device, 0),
            len(array.shape),
            DLDataType(CODES[array.dtype.kind], 8 * array.dtype.itemsize, lanes),
            shape,
            step,
            offset,
        )
        deleter = DELETER(self._release)
        if versioned:
            self.managed = DLManagedTensorVersioned(1, 0, None, deleter, int(read_only), tensor)
        else:
            self.managed = DLManagedTensor(tensor, None, deleter)
        self.name = b"dltensor_versioned" if versioned else b"dltensor"

    def _release(self, _pointer):
        self.released += 1

    def __dlpack_device__(self):
        return (self.device, 0)

    def __dlpack__(self, stream=None):
        self.streams.append(stream)
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return make(ctypes.addressof(self.managed), self.name, None)


BOXES = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60]], np.float32)
SCORES = np.array([0.5, 0.9, 0.7], np.float32)


def run_nms(device, boxes, scores, stream=0, **replaced):
    """Keep [1, 2], given arrays of any kind."""
    module = device.module
    made = {
        "kept": lambda: device.empty(3, np.int64),
        "kept_count": lambda: device.empty(1, np.int32),
        "workspace": lambda: device.empty(module.batched_nms_workspace_size(3, 1), np.uint8),
    }
    arguments = {
        "boxes": boxes,
        "scores": scores,
        "segments": None,
        "segment_count": 1,
        "count": None,
        "threshold": 0.5,
        "iomin": False,
        **{name: make() for name, make in made.items() if name not in replaced},
        **replaced,
    }
    module.batched_nms(**arguments, stream=stream)
    return arguments["kept"].numpy()[: arguments["kept_count"].numpy()[0]].tolist()


@pytest.fixture
def arrays(device):
    return device.array(BOXES), device.array(SCORES)


def test_cuda_array_interface(device, arrays):
    boxes, scores = arrays
    assert run_nms(device, Interface(boxes), Interface(scores, version=2)) == [1, 2]
    assert run_nms(device, Interface(boxes, strides=(16, 4)), Interface(scores, data=(scores.pointer, True))) == [1, 2]


@pytest.mark.parametrize("versioned", [False, True])
def test_dlpack(device, arrays, versioned):
    boxes, scores = (DLPack(array, versioned, offset=32) for array in arrays)
    assert run_nms(device, boxes, scores) == [1, 2]
    assert boxes.released == scores.released == 1
    strided = DLPack(arrays[0], versioned, strides=(4, 1))
    assert run_nms(device, strided, scores) == [1, 2]


@pytest.mark.parametrize(("stream", "number"), [(0, 1), (2, 2), (4096, 4096)])
def test_dlpack_producer_gets_the_stream(device, arrays, stream, number):
    """The protocol has no stream 0: the legacy default stream is 1."""
    boxes = DLPack(arrays[0])
    run_nms(device, boxes, arrays[1], stream)
    assert boxes.streams == [number]


@pytest.mark.parametrize(("producer", "waits"), [(None, 0), (1, 0), (2, 1), (4096, 1)])
def test_stream_of_the_interface_is_waited_for(device, arrays, producer, waits):
    before = device.library.emulation_stream_waits()
    assert run_nms(device, Interface(arrays[0], stream=producer), arrays[1]) == [1, 2]
    assert device.library.emulation_stream_waits() - before == waits
    assert run_nms(device, Interface(arrays[0], stream=4096), arrays[1], stream=4096) == [1, 2]
    assert device.library.emulation_stream_waits() - before == waits


def test_stream_0_of_the_interface_is_refused(device, arrays):
    with pytest.raises(ValueError, match="boxes names stream 0"):
        run_nms(device, Interface(arrays[0], stream=0), arrays[1])


def test_objects_are_let_go(device, arrays):
    held = Interface(arrays[0])
    gone = weakref.ref(held)
    run_nms(device, held, arrays[1])
    del held
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda a: BOXES.tolist(), TypeError, r"boxes must be an array in CUDA memory .* got list"),
        (lambda a: BOXES, ValueError, r"boxes must be in CUDA memory, got DLPack device type 1 \(CPU\)"),
        (
            lambda a: Interface(a, data=(BOXES.ctypes.data, False)),
            ValueError,
            "boxes must be in CUDA memory, got a pointer to host memory",
        ),
        (lambda a: Interface(a, typestr="<f8"), ValueError, r"boxes must be .*\(n, 4\) float32, got \(3, 4\) float64"),
        (lambda a: Interface(a, typestr=">f4"), ValueError, "boxes must be little-endian, got typestr >f4"),
        (lambda a: Interface(a, shape=(4, 3)), ValueError, r"boxes must be .* got \(4, 3\) float32"),
        (lambda a: Interface(a, shape=(12,)), ValueError, r"boxes must be .* got \(12,\) float32"),
        (lambda a: Interface(a, strides=(4, 12)), ValueError, "boxes must be .* got .*, not C-contiguous"),
        (lambda a: Interface(a, mask=a), ValueError, "boxes must not be a masked array"),
        (lambda a: DLPack(a, lanes=4), ValueError, "boxes must not be an array of vectors"),
    ],
)
def test_unusable_arrays_are_refused(device, arrays, make, error, message):
    with pytest.raises(error, match=message):
        run_nms(device, make(arrays[0]), arrays[1])


def test_outputs_must_be_writable(device, arrays):
    kept = device.empty(3, np.int64)
    for read_only in (Interface(kept, data=(kept.pointer, True)), DLPack(kept, versioned=True, read_only=True)):
        with pytest.raises(ValueError, match=r"kept must be a C-contiguous, writable array .* got .*, read-only"):
            run_nms(device, *arrays, kept=read_only)


def test_lengths_must_agree(device, arrays):
    with pytest.raises(ValueError, match=r"scores must be a C-contiguous array \(3,\) float32, got \(2,\) float32"):
        run_nms(device, arrays[0], device.array(SCORES[:2]))


def test_kernel_errors_name_kernel_and_shapes(device):
    """What the runtime refuses, rather than the checks before it."""
    device.library.emulation_refuse_blocks(100)
    message = r"nms_reduce \(3 boxes, 200 segments; grid 200x1, block 256\): cudaErrorInvalidConfiguration"
    try:
        with pytest.raises(BackendError, match=message):
            nms(device, BOXES, SCORES, None, 0.5, segment_count=200)
    finally:
        device.library.emulation_refuse_blocks(0)


def test_current_device_is_left_as_it_was(device, arrays):
    outputs = {"kept": device.empty(3, np.int64), "kept_count": device.empty(1, np.int32)}
    outputs["workspace"] = device.empty(device.module.batched_nms_workspace_size(3, 1), np.uint8)
    device.library.emulation_select_device(1)
    try:
        assert run_nms(device, *arrays, **outputs) == [1, 2]
        assert device.library.emulation_device() == 1
        assert device.library.emulation_launch_device() == 0
    finally:
        device.library.emulation_select_device(0)


def test_arrays_on_several_devices_are_refused(device, arrays):
    device.library.emulation_select_device(1)
    scores = device.array(SCORES)
    device.library.emulation_select_device(0)
    with pytest.raises(ValueError, match="scores must be on device 0 like the arguments before it, got device 1"):
        run_nms(device, arrays[0], scores)


@pytest.fixture
def driver(device):
    yield device.library.emulation_set_driver
    device.library.emulation_set_driver(13000, 2)


@pytest.mark.parametrize(
    ("version", "count", "devices", "problem"),
    [
        (13000, 2, 2, ""),
        (13020, 1, 1, ""),
        (0, 0, 0, "there is no NVIDIA driver"),
        (
            12080,
            1,
            0,
            "the NVIDIA driver is too old: it supports CUDA up to 12.8 and this build needs 13.0 (driver branch R580)",
        ),
        (13000, 0, 0, "the NVIDIA driver finds no device"),
    ],
)
def test_status_tells_no_driver_from_an_old_one(device, driver, version, count, devices, problem):
    driver(version, count)
    status = device.module.status()
    assert (status["toolkit"], status["driver"], status["devices"]) == (13000, version, devices)
    assert status["problem"].startswith(problem)
    assert bool(status["problem"]) == (devices == 0)
    assert len(device.module.devices()) == devices

"""How arrays of other libraries come in, and what is refused."""

import gc
import weakref

import numpy as np
import pytest

from mtcnn_fast.errors import BackendError
from support.cuda_device import VARIANT
from support.cuda_ops import nms
from support.cuda_producers import BOXES, SCORES, DLPack, Interface, NewDLPack, run_nms
from support.native_names import compares

pytestmark = pytest.mark.skipif(VARIANT == "gpu", reason="names streams and devices that only the emulated device has")


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


def test_dlpack_producer_is_asked_for_version_1(device, arrays):
    boxes = NewDLPack(arrays[0])
    assert run_nms(device, boxes, arrays[1]) == [1, 2]
    assert boxes.versions == [(1, 0)]
    assert boxes.released == 1


@pytest.mark.parametrize("major", [0, 2])
def test_another_major_version_of_dlpack_is_refused_and_released(device, arrays, major):
    """Of another version only the beginning is known: how to release it."""
    boxes = NewDLPack(arrays[0], major=major)
    with pytest.raises(ValueError, match=rf"boxes must be of DLPack version 1, got {major}\.0"):
        run_nms(device, boxes, arrays[1])
    gc.collect()
    assert boxes.released == 1


def test_a_producers_own_type_error_is_not_hidden(device, arrays):
    class Broken(DLPack):
        def __dlpack__(self, **arguments):
            raise TypeError("the producer's own")

    with pytest.raises(TypeError, match="the producer's own"):
        run_nms(device, Broken(arrays[0]), arrays[1])


@compares("_cuda.order_after")
def test_order_after_waits_for_the_producer_of_an_array(device, arrays):
    """For libraries that take the memory of an object and ignore its stream."""
    before = device.library.emulation_stream_waits()
    device.module.order_after(Interface(arrays[0], stream=4096), stream=0)
    assert device.library.emulation_stream_waits() - before == 1
    device.module.order_after(Interface(arrays[0], stream=4096), stream=4096)
    device.module.order_after(arrays[0], stream=0)
    assert device.library.emulation_stream_waits() - before == 1


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
    message = r"nms_suppress \(3 boxes, 200 segments; grid 200x1, block 512, shared memory 0\): cudaErrorInvalidConf"
    try:
        with pytest.raises(BackendError, match=message):
            nms(device, BOXES, SCORES, None, 0.5, segment_count=200)
    finally:
        device.library.emulation_refuse_blocks(0)

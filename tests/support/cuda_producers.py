"""Arrays of other libraries as the module `_cuda` meets them, and a call that takes any of them."""

import ctypes
from typing import ClassVar

import numpy as np


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

    #: Those that a consumer holds: their deleters must be there when it calls them, whoever else has let them go.
    lent: ClassVar[set["DLPack"]] = set()

    def __init__(self, array, versioned=False, device=2, read_only=False, strides=None, offset=0, lanes=1, major=1):
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
            self.managed = DLManagedTensorVersioned(major, 0, None, deleter, int(read_only), tensor)
        else:
            self.managed = DLManagedTensor(tensor, None, deleter)
        self.name = b"dltensor_versioned" if versioned else b"dltensor"

    def _release(self, _pointer):
        self.released += 1
        self.lent.discard(self)

    def __dlpack_device__(self):
        return (self.device, 0)

    def __dlpack__(self, stream=None):
        self.streams.append(stream)
        self.lent.add(self)
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return make(ctypes.addressof(self.managed), self.name, None)


class NewDLPack(DLPack):
    """A producer that knows of versions, as those of DLPack 1 do."""

    def __init__(self, array, **changes):
        super().__init__(array, versioned=True, **changes)
        self.versions = []

    def __dlpack__(self, stream=None, max_version=None):
        self.versions.append(max_version)
        return super().__dlpack__(stream)


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

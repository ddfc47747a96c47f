"""The backend of the device ``cuda`` with float32's results: fused kernels from images to faces, without torch."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
from collections import deque
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mtcnn_fast._types import Image
from mtcnn_fast.backends.cascade.backend import CascadeBackend
from mtcnn_fast.backends.cascade.observer import Observer
from mtcnn_fast.backends.cascade.plan import Plan
from mtcnn_fast.backends.cascade.run import Cascade
from mtcnn_fast.backends.cascade.steps import FacesTensor
from mtcnn_fast.backends.cuda.devices import usable_module
from mtcnn_fast.backends.cuda.fused import FusedNetworks
from mtcnn_fast.backends.cuda.images import describe_images, imported_torch, torch_of
from mtcnn_fast.backends.cuda.kernels import CudaOps
from mtcnn_fast.backends.cuda.memory import DeviceMemory
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces import Faces
from mtcnn_fast.weights import Weights

#: Handle of the legacy default stream, which waits for all others but those that say not to, and they for it.
_DEFAULT_STREAM = 0
#: Images of a batch from which on its halves go side by side, and threads that do so.
_LEAST_HALVED, _HELPERS = 16, 4
#: Results whose wanted lengths are remembered.
_MOST_UNREAD = 8


class CudaBackend(CascadeBackend):
    """Runs the cascade on a CUDA device by kernels alone.

    A batch equals its images to the bit. Each thread that detects has a stream of its own, and waits once, for its
    result.

    Parameters
    ----------
    config : DetectorConfig
        With ``float32`` or ``float16-filter``.
    weights : Weights
    index : int
        The device's number.

    Raises
    ------
    BackendUnavailableError
        If the device cannot be used here; the message says why.
    ConfigError
        If the filter has no margin for the weights.
    """

    def __init__(self, config: DetectorConfig, weights: Weights, index: int = 0) -> None:
        self._arguments = (config, weights, index)
        self._index = index
        self._module = self._load_module()
        shared_memory = self._module.devices()[index]["shared_memory"]
        self._memory = DeviceMemory(self._module, index)
        self._cuda_ops = CudaOps(self._module, self._memory, weights.box_coding, config.border, shared_memory)
        with self._memory.working():
            networks = FusedNetworks(self._module, self._memory, weights, config, shared_memory=shared_memory)
        cascade = Cascade(config, networks, self._cuda_ops)
        self._threads = concurrent.futures.ThreadPoolExecutor(_HELPERS, thread_name_prefix="mtcnn-fast-cuda")
        #: Of detections whose result the caller reads: when it is there, the plan, and what the lists wanted.
        self._unread: deque[tuple[Any, Plan, Any]] = deque(maxlen=_MOST_UNREAD)
        super().__init__(config, f"cuda:{index}", self._cuda_ops, cascade, bound=True)

    def _load_module(self) -> ModuleType:
        return usable_module(self._index)

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process makes its own networks and asks its own device.
        return type(self), self._arguments

    def detect_tensor(self, images: Any) -> FacesTensor:
        """Detect faces in images that are on the device, and leave the result there, without waiting for it.

        Parameters
        ----------
        images : (B, H, W, 3) or (B, 3, H, W) uint8 array, or sequence of (H, W, 3) or (3, H, W)
            RGB, any strides, on the backend's device: tensors of torch, or arrays of any library with DLPack or
            ``__cuda_array_interface__``. They must stay as they are until the stream that does the work has reached
            its end: torch's current one for tensors, else the legacy default stream.

        Returns
        -------
        FacesTensor
            Of tensors if there is one among the images, else of arrays with DLPack and ``__cuda_array_interface__``,
            whose ``numpy()`` copies them to the host. Its `overflow` is not 0 if a list was too short and candidates
            were lost; `detect` would have tried again. The calls after its end have longer lists.

        Raises
        ------
        ImageError
            If an image has another type, shape or device.
        """
        torch = torch_of(images)
        stream = _DEFAULT_STREAM if torch is None else self._torch_stream(torch)
        entries, holders = describe_images(self._module, images, self._index, stream)
        plan = self._plan_of(tuple((entry.height, entry.width) for entry in entries))
        self._learn()
        capacities = self._capacities.choose(plan)
        with self._memory.working(stream):
            faces = self._cascade.detect(self._cuda_ops.adopt(entries, plan), capacities, Observer())
            self._unread.append((self._memory.mark(), plan, faces.wanted))
            if torch is None:
                self._memory.keep(holders)
        if torch is None:
            return faces
        parts = {field.name: getattr(faces, field.name) for field in dataclasses.fields(faces)}
        # Tensors in torch's own memory, which knows the streams that its tensors are used on.
        with torch.inference_mode(False), torch.no_grad():
            return FacesTensor(**{name: torch.from_dlpack(part).clone() for name, part in parts.items()})

    def _learn(self) -> None:
        """Take note of what the lists of results wanted that are there by now, without waiting for others."""
        while True:
            try:
                mark, plan, wanted = self._unread.popleft()
            except IndexError:
                return
            if not mark.passed:
                self._unread.appendleft((mark, plan, wanted))
                return
            with self._memory.working():
                self._capacities.learn(plan, self._memory.download([wanted])[0].tolist())

    def detect(self, images: Sequence[Image], *, profile: bool = False, trace: bool = False) -> list[Faces]:
        """Detect the faces of each image; see `CascadeBackend.detect`.

        A large batch goes in halves that two threads work on: one's images are on their way while the device computes
        the other's. No result depends on it.
        """
        if len(images) < _LEAST_HALVED or profile or trace:
            return super().detect(images, profile=profile, trace=trace)
        middle = len(images) // 2
        rest = self._threads.submit(super().detect, images[middle:])
        try:
            first = super().detect(images[:middle])
        finally:
            concurrent.futures.wait([rest])
        return first + rest.result()

    def close(self) -> None:
        """Let go of the networks and of all memory but that of results."""
        self._threads.shutdown()
        super().close()
        self._unread.clear()
        self._memory.close()

    def _working(self) -> contextlib.AbstractContextManager[None]:
        return self._memory.working()

    def _synchronise(self) -> None:
        self._memory.synchronize()

    def _give_memory_back(self) -> None:
        self._memory.trim()
        torch = imported_torch()
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _torch_stream(self, torch: Any) -> int:
        """Return torch's current stream; where torch has no CUDA, tensors are refused later."""
        if not torch.cuda.is_initialized():
            return _DEFAULT_STREAM
        return int(torch.cuda.current_stream(self._index).cuda_stream)

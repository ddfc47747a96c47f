"""The ``torch:cpu`` and ``cuda`` backends: TorchScript networks, and native code for everything between them."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mtcnn_fast._types import Floats, Image
from mtcnn_fast.backends.base import check_one_each
from mtcnn_fast.backends.numpy import steps as numpy_steps
from mtcnn_fast.backends.recorder import Recorder
from mtcnn_fast.backends.torch.capacities import CapacityChooser, enlarged
from mtcnn_fast.backends.torch.cascade import BatchSizes, Cascade, empty_candidates
from mtcnn_fast.backends.torch.cpu_steps import CpuOps
from mtcnn_fast.backends.torch.cuda_steps import CudaOps
from mtcnn_fast.backends.torch.devices import cuda_module, cuda_problem
from mtcnn_fast.backends.torch.graphs import GraphRecorder, Graphs, record_graph
from mtcnn_fast.backends.torch.memory import run_in_parts
from mtcnn_fast.backends.torch.observer import Observer
from mtcnn_fast.backends.torch.plan import Plan, make_plan
from mtcnn_fast.backends.torch.steps import Candidates, Capacities, FacesTensor
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import BackendUnavailableError, ConfigError, ImageError
from mtcnn_fast.faces import Faces
from mtcnn_fast.nets.networks import DTYPES, load_networks
from mtcnn_fast.nets.script import script_network
from mtcnn_fast.nets.torch_state import undisturbed
from mtcnn_fast.weights import Weights

_LOGGER = logging.getLogger("mtcnn_fast")

#: Where libraries choose algorithms by shape, P-Net sees one level at a time, so that a batch equals its images.
_CPU_SIZES = BatchSizes(pnet=1, rnet=32, onet=8)
_CUDA_SIZES = BatchSizes(pnet=None, rnet=512, onet=128)

Networks = Literal["fused", "torch"]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class TorchBackend:
    """Runs the cascade with torch's networks on the CPU or a CUDA device.

    Parameters
    ----------
    config : DetectorConfig
    weights : Weights
    device : str
        ``torch:cpu``, ``cuda`` or ``cuda:N``.
    download_counts : bool or None
        On CUDA, whether to wait for the numbers of candidates before R-Net and O-Net, which then run on no more than
        those. Without, a detection waits once, for its result. None: with networks of torch, unless there are `graphs`;
        fused networks read the numbers on the device.
    graphs : int
        On CUDA and without `download_counts`, how many detections to keep recorded as CUDA Graphs, one for the sizes of
        a batch's images: for streams of equal images. 0 records none.
    networks : {"fused", "torch"} or None
        ``fused``, on CUDA with float32: P-Net runs in one launch and R-Net and O-Net in two, from the images to their
        scores, with one order of sums, so that results do not depend on the batch. ``torch``: they are TorchScript.
        None: ``fused`` where it can be.

    Raises
    ------
    BackendUnavailableError
        If the device cannot be used here; the message says why.
    ConfigError
        If `graphs` or fused `networks` are asked for where there are none.
    """

    def __init__(
        self,
        config: DetectorConfig,
        weights: Weights,
        device: str = "torch:cpu",
        *,
        download_counts: bool | None = None,
        graphs: int = 0,
        networks: Networks | None = None,
    ) -> None:
        self._arguments = (config, weights, device, download_counts, graphs, networks)
        self._config = config
        self._name = "cuda:0" if device == "cuda" else device
        self._device = torch.device(self._name.removeprefix("torch:"))
        dtype = DTYPES[config.precision]
        fused = self._fuses(networks)
        self._ops = self._make_ops(config, weights, fused)
        if download_counts is None:
            download_counts = isinstance(self._ops, CudaOps) and not graphs and not fused
        if graphs and (download_counts or not isinstance(self._ops, CudaOps)):
            raise ConfigError(
                f"graphs must be 0 on torch:cpu and with download_counts, got {graphs} on {self._name} with "
                f"download_counts={download_counts}"
            )
        self._graphs = Graphs(graphs, self._recorder()) if graphs else None
        # On a processor channels last take 0.3 (R-Net, O-Net) to 0.6 (P-Net) of the time; see docs/cuda.md.
        memory_format = torch.channels_last if self._device.type == "cpu" else torch.contiguous_format
        modules: dict[str, Any] = {} if fused else dict(load_networks(weights))
        with self._undisturbed():
            scripts = {
                name: script_network(network.to(self._device, dtype, memory_format=memory_format))
                for name, network in modules.items()
            }
        self._cascade = Cascade(
            config,
            scripts,
            self._ops,
            _CUDA_SIZES if self._device.type == "cuda" else _CPU_SIZES,
            dtype=dtype,
            memory_format=memory_format,
            download_counts=download_counts,
            fused=fused,
        )
        # Where places that are not used cost next to nothing, lists that were too short grow at once as far as may be.
        self._bound = download_counts or fused
        self._capacities = CapacityChooser()

    def _fuses(self, networks: Networks | None) -> bool:
        """Tell whether the networks are fused."""
        possible = self._device.type == "cuda" and self._config.precision == "float32"
        if networks not in (None, "fused", "torch"):
            raise ConfigError(f"networks must be 'fused', 'torch' or None, got {networks!r}")
        if networks == "fused" and not possible:
            raise ConfigError(
                f"networks='fused' needs a CUDA device and float32, got {self._name} and {self._config.precision}"
            )
        return possible and networks != "torch"

    def _make_ops(self, config: DetectorConfig, weights: Weights, fused: bool) -> CpuOps | CudaOps:
        if self._device.type == "cpu":
            return CpuOps(weights.box_coding, config.border)
        problem = cuda_problem(self._device.index or 0)
        module, _ = cuda_module()
        if problem is not None or module is None:
            raise BackendUnavailableError(f"device {self._name!r} is not available: {problem}")
        device = self._device
        return CudaOps(
            module,
            device,
            lambda: int(torch.cuda.current_stream(device).cuda_stream),
            weights.box_coding,
            config.border,
            weights if fused else None,
        )

    def _undisturbed(self) -> contextlib.AbstractContextManager[None]:
        """Return a block that computes as the configuration says, whatever the caller has set in torch."""
        return undisturbed(self._device, tf32=self._config.precision == "tf32")

    def _recorder(self) -> GraphRecorder:
        return record_graph(self._device)

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process makes its own networks and asks its own device.
        return _remake, (type(self), *self._arguments)

    def __enter__(self) -> TorchBackend:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The device string that selects this backend."""
        return self._name

    def detect(self, images: Sequence[Image], *, profile: bool = False, trace: bool = False) -> list[Faces]:
        """Detect the faces of each image, in the order of `images`; see `mtcnn_fast.backends.base.Backend`.

        A batch that does not fit the device's memory is split, down to single images.

        Raises
        ------
        BackendError
            If one image alone does not fit.
        """
        return self._in_parts(images, lambda part: self._detect(part, profile, trace))

    def detect_tensor(self, images: Tensor | Sequence[Tensor]) -> FacesTensor:
        """Detect faces in images that are on the device, and leave the result there, without waiting for it.

        Parameters
        ----------
        images : (B, H, W, 3) or (B, 3, H, W) uint8 Tensor, or sequence of (H, W, 3) or (3, H, W)
            RGB, any strides, on the backend's device. They must stay as they are until the stream that was current in
            this call has reached its end.

        Returns
        -------
        FacesTensor
            Its `overflow` is not 0 if a list was too short and candidates were lost; `detect` would have tried again.

        Raises
        ------
        ImageError
            If a tensor has another type, shape or device.
        """
        pictures = [self._checked(image) for image in images]
        plan = make_plan([(image.shape[0], image.shape[1]) for image in pictures], self._config)
        capacities = self._capacities.choose(plan)
        with self._undisturbed():
            if isinstance(self._ops, CudaOps):
                batch: Any = self._ops.adopt(pictures, plan)
            else:
                batch = self._ops.upload([np.ascontiguousarray(image.numpy()) for image in pictures], plan)
            return self._cascade.detect(batch, capacities, Observer())

    @property
    def on_tensors(self) -> TorchBackend:
        """The backend itself."""
        return self

    def propose(self, images: Sequence[Image]) -> list[tuple[Floats, Floats]]:
        """Find what P-Net takes for faces in each image; see `mtcnn_fast.backends.base.Backend`."""
        return self._in_parts(images, self._propose)

    def refine(self, images: Sequence[Image], boxes: Sequence[Floats]) -> list[Faces]:
        """Find the faces in given boxes; see `mtcnn_fast.backends.base.Backend`."""
        check_one_each(images, boxes)
        return self._in_parts(list(zip(images, boxes, strict=True)), self._refine)

    def _refine(self, items: Sequence[tuple[Image, Floats]]) -> list[Faces]:
        images, boxes = [image for image, _ in items], [part for _, part in items]
        plan = make_plan([(image.shape[0], image.shape[1]) for image in images], self._config)
        candidates = empty_candidates(boxes, self._device)
        most = max(1, len(candidates.boxes))
        capacities = dataclasses.replace(self._capacities.choose(plan), rnet=most, onet=most, faces=most)
        with self._undisturbed():
            batch: Any = self._ops.upload(images, plan)
            candidates = self._ops.gather(batch, candidates, None, most, square=True)
            tables = _download(self._cascade.refine(batch, candidates, capacities, Observer()))
        return self._faces(tables, plan)

    def warmup(self) -> None:
        """Run once, so that libraries load and choose their algorithms."""
        self.detect([np.zeros((64, 64, 3), np.uint8)])

    def close(self) -> None:
        """Let go of the networks."""
        del self._cascade
        self._graphs = None

    def _with_capacities(self, plan: Plan, run: Callable[[Capacities], tuple[_Result, Sequence[int]]]) -> _Result:
        """Run with the usual capacities, and again where a list was too short.

        `run` returns its result and the lengths that the lists wanted. With downloaded counts or fused networks no
        batch runs more than twice, unless it has more faces than `enlarged` makes tables for.
        """
        capacities = self._capacities.choose(plan)
        while True:
            result, wanted = run(capacities)
            self._capacities.learn(plan, wanted)
            larger = enlarged(capacities, wanted, len(plan.sizes), bound=self._bound)
            if larger is None:
                return result
            _LOGGER.info("%s: a list of candidates was too short, trying again with %s", self.name, larger)
            capacities = larger

    def _detect(self, images: Sequence[Image], profile: bool, trace: bool) -> list[Faces]:
        plan = make_plan([(image.shape[0], image.shape[1]) for image in images], self._config)

        def run(capacities: Capacities) -> tuple[tuple[_Tables, Recorder | None, Observer], Sequence[int]]:
            record = Recorder(tracing=False) if profile else None
            observer = Observer(record, traced_images=len(images) if trace else 0, synchronise=self._synchronise)
            with self._undisturbed():
                if self._graphs is None or profile or trace:
                    tables = _download(self._cascade.detect(self._ops.upload(images, plan), capacities, observer))
                else:
                    assert isinstance(self._ops, CudaOps)
                    tables = self._graphs.detect(self._ops, self._cascade, images, plan, capacities, _download)
            return (tables, record, observer), tables.wanted

        tables, record, observer = self._with_capacities(plan, run)
        timings = None
        if record is not None:
            timings = {stage: seconds / len(images) for stage, seconds in record.timings.items()}
        return self._faces(tables, plan, timings, observer.traces)

    def _faces(
        self, tables: _Tables, plan: Plan, timings: dict[str, float] | None = None, traces: Sequence[Any] | None = None
    ) -> list[Faces]:
        results = []
        for image, (height, width) in enumerate(plan.sizes):
            count = int(tables.counts[image])
            if self._config.max_faces is not None:
                count = min(count, self._config.max_faces)
            boxes, scores, landmarks = (
                part[image, :count].copy() for part in (tables.boxes, tables.scores, tables.landmarks)
            )
            trace = traces[image] if traces else None
            results.append(Faces(boxes, scores, landmarks, (width, height), timings=timings, trace=trace))
        return results

    def _propose(self, images: Sequence[Image]) -> list[tuple[Floats, Floats]]:
        plan = make_plan([(image.shape[0], image.shape[1]) for image in images], self._config)

        def run(capacities: Capacities) -> tuple[Candidates, Sequence[int]]:
            with self._undisturbed():
                batch: Any = self._ops.upload(images, plan)
                return self._cascade.propose(batch, capacities, Observer()), batch.wanted[:2].tolist()

        found = self._with_capacities(plan, run)
        count = int(found.count)
        index = found.images[:count].cpu().numpy()
        boxes, scores = found.boxes[:count].cpu().numpy(), found.scores[:count].cpu().numpy()
        results = []
        for image, (height, width) in enumerate(plan.sizes):
            mine = np.flatnonzero(index == image)
            mine = mine[numpy_steps.crop_valid(boxes[mine], height, width)]
            results.append((boxes[mine], scores[mine]))
        return results

    def _in_parts(self, items: Sequence[_Item], run: Callable[[Sequence[_Item]], list[_Result]]) -> list[_Result]:
        return run_in_parts(items, run, device=self.name, describe=_describe, make_room=self._give_memory_back)

    def _give_memory_back(self) -> None:
        if self._graphs is not None:
            self._graphs.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def recordings(self) -> list[tuple[tuple[int, int], ...]]:
        """Height and width of the images of each recorded detection, the one used last at the end."""
        return [] if self._graphs is None else self._graphs.sizes

    def _synchronise(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _checked(self, image: Tensor) -> Tensor:
        accepted = f"images must be (H, W, 3) or (3, H, W) uint8 tensors on {self._device}"
        if image.dtype != torch.uint8 or image.ndim != 3 or 3 not in (image.shape[0], image.shape[2]):
            raise ImageError(f"{accepted}, got {tuple(image.shape)} {image.dtype}")
        if image.device != self._device:
            raise ImageError(f"{accepted}, got one on {image.device}")
        if image.numel() == 0:
            raise ImageError(f"{accepted} with at least one pixel, got {tuple(image.shape)}")
        return image if image.shape[2] == 3 else image.permute(1, 2, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class _Tables:
    """A `FacesTensor` on the host."""

    boxes: Floats
    scores: Floats
    landmarks: Floats
    counts: npt.NDArray[np.int32]
    wanted: list[int]


def _describe(item: Any) -> str:
    """Describe an image, or an image and the boxes in it."""
    image, boxes = item if isinstance(item, tuple) else (item, None)
    size = f"image of {image.shape[1]}x{image.shape[0]}"
    return size if boxes is None else f"{size} with {len(boxes)} boxes"


def _download(faces: FacesTensor) -> _Tables:
    """Copy a result to the host by one transfer: the only time that a detection waits for the device."""
    numbers = (faces.counts, faces.wanted)
    parts = [faces.boxes, faces.scores, faces.landmarks, *(part.view(torch.float32) for part in numbers)]
    flat = torch.cat([part.reshape(-1) for part in parts]).cpu().numpy()
    split = np.split(flat, np.cumsum([part.numel() for part in parts])[:-1])
    boxes, scores, landmarks = (content.reshape(part.shape) for content, part in zip(split[:3], parts[:3], strict=True))
    counts, wanted = (content.view(np.int32) for content in split[3:])
    return _Tables(boxes, scores, landmarks, counts, wanted.tolist())


def _remake(
    kind: type[TorchBackend],
    config: DetectorConfig,
    weights: Weights,
    device: str,
    download_counts: bool | None,
    graphs: int,
    networks: Networks | None,
) -> TorchBackend:
    return kind(config, weights, device, download_counts=download_counts, graphs=graphs, networks=networks)

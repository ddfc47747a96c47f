"""The ``torch:cpu`` backend, and torch's networks on CUDA devices: TorchScript, with native code between them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from mtcnn_fast._types import Image
from mtcnn_fast.backends.cascade.backend import CascadeBackend, HostFaces
from mtcnn_fast.backends.cascade.networks import Networks
from mtcnn_fast.backends.cascade.observer import Observer
from mtcnn_fast.backends.cascade.plan import Plan
from mtcnn_fast.backends.cascade.run import Cascade
from mtcnn_fast.backends.cascade.steps import Capacities, FacesTensor
from mtcnn_fast.backends.cuda.devices import usable_module
from mtcnn_fast.backends.cuda.fused import FusedNetworks
from mtcnn_fast.backends.cuda.kernels import CudaOps
from mtcnn_fast.backends.torch.cpu_steps import CpuOps
from mtcnn_fast.backends.torch.devices import torch_cuda_problem
from mtcnn_fast.backends.torch.graphs import GraphRecorder, Graphs, record_graph
from mtcnn_fast.backends.torch.networks import BatchSizes, ScriptNetworks
from mtcnn_fast.backends.torch.tensors import TorchArrays
from mtcnn_fast.config import FUSED_PRECISIONS, TORCH_PRECISIONS, DetectorConfig
from mtcnn_fast.errors import BackendUnavailableError, ConfigError, ImageError
from mtcnn_fast.nets.networks import DTYPES, load_networks
from mtcnn_fast.nets.script import script_network
from mtcnn_fast.nets.torch_state import undisturbed
from mtcnn_fast.weights import Weights

#: Where libraries choose algorithms by shape, P-Net sees one level at a time, so that a batch equals its images.
_CPU_SIZES = BatchSizes(pnet=1, rnet=32, onet=8)
_CUDA_SIZES = BatchSizes(pnet=None, rnet=512, onet=128)

NetworksName = Literal["fused", "torch"]


class TorchBackend(CascadeBackend):
    """Runs the cascade on torch's tensors, with torch's networks on the CPU or a CUDA device.

    `mtcnn_fast.backends.cuda.backend.CudaBackend` needs no torch for fused networks. Here they share torch's memory,
    and can be recorded as CUDA Graphs.

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
        ``fused``, on CUDA with float32 or float16-filter: P-Net runs in one launch (two with the filter) and R-Net and
        O-Net in two, from the images to their scores, with one order of sums, so that results do not depend on the
        batch. ``torch``: they are TorchScript.
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
        networks: NetworksName | None = None,
    ) -> None:
        self._arguments = (config, weights, device, download_counts, graphs, networks)
        self._config = config
        self._name = "cuda:0" if device == "cuda" else device
        self._device = torch.device(self._name.removeprefix("torch:"))
        fused = self._fuses(networks)
        kernels = self._kernels()
        if download_counts is None:
            download_counts = kernels is not None and not graphs and not fused
        if graphs and (download_counts or kernels is None):
            raise ConfigError(
                f"graphs must be 0 on torch:cpu and with download_counts, got {graphs} on {self._name} with "
                f"download_counts={download_counts}"
            )
        self._graphs = Graphs(graphs, self._recorder()) if graphs else None
        cascade = self._make_cascade(kernels, weights, fused, download_counts)
        # Where places that are not used cost next to nothing, lists that were too short grow at once as far as may be.
        super().__init__(config, self._name, self._steps, cascade, bound=download_counts or fused)

    def _make_cascade(
        self, kernels: tuple[ModuleType, TorchArrays] | None, weights: Weights, fused: bool, download_counts: bool
    ) -> Cascade:
        config = self._config
        self._steps: CpuOps | CudaOps
        networks: Networks
        if kernels is None:
            self._steps = CpuOps(weights.box_coding, config.border)
            return Cascade(config, self._script(weights, download_counts), self._steps)
        module, arrays = kernels
        shared_memory = module.devices()[self._device.index or 0]["shared_memory"] if fused else None
        self._steps = CudaOps(module, arrays, weights.box_coding, config.border, shared_memory)
        if shared_memory is None:
            networks = self._script(weights, download_counts)
        else:
            networks = FusedNetworks(
                module, arrays, weights, config, shared_memory=shared_memory, download_counts=download_counts
            )
        return Cascade(config, networks, self._steps)

    def _script(self, weights: Weights, download_counts: bool) -> ScriptNetworks:
        """Return torch's networks."""
        dtype, on_cpu = DTYPES[self._config.precision], self._device.type == "cpu"
        # On a processor channels last take 0.3 (R-Net, O-Net) to 0.6 (P-Net) of the time; see docs/cuda.md.
        memory_format = torch.channels_last if on_cpu else torch.contiguous_format
        modules: dict[str, Any] = dict(load_networks(weights))
        with self._working():
            scripts = {
                name: script_network(network.to(self._device, dtype, memory_format=memory_format))
                for name, network in modules.items()
            }
        return ScriptNetworks(
            scripts,
            self._steps,
            _CPU_SIZES if on_cpu else _CUDA_SIZES,
            dtype=dtype,
            memory_format=memory_format,
            download_counts=download_counts,
        )

    def _fuses(self, networks: NetworksName | None) -> bool:
        """Tell whether the networks are fused."""
        precision = self._config.precision
        possible = self._device.type == "cuda" and precision in FUSED_PRECISIONS
        if networks not in (None, "fused", "torch"):
            raise ConfigError(f"networks must be 'fused', 'torch' or None, got {networks!r}")
        if networks == "fused" and not possible:
            raise ConfigError(
                f"networks='fused' needs a CUDA device and {' or '.join(FUSED_PRECISIONS)}, got {self._name} and "
                f"{precision}"
            )
        fused = possible and networks != "torch"
        if not fused and precision not in TORCH_PRECISIONS:
            raise ConfigError(f"precision {precision!r} needs a CUDA device and fused networks, got {self._name}")
        return fused

    def _kernels(self) -> tuple[ModuleType, TorchArrays] | None:
        """Return the CUDA kernels, and what makes tensors for them; None on the CPU."""
        if self._device.type == "cpu":
            return None
        device, index = self._device, self._device.index or 0
        problem = torch_cuda_problem(index)
        if problem is not None:
            raise BackendUnavailableError(f"device {self._name!r} is not available: {problem}")
        module = usable_module(index)
        arrays = TorchArrays(device, module.ALIGNMENT, lambda: int(torch.cuda.current_stream(device).cuda_stream))
        return module, arrays

    def _working(self) -> contextlib.AbstractContextManager[None]:
        """Return a block that computes as the configuration says, whatever the caller has set in torch."""
        return undisturbed(self._device, tf32=self._config.precision == "tf32")

    def _recorder(self) -> GraphRecorder:
        return record_graph(self._device)

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process makes its own networks and asks its own device.
        return _remake, (type(self), *self._arguments)

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
        plan = self._plan_of(tuple((image.shape[0], image.shape[1]) for image in pictures))
        capacities = self._capacities.choose(plan)
        with self._working():
            if isinstance(self._steps, CudaOps):
                batch: Any = self._steps.adopt([self._steps.describe(image) for image in pictures], plan)
            else:
                batch = self._steps.upload([np.ascontiguousarray(image.numpy()) for image in pictures], plan)
            return self._cascade.detect(batch, capacities, Observer())

    def close(self) -> None:
        """Let go of the networks and recordings."""
        super().close()
        self._graphs = None

    def _tables(self, images: Sequence[Image], plan: Plan, capacities: Capacities, observer: Observer) -> HostFaces:
        if self._graphs is None or observer.observes:
            return super()._tables(images, plan, capacities, observer)
        assert isinstance(self._steps, CudaOps)
        return self._graphs.detect(self._steps, self._cascade, images, plan, capacities, self._download)

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


def _remake(
    kind: type[TorchBackend],
    config: DetectorConfig,
    weights: Weights,
    device: str,
    download_counts: bool | None,
    graphs: int,
    networks: NetworksName | None,
) -> TorchBackend:
    return kind(config, weights, device, download_counts=download_counts, graphs=graphs, networks=networks)

"""From three torch modules, whose parameters anybody may change, to a `Detector` that has the same weights."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtcnn_fast._native import checked_threads
from mtcnn_fast._types import Floats
from mtcnn_fast.compat.detectors import detector_cache, usable_device
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import ConfigError, WeightsError
from mtcnn_fast.weights import SHAPES, WIDTHS, Weights, network_shapes, widths_of

Networks = tuple[nn.Module, nn.Module, nn.Module]

#: Precision of the networks on a GPU by the type of their parameters; on the CPU it is float32.
_PRECISIONS = {torch.float16: "float16", torch.bfloat16: "bfloat16"}


class _Engine:
    """Detectors with the weights that three networks had when this was made."""

    def __init__(self, networks: Networks) -> None:
        self._parameters = [parameter.detach().clone() for parameter in _parameters(networks)]
        first = self._parameters[0]
        self._device = usable_device(first.device.type, first.device.index or 0)
        self._precision = _PRECISIONS.get(first.dtype, "float32") if self._device.startswith("cuda") else "float32"
        self._processors = checked_threads(None)
        self._make = detector_cache(_weights(networks))

    def serves(self, networks: Networks) -> bool:
        """Tell whether the networks still have these weights, this type and this device.

        Values are compared, since a change through ``parameter.data`` leaves no other mark.
        """
        now = _parameters(networks)
        return len(now) == len(self._parameters) and all(map(_same, now, self._parameters))

    def detector(self, **settings: Any) -> Detector:
        """Return a detector with these weights and settings."""
        # The program's choice for torch counts here too: a worker of a DataLoader, for one, has a single thread.
        threads = torch.get_num_threads()
        return self._make(
            self._device,
            precision=self._precision,
            num_threads=None if threads >= self._processors else threads,
            **settings,
        )


#: By the first network, and for as long as it lives: modules stay free of state that copies and pickles would carry.
_ENGINES: weakref.WeakKeyDictionary[nn.Module, _Engine] = weakref.WeakKeyDictionary()


def detector_for(pnet: nn.Module, rnet: nn.Module, onet: nn.Module, **settings: Any) -> Detector:
    """Return a detector with the present weights of three networks, on their device.

    Parameters
    ----------
    pnet, rnet, onet : nn.Module
        Networks with the parameters of facenet-pytorch's.
    **settings
        Of `mtcnn_fast.Detector`.

    Raises
    ------
    WeightsError
        If the networks have other parameters.
    ConfigError
        If a setting is not accepted.
    """
    networks = (pnet, rnet, onet)
    engine = _ENGINES.get(pnet)
    if engine is None or not engine.serves(networks):
        engine = _ENGINES[pnet] = _Engine(networks)
    return engine.detector(**settings)


def _parameters(networks: Networks) -> list[Tensor]:
    return [parameter for network in networks for parameter in network.parameters()]


def _same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.device == b.device and bool(torch.equal(a, b))


def _weights(networks: Networks) -> Weights:
    pnet, rnet, onet = (_tensors(letter, network) for letter, network in zip("pro", networks, strict=True))
    return Weights(pnet, rnet, onet, "corner", {}, "the networks of an MTCNN module")


def _expected(letter: str, state: Mapping[str, Floats]) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of a network as wide as `state`, where that is accepted; else of the standard one."""
    try:
        return network_shapes(letter, widths_of(letter, state) if letter in WIDTHS else None)
    except (ConfigError, IndexError, KeyError):
        return SHAPES[letter]


def _tensors(letter: str, network: nn.Module) -> Mapping[str, Floats]:
    """Return the tensors of a network as the package's own weights are: float32, read-only, of the known shapes."""
    state = {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in network.named_parameters()}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    expected = _expected(letter, state)
    if shapes != dict(expected):
        wrong = sorted(set(shapes.items()) ^ set(expected.items()))
        raise WeightsError(
            f"{letter}net must have the parameters of {letter.upper()}-Net as facenet-pytorch names them, it differs "
            f"in {', '.join(f'{name} {shape}' for name, shape in wrong)}"
        )
    for name, tensor in state.items():
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{letter}net has values in {name!r} that are not finite")
        tensor.setflags(write=False)
    return MappingProxyType(state)

"""The forms in which backends are tested: the engine with each instruction set of this machine and several threads."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from unittest import mock

import pytest
from _pytest.mark import ParameterSet

from mtcnn_fast._native import native_isas
from mtcnn_fast.backends import available_backends, create_backend
from mtcnn_fast.backends.base import Backend
from mtcnn_fast.backends.native import NativeBackend, make_engine
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.weights import Weights, load_weights
from support.cuda_build import compiler
from support.cuda_device import VARIANT, load_device
from support.emulated_backend import EmulatedBackend

#: The instruction sets that the engine has here, best first; none without the native module.
ISAS = tuple(native_isas())

#: The backend of the device ``cuda`` on the emulated device: slow, and hence only in the tests that ask for it.
EMULATED = "cuda[emulated]"

#: How many threads the engine is tested with: alone, as many as CI has processors, and one more.
THREADS = (1, 2, 3)


def variants() -> list[str]:
    """List the usable backends: ``numpy``, and ``cpu[avx2,3]`` for each instruction set and number of threads."""
    names = [name for name, reason in available_backends().items() if not reason]
    engines = [f"cpu[{isa},{threads}]" for isa in ISAS for threads in THREADS]
    return [variant for name in names for variant in (engines if name == "cpu" else [name])]


def parameters(names: Iterable[str]) -> list[ParameterSet]:
    """Make backends the parameters of a fixture; tests of that on torch are marked so."""
    return [pytest.param(name, marks=[pytest.mark.torch] if name == "torch:cpu" else []) for name in names]


def emulated_variants() -> list[str]:
    """List `EMULATED` where a compiler is."""
    return [EMULATED] if compiler() is not None and VARIANT == "race" else []


def create_variant(variant: str, config: DetectorConfig, weights: Weights) -> Backend:
    """Make a backend of `variants`. A number of threads in the configuration goes before that of the variant."""
    device, _, form = variant.rstrip("]").partition("[")
    if variant == EMULATED:
        return EmulatedBackend(load_device("plain"), config, weights)
    if not form:
        return create_backend(device, config, weights)
    isa, threads = form.split(",")
    if config.num_threads is None:
        config = dataclasses.replace(config, num_threads=int(threads))
    return engine(isa, config, weights)


def engine(
    isa: str, config: DetectorConfig | None = None, weights: Weights | None = None, *, direct: bool = False
) -> NativeBackend:
    """Make the engine's backend with an instruction set; with `direct`, every convolution as it is defined."""
    config, weights = config or DetectorConfig(), weights or load_weights(None)
    with mock.patch.dict(os.environ, MTCNN_FAST_ISA=isa):
        backend = NativeBackend(config, weights)
    if direct:
        backend._engine = make_engine(config, weights, isa=isa, direct=True)
    assert backend.isa == isa
    return backend

"""`BatchSettings`: all that the results of a batch depend on, beside the images."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from mtcnn_fast._native import native_isas
from mtcnn_fast._version import __version__
from mtcnn_fast.backends import parse_device
from mtcnn_fast.config import DetectorConfig, is_named
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import DataError
from mtcnn_fast.weights import load_weights

#: Settings that change the time of a detection and not its result.
_OF_THE_MACHINE = ("num_threads",)


@dataclasses.dataclass(frozen=True, slots=True)
class BatchSettings:
    """Settings of a detector as plain values, which JSON carries to other machines.

    Attributes
    ----------
    config : mapping
        The fields of `DetectorConfig` but `num_threads`.
    device : str
        As for `Detector`.
    weights : str or None
        Where each machine reads the networks, or the name of some of the package's; None for its default.
    weights_sha256 : mapping of str to str
        What these files must be.
    decoder : {"pillow", "simplejpeg"}
        See `mtcnn_fast.distributed.decoding`.
    version : str
        That of the package.
    """

    config: Mapping[str, Any]
    device: str
    weights: str | None
    weights_sha256: Mapping[str, str]
    decoder: str = "pillow"
    version: str = __version__

    @classmethod
    def of(cls, settings: Mapping[str, Any], decoder: str = "pillow") -> BatchSettings:
        """Check and complete the settings that `Detector` takes, `device` and `weights` included.

        Raises
        ------
        ConfigError, WeightsError
            As `Detector` raises them.
        """
        given = dict(settings)
        device, weights = given.pop("device", "auto"), given.pop("weights", None)
        parse_device(device)
        config = dataclasses.asdict(DetectorConfig(**given))
        for name in _OF_THE_MACHINE:
            del config[name]
        # Read before their place is made absolute: that of what is no place at all would be the current folder.
        sha256 = dict(load_weights(weights).sha256)
        path = weights if weights is None or is_named(weights) else os.path.abspath(weights)  # noqa: PTH100
        return cls(_plain(config), device, path, sha256, decoder)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BatchSettings:
        """Undo `to_dict`."""
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain objects."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def hash(self) -> str:
        """First 16 digits of the SHA-256 of all that the results depend on; the path of the weights is not of it."""
        facts = self.to_dict()
        del facts["weights"]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def make_detector(self, num_threads: int) -> Detector:
        """Make the detector.

        Raises
        ------
        DataError
            If the package or the weights here are others than those of the plan.
        """
        if self.version != __version__:
            raise DataError(f"the plan is of mtcnn-fast {self.version}, here is {__version__}: results could differ")
        weights = load_weights(self.weights)
        if dict(weights.sha256) != dict(self.weights_sha256):
            raise DataError(f"the weights at {weights.source!r} are not those of the plan: results would differ")
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in self.config.items()
        }
        own = None if self.weights is None else weights
        return Detector(self.device, num_threads=num_threads, weights=own, **given)


@functools.cache
def _isa() -> str:
    return os.environ.get("MTCNN_FAST_ISA") or next(iter(native_isas()), "none")


def engine_of(detector: Detector) -> str:
    """Return what computed a part: the backend, and on ``cpu`` its instruction set, which may decide the last bit."""
    backend = detector.backend
    return f"{backend}:{_isa()}" if backend == "cpu" else backend


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the values are after a way through JSON, so that a hash does not depend on where it is taken."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain

"""The Cascade CNN of Li et al. 2015, which MTCNN is measured against: its networks, training and detector."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mtcnn_fast._types import Image
from mtcnn_fast.errors import MissingExtraError

if TYPE_CHECKING:
    from mtcnn_fast.datasets.detections import Detections
    from mtcnn_fast.evaluation.cascade_cnn.detector import CascadeCNN
    from mtcnn_fast.evaluation.systems import SystemOptions


class CascadeSystem:
    """The Cascade CNN behind the call of `mtcnn_fast.evaluation.systems.System`."""

    name = "CascadeCNN"

    def __init__(self, detector: CascadeCNN, sha256: str | None) -> None:
        self._detector = detector
        self.settings: dict[str, Any] = {**dataclasses.asdict(detector.config), "sha256": sha256}

    def find(self, image: Image, key: str) -> tuple[Detections, Mapping[str, float]]:
        """Return what is found in an image; its stages are not timed."""
        import numpy as np

        from mtcnn_fast.datasets.detections import Detections

        boxes, scores = self._detector.detect(image)
        return Detections(boxes.astype(np.float64), scores.astype(np.float64)), {}


def make_system(options: SystemOptions) -> CascadeSystem:
    """Make the detector that ``mtcnn-fast compare`` runs.

    Raises
    ------
    MissingExtraError
        If torch is not installed or no weights are given: they are trained, and none come with the package.
    WeightsError
        If the weights cannot be read.
    """
    if options.cascadecnn is None:
        raise MissingExtraError("no weights of CascadeCNN are given: --cascadecnn cascade_cnn.safetensors")
    try:
        from mtcnn_fast.evaluation.cascade_cnn.detector import CascadeCNN, CascadeConfig
        from mtcnn_fast.evaluation.cascade_cnn.weights import load_networks
    except ImportError as error:
        raise MissingExtraError("comparing with CascadeCNN needs torch: pip install 'mtcnn-fast[train]'") from error
    networks = load_networks(options.cascadecnn)
    chosen = {name: options.settings[name] for name in ("min_face_size", "factor") if name in options.settings}
    return CascadeSystem(CascadeCNN(networks, CascadeConfig(**chosen)), networks.sha256)

"""What the previous stages propose on an image: the windows that R-Net or O-Net has to judge."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

import numpy as np

from mtcnn_fast._types import Floats
from mtcnn_fast.training.samples.geometry import Stage
from mtcnn_fast.training.samples.sample_options import SampleOptions

if TYPE_CHECKING:
    import numpy.typing as npt

    from mtcnn_fast.detector import Detector
    from mtcnn_fast.faces import Faces
    from mtcnn_fast.faces.trace import StageTrace
    from mtcnn_fast.weights import Weights

#: Step of a detection's trace with the boxes as the stage gets them, and the networks whose work that is.
STEPS: dict[Stage, str] = {"r": "proposals", "o": "refinement"}
PREVIOUS: dict[Stage, str] = {"p": "", "r": "p", "o": "pr"}

#: Most proposals that are kept of an image, those with the highest scores: an untrained P-Net proposes every window.
MOST = 4000

# No probability is above 1: the stages that matter not find nothing.
_NEVER = 1.0


def cpu_device() -> str:
    """Return the fastest device without a GPU: several processes would have to share one."""
    from mtcnn_fast.backends import available_backends

    return "cpu" if available_backends()["cpu"] is None else "numpy"


def make_detector(stage: Stage, weights: Weights, options: SampleOptions) -> Detector:
    """Make the detector whose trace has the proposals for a stage.

    Raises
    ------
    WeightsError, ConfigError
        As `Detector` raises them.
    """
    from mtcnn_fast.detector import Detector

    first, second = options.thresholds
    return Detector(
        cpu_device(),
        weights=weights,
        min_face_size=options.min_face_size,
        thresholds=(first, _NEVER if stage == "r" else second, _NEVER),
        # Processes are what runs side by side.
        num_threads=1,
    )


def traced_boxes(found: Faces, step: str) -> Floats:
    """Return the boxes ``(N, 4)`` float32 that a step of a traced detection left; none where it was not reached."""
    trace = cast("list[StageTrace] | None", found.trace)
    for entry in trace or ():
        if entry.step == step:
            return entry.boxes
    return np.empty((0, 4), np.float32)


def propose(detector: Detector, stage: Stage, pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return the boxes ``(N, 4)`` float32 that the stage gets to see on an image, at most `MOST`."""
    # A trace has the highest scores first.
    return traced_boxes(detector.detect(pixels, trace=True), STEPS[stage])[:MOST]


def weights_hash(stage: Stage, weights: Weights) -> str:
    """Return the SHA-256 of the networks before a stage, and of how they express boxes."""
    digest = hashlib.sha256(weights.box_coding.encode())
    networks = {"p": weights.pnet, "r": weights.rnet}
    for network in PREVIOUS[stage]:
        for name, tensor in sorted(networks[network].items()):
            digest.update(f"{network}.{name}".encode())
            digest.update(tensor.tobytes())
    return digest.hexdigest()

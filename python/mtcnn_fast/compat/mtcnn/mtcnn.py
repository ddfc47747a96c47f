"""`MTCNN`: the detector of the package mtcnn, with this package's inside."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from mtcnn_fast._types import Doubles, Image
from mtcnn_fast.compat.detectors import detector_cache, usable_device
from mtcnn_fast.compat.mtcnn.exceptions import InvalidImage
from mtcnn_fast.compat.mtcnn.results import fit, to_dicts, to_rows, with_widths
from mtcnn_fast.compat.mtcnn.stages import Stage, StageONet, StagePNet, StageRNet
from mtcnn_fast.compat.pixels import from_array, from_encoded
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import ConfigError, ImageError
from mtcnn_fast.faces import Faces
from mtcnn_fast.weights import load_weights

#: The cascades that have a name.
COMMON_STAGES: dict[str, list[type[Stage]]] = {
    "face_detection_only": [StagePNet, StageRNet],
    "face_and_landmarks_detection": [StagePNet, StageRNet, StageONet],
}

#: Settings of `MTCNN.detect_faces` and their defaults.
SETTINGS: dict[str, float] = {
    "min_face_size": 20,
    "scale_factor": 0.709,
    "threshold_pnet": 0.6,
    "threshold_rnet": 0.7,
    "threshold_onet": 0.8,
    "nms_pnet1": 0.5,
    "nms_pnet2": 0.7,
    "nms_rnet": 0.7,
    "nms_onet": 0.7,
}

#: O-Net's threshold in version 0.1.
_THRESHOLDS_0_1 = (0.6, 0.7, 0.7)

_DEVICE = re.compile(r"/?(?:device:)?(CPU|GPU)(?::([0-9]+))?", re.IGNORECASE)


class MTCNN:
    """Finds faces and their five landmarks.

    Parameters
    ----------
    stages : str or list
        ``"face_and_landmarks_detection"`` or ``"face_detection_only"``; or the classes of `mtcnn.stages` or instances
        of them, in their order, at least the first two.
    device : str
        ``"CPU:0"``, ``"GPU:0"``, …; a GPU that cannot be used here gives place to the CPU, with a warning in the log.
    weights_file : path-like or None
        Version 0.1: the networks, as a file or folder that `mtcnn_fast.Detector` takes.
    min_face_size, steps_threshold, scale_factor
        Version 0.1: settings of the detection. Where one of these or `weights_file` is given, O-Net's threshold is 0.7
        by default, as there, and not 0.8.

    Raises
    ------
    ConfigError
        If an argument is not accepted.
    WeightsError
        If there are no weights in `weights_file`.
    """

    def __init__(
        self,
        stages: str | Sequence[Any] = "face_and_landmarks_detection",
        device: str = "CPU:0",
        *,
        weights_file: str | os.PathLike[str] | None = None,
        min_face_size: float | None = None,
        steps_threshold: Sequence[float] | None = None,
        scale_factor: float | None = None,
    ) -> None:
        self._stages = _make_stages(stages)
        self._device = device
        match = _DEVICE.fullmatch(device) if isinstance(device, str) else None
        if match is None:
            raise ConfigError(f"device must be 'CPU:N' or 'GPU:N', got {device!r}")
        kind = "cuda" if match[1].upper() == "GPU" else "cpu"
        # The boxes of the first two networks are part of the trace, which a GPU does not keep.
        self._ours = usable_device(kind if self._has_landmarks else "cpu", int(match[2] or 0))
        self._settings = dict(SETTINGS)
        if any(value is not None for value in (weights_file, min_face_size, steps_threshold, scale_factor)):
            self._settings |= _settings_0_1(min_face_size, steps_threshold, scale_factor)
        self._detectors = detector_cache(None if weights_file is None else load_weights(weights_file))

    @property
    def device(self) -> str:
        """The device that was asked for."""
        return self._device

    @property
    def stages(self) -> list[Stage]:
        """The stages of the cascade."""
        return self._stages

    @property
    def min_face_size(self) -> float:
        """Side in pixels of the smallest face to look for; it can be set (version 0.1)."""
        return self._settings["min_face_size"]

    @min_face_size.setter
    def min_face_size(self, value: float) -> None:
        self._settings["min_face_size"] = value

    @property
    def _has_landmarks(self) -> bool:
        return len(self._stages) == 3

    def get_stage(self, stage_id: int | None = None, stage_name: str | None = None) -> Stage | None:
        """Return the stage of this number or name, or None."""
        return next((stage for stage in self._stages if stage_id == stage.id or stage_name == stage.name), None)

    def predict(self, image: Any, **settings: Any) -> Any:
        """Do what `detect_faces` does."""
        return self.detect_faces(image, **settings)

    def detect_faces(
        self,
        image: Any,
        fit_to_image: bool = True,
        limit_boundaries_landmarks: bool = False,
        box_format: str = "xywh",
        output_type: str = "json",
        postprocess: bool = True,
        batch_stack_justification: str = "center",
        **kwargs: Any,
    ) -> Any:
        """Find the faces in an image, or in a list of images of any sizes.

        Parameters
        ----------
        image : str, path-like, bytes, array, or list of these
            A path, the bytes of an image file, or ``(H, W, 3)`` RGB with values of 0 to 255.
        fit_to_image : bool
            Whether to cut boxes to the image.
        limit_boundaries_landmarks : bool
            Whether to move landmarks into the image too.
        box_format : {"xywh", "xyxy"}
            Left, top, width and height; or left, top, right and bottom.
        output_type : {"json", "numpy"}
            See below.
        postprocess : bool
            Without it, the two limits are not applied.
        batch_stack_justification : str
            Not used: images are not stacked, hence not padded.
        **kwargs
            `min_face_size`, `scale_factor`, `threshold_pnet`, `threshold_rnet`, `threshold_onet`, `nms_pnet1`,
            `nms_pnet2`, `nms_rnet` and `nms_onet`.

        Returns
        -------
        list of dict, or a list of these for a list of images
            Best face first: ``box`` of four int, ``confidence``, and ``keypoints``, ``[x, y]`` of int by the names
            ``nose, mouth_right, right_eye, left_eye, mouth_left``; left is the viewer's. Empty without a face, and,
            with a warning, for a path or bytes that cannot be read.
        (n, 16) float64 ndarray for ``"numpy"``
            Number of the image, box, confidence, five x, five y; ``(n, 6)`` without landmarks.

        Raises
        ------
        InvalidImage
            If an image is none of the accepted.
        ConfigError
            If a setting is not accepted.
        """
        for name, value, accepted in (
            ("box_format", box_format, ("xywh", "xyxy")),
            ("output_type", output_type, ("json", "numpy")),
        ):
            if value not in accepted:
                raise ConfigError(f"{name} must be {accepted[0]!r} or {accepted[1]!r}, got {value!r}")
        several = isinstance(image, list)
        images = [_load(each) for each in (image if several else [image])]
        found = self._find(images, self._detector(kwargs))
        rows = [self._rows(i, faces) for i, faces in enumerate(found)]
        if postprocess and fit_to_image:
            rows = [
                fit(each, *faces.image_size, with_landmarks=limit_boundaries_landmarks)
                for each, faces in zip(rows, found, strict=True)
            ]
        if box_format == "xywh":
            rows = [with_widths(each) for each in rows]
        if output_type == "numpy":
            return np.concatenate([np.empty((0, 16 if self._has_landmarks else 6)), *rows])
        faces = [to_dicts(each) for each in rows]
        return faces if several else faces[0]

    def _detector(self, settings: dict[str, Any]) -> Detector:
        # The one more that theirs takes has no effect there either.
        unknown = sorted(set(settings) - set(SETTINGS) - {"min_size"})
        if unknown:
            warnings.warn(
                f"detect_faces has no {', '.join(map(repr, unknown))}, which is ignored as in mtcnn; "
                f"accepted: {', '.join(SETTINGS)}",
                stacklevel=3,
            )
        chosen = {**self._settings, **settings}
        return self._detectors(
            self._ours,
            min_face_size=chosen["min_face_size"],
            factor=chosen["scale_factor"],
            thresholds=tuple(chosen[f"threshold_{network}net"] for network in "pro"),
            nms_thresholds=tuple(chosen[f"nms_{name}"] for name in ("pnet1", "pnet2", "rnet", "onet")),
        )

    def _find(self, images: list[Image | None], detector: Detector) -> list[Faces]:
        """Return the faces of each image, none where there is no image."""
        readable = [image for image in images if image is not None]
        if self._has_landmarks:
            found = iter(detector.detect_batch(readable) if readable else ())
        else:
            found = (detector.detect(image, trace=True) for image in readable)
        return [Faces.empty((1, 1)) if image is None else next(found) for image in images]

    def _rows(self, index: int, faces: Faces) -> Doubles:
        if self._has_landmarks:
            return to_rows(index, faces.boxes, faces.scores, faces.landmarks)
        trace: Any = faces.trace or ()
        for step in trace:
            if step.step == "refinement":
                return to_rows(index, step.boxes, step.scores, None)
        return to_rows(index, faces.boxes[:0], faces.scores[:0], None)


def _make_stages(stages: object) -> list[Stage]:
    accepted = f"stages must be one of {', '.join(map(repr, COMMON_STAGES))}, or a list of the stages of one of them"
    if isinstance(stages, str):
        if stages not in COMMON_STAGES:
            raise ConfigError(f"{accepted}, got {stages!r}")
        stages = COMMON_STAGES[stages]
    if not isinstance(stages, Sequence):
        raise ConfigError(f"{accepted}, got {stages!r} ({type(stages).__name__})")
    made: list[Any] = [stage() if isinstance(stage, type) else stage for stage in stages]
    if [type(stage) for stage in made] not in COMMON_STAGES.values():
        raise ConfigError(f"{accepted}, got {stages!r}")
    return made


def _settings_0_1(
    min_face_size: float | None, steps_threshold: Sequence[float] | None, scale_factor: float | None
) -> dict[str, float]:
    """Return the settings of version 0.1 under the names of 1.0."""
    thresholds = _THRESHOLDS_0_1 if steps_threshold is None else tuple(steps_threshold)
    if len(thresholds) != 3:
        raise ConfigError(f"steps_threshold must be three numbers from 0 to 1, got {steps_threshold!r}")
    settings = {f"threshold_{network}net": value for network, value in zip("pro", thresholds, strict=True)}
    if min_face_size is not None:
        settings["min_face_size"] = min_face_size
    if scale_factor is not None:
        settings["scale_factor"] = scale_factor
    return settings


def _load(image: Any) -> Image | None:
    """Return an image's pixels, or None, with a warning, where a path or bytes cannot be read."""
    if isinstance(image, (str, bytes, bytearray, os.PathLike)):
        try:
            return from_encoded(image)
        except ImageError as error:
            warnings.warn(f"{error}; it counts as an image without faces, as in mtcnn", stacklevel=4)
            return None
    if not hasattr(image, "shape"):
        raise InvalidImage(
            f"image is of type {type(image).__name__}; accepted: a path, the bytes of an image file, an array "
            "(H, W, 3), or a list of these"
        )
    try:
        return from_array(image)
    except ImageError as error:
        raise InvalidImage(str(error)) from error

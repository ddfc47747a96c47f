"""The interface of the package mtcnn."""

from __future__ import annotations

import io
import json
import logging

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import ConfigError, Detector, ImageError, WeightsError
from mtcnn_fast.compat import detectors
from mtcnn_fast.compat.mtcnn import MTCNN
from mtcnn_fast.compat.mtcnn.exceptions import InvalidImage
from mtcnn_fast.compat.mtcnn.mtcnn import SETTINGS
from mtcnn_fast.compat.mtcnn.stages import StageONet, StagePNet, StageRNet
from mtcnn_fast.compat.mtcnn.utils.images import load_image, load_images_batch
from mtcnn_fast.compat.mtcnn.utils.plotting import parse_color, plot, plot_all, plot_bbox, plot_landmarks
from mtcnn_fast.weights.loader import SHIPPED
from support.data import PHOTO

KEYPOINTS = ["nose", "mouth_right", "right_eye", "left_eye", "mouth_left"]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.array(Image.open(PHOTO).convert("RGB").crop((120, 10, 380, 260)))


@pytest.fixture(scope="module")
def mtcnn() -> MTCNN:
    return MTCNN()


@pytest.fixture(scope="module")
def faces(photo: np.ndarray):
    """What the detector itself finds with the settings of this interface."""
    return Detector(thresholds=(0.6, 0.7, 0.8)).detect(photo)


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def test_faces_as_dictionaries(mtcnn, photo, faces) -> None:
    found = mtcnn.detect_faces(photo)
    assert len(found) == len(faces) >= 1
    for face, ours in zip(found, faces, strict=True):
        x1, y1, x2, y2 = ours.box.tolist()
        assert face["box"] == [round(x1), round(y1), round(x2 - x1), round(y2 - y1)]
        assert face["confidence"] == ours.score
        assert type(face["confidence"]) is float
        assert list(face["keypoints"]) == KEYPOINTS
        points = np.rint(ours.landmarks).astype(int).tolist()
        assert [face["keypoints"][name] for name in KEYPOINTS] == [points[i] for i in (2, 4, 1, 0, 3)]
    assert json.loads(json.dumps(found)) == found
    assert mtcnn.predict(photo, box_format="xyxy")[0]["box"] == np.rint(faces.boxes[0]).astype(int).tolist()


def test_faces_as_rows(mtcnn, photo, faces) -> None:
    rows = mtcnn.detect_faces(photo, output_type="numpy", box_format="xyxy")
    assert (rows.shape, rows.dtype) == ((len(faces), 16), np.float64)
    np.testing.assert_array_equal(rows[:, 0], 0)
    np.testing.assert_array_equal(rows[:, 1:5], faces.boxes)
    np.testing.assert_array_equal(rows[:, 5], faces.scores)
    np.testing.assert_array_equal(rows[:, 6:11], faces.landmarks[:, :, 0])
    np.testing.assert_array_equal(rows[:, 11:], faces.landmarks[:, :, 1])
    wide = mtcnn.detect_faces(photo, output_type="numpy")
    np.testing.assert_array_equal(wide[:, 3:5], rows[:, 3:5] - rows[:, 1:3])


@pytest.mark.parametrize("form", ["path", "Path", "bytes", "float64", "float32", "int64", "backwards"])
def test_kinds_of_image(mtcnn, photo, form, tmp_path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo))
    image = {
        "path": str(path),
        "Path": path,
        "bytes": path.read_bytes(),
        "float64": photo.astype(np.float64),
        "float32": photo + np.float32(0.25),
        "int64": photo.astype(np.int64),
        # What remains of BGR after [:, :, ::-1].
        "backwards": np.ascontiguousarray(photo[:, :, ::-1]).astype(np.float64)[:, :, ::-1],
    }[form]
    assert mtcnn.detect_faces(image) == mtcnn.detect_faces(photo)


def test_a_list_of_images_of_any_sizes(mtcnn, photo) -> None:
    blank = np.zeros((60, 90, 3), np.uint8)
    images = [photo, blank, encoded(photo[20:, 10:])]
    found = mtcnn.detect_faces(images)
    assert found == [mtcnn.detect_faces(image) for image in images]
    assert found[1] == []
    rows = mtcnn.detect_faces(images, output_type="numpy")
    assert rows[:, 0].tolist() == [0.0] * len(found[0]) + [2.0] * len(found[2])
    assert mtcnn.detect_faces([]) == []


def test_without_a_face(mtcnn) -> None:
    blank = np.zeros((80, 80, 3), np.uint8)
    assert mtcnn.detect_faces(blank) == []
    assert mtcnn.detect_faces([blank, blank]) == [[], []]
    assert mtcnn.detect_faces(blank, output_type="numpy").shape == (0, 16)


@pytest.mark.parametrize("unreadable", [b"no image", b"", "there is no such file.jpg"])
def test_what_cannot_be_read_has_no_faces(mtcnn, photo, unreadable) -> None:
    with pytest.warns(UserWarning, match="counts as an image without faces"):
        assert mtcnn.detect_faces(unreadable) == []
    with pytest.warns(UserWarning, match="counts as an image without faces"):
        first, second = mtcnn.detect_faces([unreadable, photo])
    assert first == []
    assert len(second) == 1


def test_a_damaged_file_has_no_faces(mtcnn, photo) -> None:
    with pytest.warns(UserWarning, match="cannot be read"):
        assert mtcnn.detect_faces(encoded(photo)[:2000]) == []


def test_the_position_of_a_file_is_not_changed(mtcnn, photo) -> None:
    """Theirs takes a file's pixels as they are stored, whatever its EXIF says."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert mtcnn.detect_faces(encoded(photo, exif=exif)) == mtcnn.detect_faces(photo)


@pytest.mark.parametrize("wrong", [None, 5, (1, 2), np.zeros(4, np.uint8), np.zeros((2, 9, 9, 3), np.uint8)])
def test_what_is_no_image(mtcnn, wrong) -> None:
    with pytest.raises(InvalidImage, match="accepted"):
        mtcnn.detect_faces(wrong)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((30, 30, 3), 300, np.int32), "from 300 to 300; accepted: 0 to 255"),
        (np.full((30, 30, 3), np.nan), "not finite"),
    ],
)
def test_values_out_of_range(mtcnn, pixels, message) -> None:
    with pytest.raises(InvalidImage, match=message):
        mtcnn.detect_faces(pixels)


def test_floats_that_overshoot_are_clipped(mtcnn, photo) -> None:
    clipped = np.where(photo < 128, 0, 255).astype(np.uint8)
    assert mtcnn.detect_faces(np.where(photo < 128, -3.5, 258.1)) == mtcnn.detect_faces(clipped)


def test_boxes_are_fitted_to_the_image(mtcnn, photo) -> None:
    cut = photo[:, 75:]
    free = mtcnn.detect_faces(cut, fit_to_image=False, output_type="numpy", box_format="xyxy")
    assert free[0, 1] < 0
    np.testing.assert_array_equal(
        mtcnn.detect_faces(cut, postprocess=False, output_type="numpy", box_format="xyxy"), free
    )
    fitted = mtcnn.detect_faces(cut, output_type="numpy", box_format="xyxy")
    np.testing.assert_array_equal(fitted[:, 1:5], free[:, 1:5].clip(0, [184, 249, 184, 249]))
    np.testing.assert_array_equal(fitted[:, 6:], free[:, 6:])
    moved = mtcnn.detect_faces(cut, limit_boundaries_landmarks=True, output_type="numpy")
    np.testing.assert_array_equal(moved[:, 6:11], free[:, 6:11].clip(0, 184))


def test_settings_of_a_call(mtcnn, photo) -> None:
    settings = {
        "min_face_size": 33,
        "scale_factor": 0.6,
        "threshold_pnet": 0.5,
        "threshold_rnet": 0.55,
        "threshold_onet": 0.4,
        "nms_pnet1": 0.45,
        "nms_pnet2": 0.65,
        "nms_rnet": 0.6,
        "nms_onet": 0.5,
    }
    assert set(settings) == set(SETTINGS)
    expected = Detector(
        min_face_size=33, factor=0.6, thresholds=(0.5, 0.55, 0.4), nms_thresholds=(0.45, 0.65, 0.6, 0.5)
    ).detect(photo)
    rows = mtcnn.detect_faces(photo, output_type="numpy", box_format="xyxy", fit_to_image=False, **settings)
    np.testing.assert_array_equal(rows[:, 1:5], expected.boxes)
    with pytest.raises(ConfigError, match=r"thresholds\[2\] must be .*from 0 to 1"):
        mtcnn.detect_faces(photo, threshold_onet=3)


def test_an_unknown_setting_is_named(mtcnn, photo) -> None:
    with pytest.warns(UserWarning, match="no 'threshold_onett', which is ignored"):
        assert mtcnn.detect_faces(photo, min_size=12, threshold_onett=0.1) == mtcnn.detect_faces(photo)


@pytest.mark.parametrize(("name", "value"), [("box_format", "cxcywh"), ("output_type", "pandas")])
def test_unknown_forms(mtcnn, photo, name, value) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be .*, got '{value}'"):
        mtcnn.detect_faces(photo, **{name: value})


def test_boxes_of_the_first_two_networks(photo) -> None:
    mtcnn = MTCNN(stages="face_detection_only")
    rows = mtcnn.detect_faces(photo, output_type="numpy", box_format="xyxy", fit_to_image=False)
    trace = {step.step: step for step in Detector().detect(photo, trace=True).trace}
    np.testing.assert_array_equal(rows[:, 1:5], trace["refinement"].boxes)
    np.testing.assert_array_equal(rows[:, 5], trace["refinement"].scores)
    assert rows.shape[1] == 6
    assert set(mtcnn.detect_faces(photo)[0]) == {"box", "confidence"}
    blank = np.zeros((80, 80, 3), np.uint8)
    assert mtcnn.detect_faces(blank) == []
    assert mtcnn.detect_faces(blank, output_type="numpy").shape == (0, 6)
    assert mtcnn.detect_faces(blank[:8, :8]) == []


def test_stages_as_classes_and_instances(photo, mtcnn) -> None:
    assert MTCNN(stages=[StagePNet, StageRNet(), StageONet]).detect_faces(photo) == mtcnn.detect_faces(photo)
    assert [stage.id for stage in mtcnn.stages] == [1, 2, 3]
    assert mtcnn.get_stage(stage_id=2).name == "Stage RNET"
    assert mtcnn.get_stage(stage_name="Stage ONET").id == 3
    assert mtcnn.get_stage(stage_id=9) is None
    for wrong in ("everything", [StageRNet], [StagePNet, StageONet], 7):
        with pytest.raises(ConfigError, match="stages must be one of"):
            MTCNN(stages=wrong)


def test_the_signature_of_version_0_1(photo) -> None:
    old = MTCNN(weights_file=None, min_face_size=40, steps_threshold=[0.5, 0.6, 0.65], scale_factor=0.8)
    expected = Detector(min_face_size=40, thresholds=(0.5, 0.6, 0.65), factor=0.8).detect(photo)
    rows = old.detect_faces(photo, output_type="numpy", box_format="xyxy", fit_to_image=False)
    np.testing.assert_array_equal(rows[:, 1:5], expected.boxes)
    assert old.min_face_size == 40
    old.min_face_size = 400
    assert old.detect_faces(photo) == []
    assert MTCNN(min_face_size=30)._settings["threshold_onet"] == 0.7
    assert MTCNN()._settings["threshold_onet"] == 0.8
    with pytest.raises(ConfigError, match="steps_threshold must be three numbers"):
        MTCNN(steps_threshold=[0.5])


def test_other_weights(photo, mtcnn) -> None:
    assert MTCNN(weights_file=SHIPPED).detect_faces(photo, threshold_onet=0.8) == mtcnn.detect_faces(photo)
    with pytest.raises(WeightsError, match=r"mtcnn_weights\.npy"):
        MTCNN(weights_file="mtcnn_weights.npy")


@pytest.fixture
def no_cuda(monkeypatch, caplog):
    """A machine on which CUDA cannot be used, and a record of what is logged."""
    detectors.usable_device.cache_clear()
    backends = {**detectors.available_backends(), "cuda": "there is none here"}
    monkeypatch.setattr(detectors, "available_backends", lambda: backends)
    yield caplog
    detectors.usable_device.cache_clear()


def test_a_gpu_that_cannot_be_used_gives_place_to_the_cpu(no_cuda, photo, mtcnn) -> None:
    with no_cuda.at_level(logging.WARNING, "mtcnn_fast"):
        found = [MTCNN(device=device).detect_faces(photo) for device in ("GPU:0", "/GPU:0", "gpu", "GPU:0")]
    assert found == [mtcnn.detect_faces(photo)] * 4
    messages = [record.getMessage() for record in no_cuda.records if "CPU" in record.getMessage()]
    assert messages == ["faces are detected on the CPU, not on cuda: there is none here"]
    assert MTCNN(device="GPU:0").device == "GPU:0"


def test_a_gpu_that_can_be_used_is(monkeypatch) -> None:
    monkeypatch.setattr(detectors, "available_backends", lambda: dict.fromkeys(("numpy", "cpu", "torch:cpu", "cuda")))
    assert detectors.usable_device.__wrapped__("cuda", 3) == "cuda:3"
    assert detectors.usable_device.__wrapped__("cpu") in ("cpu", "numpy")


def test_a_kind_of_device_that_no_backend_has(no_cuda) -> None:
    with no_cuda.at_level(logging.WARNING, "mtcnn_fast"):
        assert detectors.usable_device("mps") in ("cpu", "numpy")
    assert "not on mps: there is no backend for it" in no_cuda.text


def test_without_native_code(monkeypatch) -> None:
    monkeypatch.setattr(detectors, "native_or_warn", lambda: None)
    assert detectors.usable_device.__wrapped__("cpu") == "numpy"


def test_an_unknown_device() -> None:
    with pytest.raises(ConfigError, match="device must be 'CPU:N' or 'GPU:N', got 'TPU:0'"):
        MTCNN(device="TPU:0")


def test_reading_images(photo, tmp_path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(photo))
    image = load_image(str(path))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, photo)
    np.testing.assert_array_equal(load_image(path.read_bytes(), dtype=np.uint8), photo)
    assert load_image(photo) is photo
    assert [image.shape for image in load_images_batch([str(path), photo])] == [photo.shape] * 2
    with pytest.raises(ImageError, match="no format that Pillow reads"):
        load_image(b"no image")


def test_gray_files_are_read_as_color(tmp_path) -> None:
    gray = np.arange(100, dtype=np.uint8).reshape(10, 10)
    np.testing.assert_array_equal(load_image(encoded(gray)), np.repeat(gray[..., None], 3, 2))


def test_drawing_faces(mtcnn, photo) -> None:
    found = mtcnn.detect_faces(photo)
    drawn = plot(photo, found)
    changed = (drawn != photo).any(axis=2)
    x, y, w, h = found[0]["box"]
    assert (drawn[y, x : x + w] == (255, 255, 0)).all()
    assert (drawn[y : y + h, x + w] == (255, 255, 0)).all()
    nose_x, nose_y = found[0]["keypoints"]["nose"]
    assert (drawn[nose_y - 2 : nose_y + 3, nose_x - 2 : nose_x + 3] == (255, 255, 0)).all()
    assert not changed[:y].any()
    rows = np.rint(mtcnn.detect_faces(photo, output_type="numpy"))
    np.testing.assert_array_equal(plot_all(photo, rows), drawn)
    rows[:, 3:5] += rows[:, 1:3]
    np.testing.assert_array_equal(plot_all(photo, rows, input_as_width_height=False), drawn)
    np.testing.assert_array_equal(plot(photo, found[0]), drawn)
    assert plot(photo, []) is None


def test_drawing_parts_of_a_face(mtcnn, photo) -> None:
    face = mtcnn.detect_faces(photo)[0]
    eyes = plot_landmarks(photo, face["keypoints"], keypoints="left_eye, right_eye", color="#0f0", brush_size=0)
    assert (eyes != photo).any(axis=2).sum() == 2
    without = {"box": face["box"], "confidence": 1.0}
    np.testing.assert_array_equal(plot_landmarks(photo, without), photo)
    np.testing.assert_array_equal(plot_landmarks(photo, np.zeros(6)), photo)
    np.testing.assert_array_equal(plot_bbox(photo, face), plot_bbox(photo, face["box"]))
    unit = plot_bbox(photo / 255, face, color="0xff0000", normalize_color=True)
    assert unit.max() <= 1
    assert (unit[face["box"][1], face["box"][0]] == (1, 0, 0)).all()


def test_drawing_beyond_the_image() -> None:
    drawn = plot_bbox(np.zeros((20, 30, 3), np.uint8), [-5, -5, 100, 100])
    assert drawn[[0, -1]].any()
    assert drawn[:, [0, -1]].any()
    points = {"nose": (-1, 25)}
    assert plot_landmarks(np.zeros((20, 30, 3), np.uint8), points).sum() == 0


def test_colors() -> None:
    np.testing.assert_array_equal(parse_color("#ff0080"), [1, 0, 128 / 255])
    np.testing.assert_array_equal(parse_color("#F08"), parse_color("0xFF0088"))
    np.testing.assert_array_equal(parse_color([0.5, 0, 1]), [0.5, 0, 1])

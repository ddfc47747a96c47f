"""`Detector.detect`: settings, weights, closing, pickling and threads; the numbers are for the contract tests."""

from __future__ import annotations

import concurrent.futures
import copy
import inspect
import multiprocessing
import pickle
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mtcnn_fast import BackendError, ConfigError, Detector, DetectorConfig, ImageError, WeightsError
from mtcnn_fast.config import DEFAULTS, WEIGHTS
from mtcnn_fast.weights import load_weights
from mtcnn_fast.weights.loader import SHIPPED
from support.portrait import QUICK, portrait

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def photo() -> Pixels:
    return portrait()


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector("numpy", **QUICK)


def test_finds_the_face(detector: Detector, photo: Pixels) -> None:
    faces = detector.detect(photo)
    assert len(faces) == 1
    assert faces.scores[0] > 0.99
    assert faces.image_size == (112, 112)
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    assert faces.timings is None
    assert faces.trace is None


def test_file_image_and_array_of_one_picture_agree(tmp_path: Path, detector: Detector, photo: Pixels) -> None:
    picture, path = Image.fromarray(photo), tmp_path / "photo.png"
    picture.save(path)
    faces = detector.detect(photo)
    assert len(faces) == 1
    assert detector.detect(path) == faces
    assert detector.detect(str(path)) == faces
    assert detector.detect(path.read_bytes()) == faces
    assert detector.detect(picture) == faces


def test_what_the_numbers_mean_is_an_argument(detector: Detector, photo: Pixels) -> None:
    faces = detector.detect(photo)
    assert detector.detect(photo[:, :, ::-1], color="bgr") == faces
    assert detector.detect(photo.transpose(2, 0, 1), layout="chw") == faces
    assert detector.detect(photo.astype(np.float32), value_range=(0, 255)) == faces
    with pytest.raises(ImageError, match="value_range"):
        detector.detect(photo.astype(np.float32))


def test_profile_and_trace_are_passed_on(detector: Detector, photo: Pixels) -> None:
    faces = detector.detect(photo, profile=True, trace=True)
    assert faces.timings is not None
    assert faces.trace is not None
    assert all(seconds >= 0 for seconds in faces.timings.values())
    assert faces == detector.detect(photo)


def test_settings_reach_the_backend(photo: Pixels) -> None:
    assert len(Detector("numpy", **QUICK, thresholds=(0.6, 0.7, 1)).detect(photo)) == 0
    assert len(Detector("numpy", min_face_size=110).detect(photo)) == 0
    twice = np.hstack([photo, photo])
    both = Detector("numpy", **QUICK).detect(twice)
    assert len(both) == 2
    assert Detector("numpy", **QUICK, max_faces=1).detect(twice) == both[:1]


def test_images_above_max_pixels_are_refused(photo: Pixels) -> None:
    detector = Detector("numpy", max_pixels=112 * 112 - 1)
    with pytest.raises(ImageError, match="max_pixels=12543"):
        detector.detect(photo)


def test_signature_states_the_defaults_of_the_configuration() -> None:
    parameters = inspect.signature(Detector).parameters
    assert list(parameters)[:1] == ["device"]
    # What comes last takes the settings of other packages' detectors, to say what they are called here.
    assert list(parameters)[-2:] == ["weights", "unknown"]
    settings = {name: parameter.default for name, parameter in list(parameters.items())[1:-2]}
    assert DetectorConfig(**settings) == DEFAULTS
    assert set(settings) == set(DetectorConfig.__dataclass_fields__)
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in list(parameters.values())[1:-1])


def test_wrong_setting() -> None:
    with pytest.raises(ConfigError, match=r"^border must be one of zero, clip, got 'wrap'$"):
        Detector("numpy", border="wrap")  # type: ignore[arg-type]


def test_config_is_held(detector: Detector) -> None:
    assert detector.config == DetectorConfig(min_face_size=40, factor=0.6)


def test_from_config(photo: Pixels, detector: Detector) -> None:
    config = DetectorConfig(**QUICK)
    made = Detector.from_config(config, "numpy")
    assert made.config == config
    assert made.device == "numpy"
    assert made.detect(photo) == detector.detect(photo)
    with pytest.raises(ConfigError, match=r"^config must be a DetectorConfig, got \{'factor': 0\.5\} \(dict\)$"):
        Detector.from_config({"factor": 0.5})  # type: ignore[arg-type]


def test_weights_of_ones_own(tmp_path: Path, photo: Pixels, detector: Detector) -> None:
    shutil.copytree(SHIPPED, tmp_path / "mine")
    own = Detector("numpy", **QUICK, weights=tmp_path / "mine")
    assert own.detect(photo) == detector.detect(photo)
    assert Detector("numpy", **QUICK, weights=load_weights()).detect(photo) == detector.detect(photo)
    with pytest.raises(WeightsError, match="nowhere"):
        Detector("numpy", weights=str(tmp_path / "nowhere"))
    accepted = f"one of {', '.join(WEIGHTS)}, a path, Weights or None"
    with pytest.raises(WeightsError, match=rf"^weights must be {accepted}, got 7 \(int\)$"):
        Detector("numpy", weights=7)  # type: ignore[arg-type]


def test_the_default_weights_by_their_name(photo: Pixels, detector: Detector) -> None:
    named = Detector("numpy", **QUICK, weights=WEIGHTS[0])
    assert named.detect(photo) == detector.detect(photo)
    assert (named.weights_name, detector.weights_name) == (WEIGHTS[0], WEIGHTS[0])
    assert repr(named) == repr(detector)
    assert Detector("numpy", weights=SHIPPED).weights_name == str(SHIPPED)


@pytest.mark.parametrize("name", WEIGHTS[1:])
def test_named_weights_are_pickled_as_a_name(name: str, photo: Pixels, detector: Detector) -> None:
    named = Detector("numpy", **QUICK, weights=name)
    found = named.detect(photo)
    assert len(found) == len(detector.detect(photo))
    assert found != detector.detect(photo)
    assert f"weights={name!r}" in repr(named)
    data = pickle.dumps(named)
    assert len(data) < 2000
    assert pickle.loads(data).weights_name == name
    assert pickle.loads(data).detect(photo) == found


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_spawned_process_finds_named_weights(name: str, photo: Pixels) -> None:
    detector = Detector("numpy", **QUICK, weights=name)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(detector.detect, [photo]) == [detector.detect(photo)]


def test_repr_tells_device_changed_settings_and_state(tmp_path: Path) -> None:
    assert repr(Detector("numpy")) == "<Detector('numpy'), on numpy>"
    changed = Detector("numpy", min_face_size=40, border="clip", weights=SHIPPED)
    assert repr(changed) == (
        f"<Detector('numpy', min_face_size=40.0, border='clip', weights={str(SHIPPED)!r}), on numpy>"
    )
    assert repr(pickle.loads(pickle.dumps(Detector("numpy")))) == "<Detector('numpy'), on no backend yet>"
    changed.close()
    assert repr(changed).endswith(", closed>")


def test_warmup_changes_nothing(photo: Pixels, detector: Detector) -> None:
    fresh = Detector("numpy", **QUICK)
    fresh.warmup()
    assert fresh.detect(photo) == detector.detect(photo)


def test_closed_detector_refuses_every_use(photo: Pixels) -> None:
    detector = Detector("numpy")
    detector.close()
    detector.close()
    for use in (
        lambda: detector.detect(photo),
        lambda: detector.detect_batch([photo]),
        lambda: detector.detect_batch([]),
        lambda: detector.detect_iter([photo], batch_size=1),
        detector.warmup,
        detector.__enter__,
        lambda: detector.backend,
    ):
        with pytest.raises(BackendError, match="this detector is closed; make a new one"):
            use()
    assert detector.config == DEFAULTS
    assert detector.device == "numpy"


def test_iteration_under_way_ends_when_the_detector_is_closed(photo: Pixels) -> None:
    detector = Detector("numpy", **QUICK)
    results = detector.detect_iter([photo, photo], batch_size=1)
    next(results)
    detector.close()
    with pytest.raises(BackendError, match="closed"):
        next(results)


def test_context_manager_closes(photo: Pixels) -> None:
    with Detector("numpy", **QUICK) as detector:
        assert len(detector.detect(photo)) == 1
    with pytest.raises(BackendError, match="closed"):
        detector.detect(photo)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_detector_works_and_is_alike(protocol: int, photo: Pixels, detector: Detector) -> None:
    restored = pickle.loads(pickle.dumps(detector, protocol))
    assert restored.config == detector.config
    assert restored.device == detector.device
    assert restored.detect(photo) == detector.detect(photo)
    assert restored.backend == "numpy"


def test_pickle_of_the_packages_weights_is_small(detector: Detector) -> None:
    assert len(pickle.dumps(detector)) < 2000


def test_pickled_detector_takes_weights_along(tmp_path: Path, photo: Pixels, detector: Detector) -> None:
    folder = shutil.copytree(SHIPPED, tmp_path / "mine")
    data = pickle.dumps(Detector("numpy", **QUICK, weights=folder))
    shutil.rmtree(folder)
    restored = pickle.loads(data)
    assert restored.detect(photo) == detector.detect(photo)
    assert "mine" in repr(restored)


def test_copies_work_and_close_apart(photo: Pixels, detector: Detector) -> None:
    other = copy.deepcopy(detector)
    other.close()
    assert len(detector.detect(photo)) == 1
    with pytest.raises(BackendError, match="closed"):
        pickle.loads(pickle.dumps(other)).detect(photo)


def test_subclass_survives_pickling() -> None:
    detector = SubDetector("numpy")
    assert type(pickle.loads(pickle.dumps(detector))) is SubDetector


class SubDetector(Detector):
    pass


def test_threads_share_one_detector(photo: Pixels) -> None:
    detector = pickle.loads(pickle.dumps(Detector("numpy", **QUICK)))
    images = [np.roll(photo, shift, axis=1) for shift in range(0, 24, 3)]
    expected = [detector.detect(image) for image in images]
    assert len({faces.boxes.tobytes() for faces in expected}) > 1
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(detector.detect, images)) == expected

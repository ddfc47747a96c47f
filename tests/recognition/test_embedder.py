"""A user's embedding model: what it gets, what comes back, what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import BackendError, ConfigError, Detector, Faces, MissingExtraError, WeightsError
from mtcnn_fast.recognition import Embedder
from support.data import PHOTO
from support.embedding_models import Session, tile_means, write_onnx

CROPS = np.random.default_rng(3).integers(0, 256, (5, 112, 112, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return Detector("numpy", min_face_size=60, factor=0.6).detect(PHOTO)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_embeddings_are_the_model_s_output_with_length_1() -> None:
    found = Embedder(Session())(CROPS)
    assert (found.dtype, found.shape) == (np.float32, (5, 48))
    expected = unit(tile_means(((CROPS.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pixels_come_as_the_model_wants_them() -> None:
    session = Session()
    Embedder(session, mean=10, std=2, color="bgr")(CROPS)
    (got,) = session.inputs
    assert (got.dtype, got.shape) == (np.float32, (5, 3, 112, 112))
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got[2, 0], (CROPS[2, :, :, 2].astype(np.float32) - 10) / 2)


def test_channels_may_come_last_and_numbers_be_short() -> None:
    session = Session(("N", 112, 112, 3), "tensor(float16)")
    Embedder(session)(CROPS)
    (got,) = session.inputs
    assert (got.dtype, got.shape) == (np.float16, (5, 112, 112, 3))


@pytest.mark.parametrize(("batch", "sizes"), [("N", [2, 2, 1]), (1, [1] * 5), (4, [4, 4])])
def test_batches(batch, sizes: list[int]) -> None:
    session = Session((batch, 3, 112, 112))
    found = Embedder(session, batch_size=2)(CROPS)
    assert [len(each) for each in session.inputs] == sizes
    np.testing.assert_allclose(found, Embedder(Session())(CROPS), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "asked", "size"),
    [
        (("N", 3, 160, 160), None, 160),
        (("N", 3, "H", "W"), None, 112),
        (("N", 3, "H", "W"), 96, 96),
        (("N", 3, 160, 160), 160, 160),
        (("N", "H", "W", 3), 64, 64),
    ],
)
def test_size(shape, asked, size: int, faces: Faces) -> None:
    session = Session(shape)
    embedder = Embedder(session, size=asked)
    assert embedder.size == size
    embedder.embed(PHOTO, faces)
    assert set(session.inputs[0].shape) == {1, 3, size}


def test_faces_are_aligned(faces: Faces) -> None:
    embedder = Embedder(Session())
    np.testing.assert_array_equal(embedder.embed(PHOTO, faces), embedder(faces.align(PHOTO)))
    wide = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.35, 0.7], [0.65, 0.7]])
    other = Embedder(Session(), template=wide).embed(PHOTO, faces)
    assert np.abs(other - embedder.embed(PHOTO, faces)).max() > 0.01


def test_no_faces() -> None:
    session = Session()
    assert Embedder(session)(CROPS[:0]).shape == (0, 48)
    assert session.inputs == []


@pytest.mark.parametrize(
    ("session", "arguments", "message"),
    [
        (Session(("N", 1, 112, 112)), {}, r"model must have an input of shape \(N, 3, S, S\) or \(N, S, S, 3\)"),
        (Session(("N", 128)), {}, "model must have one input"),
        (Session(type="tensor(int64)"), {}, r"float32 or float16, got face .* tensor\(int64\)"),
        (Session(("N", 3, 112, 96)), {}, "model must take squares, got 96x112"),
        (Session(), {"size": 160}, "size must be 112, which is the model's, got 160"),
        (Session(), {"std": 0}, "std must be a finite number above 0, got 0"),
        (Session(), {"mean": "a"}, "mean must be a finite number"),
        (Session(), {"color": "hsv"}, "color must be one of rgb, bgr, got 'hsv'"),
        (Session(), {"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        (Session(), {"num_threads": 0}, "num_threads must be a whole number of at least 1"),
    ],
)
def test_models_and_arguments_that_are_refused(session: Session, arguments, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Embedder(session, **arguments)


@pytest.mark.parametrize("crops", [CROPS[:, :96], CROPS.astype(np.float32), CROPS[0], CROPS.tolist()])
def test_crops_that_are_refused(crops) -> None:
    with pytest.raises(ConfigError, match=r"crops must be uint8 \(N, 112, 112, 3\), got"):
        Embedder(Session())(crops)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (RuntimeError("no such kernel"), "the embedding model failed: no such kernel"),
        (lambda images: np.ones((1, 8)), "must return a row for each of 5 faces, got \\(1, 8\\)"),
        (lambda images: np.zeros((len(images), 8)), "must return finite numbers, not all 0"),
        (lambda images: np.full((len(images), 8), np.nan), "must return finite numbers"),
    ],
)
def test_a_model_that_fails(output, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        Embedder(Session(output=output))(CROPS)


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"needs onnxruntime.*pip install 'mtcnn-fast\[recognition\]'"):
        Embedder("model.onnx")


class TestOnnx:
    """The same with onnxruntime itself."""

    @pytest.fixture(autouse=True)
    def runtime(self):
        pytest.importorskip("onnx", reason="onnx is not installed")
        return pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

    @pytest.mark.parametrize("batch", ["N", 1, 4])
    def test_a_file(self, tmp_path: Path, batch) -> None:
        model = write_onnx(tmp_path / "model.onnx", batch=batch)
        embedder = Embedder(model, num_threads=1)
        assert (embedder.size, embedder.dimensions) == (112, 48)
        np.testing.assert_allclose(embedder(CROPS), Embedder(Session())(CROPS), atol=1e-5)

    def test_a_session(self, tmp_path: Path, runtime, faces: Faces) -> None:
        model = write_onnx(tmp_path / "model.onnx", size=160)
        session = runtime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        found = Embedder(session).embed(PHOTO, faces)
        np.testing.assert_array_equal(found, Embedder(str(model)).embed(PHOTO, faces))
        assert found.shape == (1, 48)

    def test_what_is_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match="there is no model"):
            Embedder(tmp_path / "missing.onnx")
        (tmp_path / "text.onnx").write_text("no model")
        with pytest.raises(WeightsError, match=r"text\.onnx' is no ONNX model that onnxruntime runs"):
            Embedder(tmp_path / "text.onnx")

"""What is fuzzed: each target takes any bytes and raises only where the package breaks a promise."""

from __future__ import annotations

import functools
import io
import pickle
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fuzz.fuzz_input import FuzzInput
from mtcnn_fast.backends.base import Backend
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.errors import ConfigError, DataError, ImageError, MtcnnFastError, WeightsError
from mtcnn_fast.images import load_image

#: Keeps a damaged header from asking for gigabytes.
MAX_PIXELS = 1 << 18

DTYPES = ("u1", "u2", ">u2", "f2", "f4", "f8", ">f4", "i1", "i4", "u4", "?", "c8", "S2", "O")
RANGES = (None, (0, 1), (0, 255), (0, 2))


def image_bytes(data: bytes) -> None:
    """The bytes of an image file give an image or an `ImageError`, and the same from a file object."""
    source = FuzzInput(data)
    value_range = source.choice(RANGES[:3])
    encoded = source.rest() or b"\0"
    results = []
    for image in (encoded, io.BytesIO(encoded)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about damage
            with _refused_by(ImageError) as refusal:
                results.append(_checked(load_image(image, value_range=value_range, max_pixels=MAX_PIXELS)))
            results.extend(refusal)
    assert str(results[0]) == str(results[1]), results


def arrays(data: bytes) -> None:
    """An array gives an image or an `ImageError`, and the same where its memory lies otherwise."""
    source = FuzzInput(data)
    dtype = np.dtype(source.choice(DTYPES))
    shape = [source.integer(0, 9) for _ in range(source.integer(0, 5))]
    settings = {
        "color": source.choice(("rgb", "bgr")),
        "layout": source.choice(("hwc", "chw")),
        "value_range": source.choice(RANGES),
        "max_pixels": source.choice((MAX_PIXELS, 10)),
    }
    axes = [source.integer(0, 2) for _ in shape]
    values = source.rest()
    array = np.zeros(shape, dtype)
    if dtype.kind != "O" and array.nbytes:
        filled = np.resize(np.frombuffer(values or b"\0", np.uint8), array.nbytes)
        array = np.frombuffer(filled.tobytes(), dtype).reshape(shape)
    view = array[tuple(slice(None, None, (1, 2, -1)[step]) for step in axes)] if shape else array
    results = []
    for image in (view, np.array(view, order="C"), np.array(view, order="F")):
        before = image.tobytes() if dtype.kind != "O" else b""
        with _refused_by(ImageError) as refusal:
            results.append(_checked(load_image(image, **settings)))
        results.extend(refusal)
        assert dtype.kind == "O" or image.tobytes() == before
    assert len({str(result) for result in results}) == 1, results


def weights(data: bytes) -> None:
    """A weights file gives finite tensors or a `WeightsError`."""
    from mtcnn_fast.weights import load_weights

    path = _folder() / "weights.safetensors"
    path.write_bytes(data)
    with _refused_by(WeightsError):
        loaded = load_weights(path)
        assert all(np.isfinite(tensor).all() for tensor in loaded.pnet.values())


def annotations(data: bytes) -> None:
    """A file of annotation, detections or curves is read or refused with a `DataError`."""
    source = FuzzInput(data)
    name, read = source.choice(READERS)
    path = _folder() / "annotations" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(source.rest())
    try:
        with _refused_by(DataError):
            read(path)
    finally:
        path.unlink()


def configurations(data: bytes) -> None:
    """A configuration file, or any values as settings, are read or refused with a `ConfigError`."""
    from mtcnn_fast.training.config import load_config

    path = _folder() / "training.toml"
    path.write_bytes(data)
    with _refused_by(ConfigError):
        load_config(path)
    source = FuzzInput(data)
    settings = {name: _setting(source) for name in DetectorConfig.__dataclass_fields__ if source.integer(0, 3) == 0}
    with _refused_by(ConfigError):
        config = DetectorConfig(**settings)
        assert pickle.loads(pickle.dumps(config)) == config


def differential(data: bytes) -> None:
    """A backend finds the faces that numpy finds, but for those that ``docs/semantics.md`` excuses."""
    from mtcnn_fast.backends import create_backend
    from mtcnn_fast.weights import load_weights
    from support.golden import compare

    source = FuzzInput(data)
    device = source.choice(_devices())
    config, image = _detection(source)
    (reference,) = create_backend("numpy", config, load_weights(None)).detect([image], trace=True)

    def make(config: DetectorConfig) -> Backend:
        return create_backend(device, config, load_weights(None))

    backend = make(config)
    try:
        (found,) = backend.detect([image], trace=True)
        tally = compare(make, config, image, found, reference, f"{device}, {image.shape}, {config}")
    finally:
        backend.close()
    assert not tally.misses, tally.misses
    assert not tally.extras, tally.extras


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (image_bytes, arrays, weights, annotations, configurations, differential)
}


@contextmanager
def _refused_by(kind: type[MtcnnFastError]) -> Iterator[list[MtcnnFastError]]:
    """Let the body end with an error of one kind, which is then in the list."""
    errors: list[MtcnnFastError] = []
    try:
        yield errors
    except kind as error:
        errors.append(error)
    for error in errors:
        assert str(error).strip()
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def _checked(pixels: np.ndarray) -> bytes:
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.size
    assert pixels.flags.c_contiguous
    return bytes(str(pixels.shape), "ascii") + pixels.tobytes()


@functools.cache
def _keep_folder() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="mtcnn_fast_fuzz_", dir=memory if memory.is_dir() else None)


def _folder() -> Path:
    return Path(_keep_folder().name)


@functools.cache
def _devices() -> tuple[str, ...]:
    from mtcnn_fast.backends import available_backends

    # A backend on torch takes a second to make: few inputs are for it.
    devices = tuple(name for name in ("cpu", "cpu", "cpu", "cpu", "torch:cpu") if not available_backends()[name])
    return devices or ("numpy",)


def _readers() -> list[tuple[str, Callable[[Path], object]]]:
    from mtcnn_fast import datasets
    from mtcnn_fast.datasets.fddb import read_published_rocs, read_roc
    from mtcnn_fast.evaluation.prediction_files import read_fddb_detections, read_widerface_predictions

    def celeba(path: Path) -> object:
        rows = path.read_bytes().split(b"---\n")
        names = ("list_bbox_celeba.txt", "list_landmarks_celeba.txt", "list_eval_partition.txt")
        for name, text in zip(names, [*rows, b"", b"", b""], strict=False):
            (path.parent / name).write_bytes(text)
        try:
            return list(datasets.read_celeba(path.parent, path.parent))
        finally:
            for name in names:
                (path.parent / name).unlink()

    def prediction_folder(path: Path) -> object:
        return read_widerface_predictions(path.parent.parent, ["annotations/a"])

    return [
        ("wider.txt", datasets.read_widerface_images),
        ("wider.txt", lambda path: list(datasets.read_widerface_records(path, path.parent))),
        ("label.txt", lambda path: list(datasets.read_retinaface(path, path.parent))),
        ("FDDB-fold-01-ellipseList.txt", lambda path: datasets.read_fddb_images(path.parent)),
        ("FDDB-fold-01-ellipseList.txt", lambda path: list(datasets.read_fddb_records(path.parent, path.parent))),
        ("landmarks.txt", datasets.read_landmarks),
        ("landmarks.txt", lambda path: list(datasets.read_landmark_list(path))),
        ("mtfl.txt", lambda path: list(datasets.read_landmark_list(path, form="mtfl", whole_face=False))),
        ("coco.json", lambda path: list(datasets.read_coco(path, path.parent))),
        ("coco.json", lambda path: list(datasets.read_coco(path, path.parent, "face"))),
        ("celeba", celeba),
        ("a.txt", prediction_folder),
        ("fddb.txt", lambda path: read_fddb_detections(path, ["a/b", "a/c"])),
        ("DiscROC.txt", read_roc),
        ("DiscROC.txt", lambda path: read_published_rocs(path.parent)),
    ]


READERS = _readers()


def _setting(source: FuzzInput) -> object:
    numbers = (0, 1, -1, 0.5, 20, 1e300, float("nan"), float("inf"), True, 2**70, np.float32(0.7), np.int64(3))
    kind = source.integer(0, 4)
    if kind == 0:
        return source.choice((None, "zero", "clip", "float32", "tf32", "", b"zero", object(), {}, set()))
    if kind == 1:
        return source.choice(numbers)
    if kind == 2:
        return source.fraction(-1, 50)
    values = [source.choice(numbers) if source.integer(0, 3) == 0 else source.fraction(0, 1)] * source.integer(0, 5)
    return source.choice((tuple(values), values, np.array(values, object)))


def _detection(source: FuzzInput) -> tuple[DetectorConfig, np.ndarray]:
    config = DetectorConfig(
        min_face_size=source.fraction(8, 60),
        max_face_size=source.choice((None, None, 80)),
        thresholds=tuple(source.choice((0.0, 0.3, 0.6, 0.7, 0.9, 1.0)) for _ in range(3)),
        factor=source.fraction(0.4, 0.85),
        nms_thresholds=tuple(source.choice((0.0, 0.3, 0.5, 0.7, 1.0)) for _ in range(4)),
        border=source.choice(("zero", "clip")),
        max_faces=source.choice((None, 1, 5)),
        num_threads=source.choice((1, 2)),
    )
    # Low thresholds and no suppression send every cell through all networks: on small images only.
    loose = min(config.thresholds[:2]) < 0.6 or max(config.nms_thresholds[:3]) == 1
    height, width = (source.integer(1, 32 if loose else 90) for _ in range(2))
    kind = source.integer(0, 3)
    if kind:
        # Around the face, which is 80 pixels wide at (180, 60).
        step = source.integer(2, 6) if loose else source.integer(1, 3)
        top, left = source.integer(20, 70), source.integer(140, 190)
        rows, columns = (top + step * np.arange(height)) % 512, (left + step * np.arange(width)) % 512
        image = np.ascontiguousarray(_photo()[rows][:, columns])
    else:
        image = np.zeros((height, width, 3), np.uint8)
    noise = np.frombuffer(source.rest()[: image.size] or b"\0", np.uint8)
    flat = image.reshape(-1).copy()
    flat[: len(noise)] ^= noise[: len(flat)]
    return config, flat.reshape(image.shape)


@functools.cache
def _photo() -> np.ndarray:
    from support.data import PHOTO

    return load_image(PHOTO)

"""Where images may come from: paths and bytes of numpy, archives, shared file objects, readers that fail."""

from __future__ import annotations

import copy
import gzip
import http.client
import io
import lzma
import pickle
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image, split_batch
from mtcnn_fast.images.batches import gather
from support.pictures import encode, noise, refused

IMAGE = noise(9, 7, 3)
DATA = encode(IMAGE, "PNG")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "image.png").write_bytes(DATA)
    return tmp_path / "image.png"


def zipped(data=DATA):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("folder/image.png", data)
    return zipfile.ZipFile(file)


class TestKinds:
    @pytest.mark.parametrize("make", [np.str_, lambda text: np.array(text), lambda text: np.array([text])[0],
                                      lambda text: np.array(Path(text), object)])  # fmt: skip
    def test_paths_of_numpy(self, path, make):
        np.testing.assert_array_equal(load_image(make(str(path))), IMAGE)

    @pytest.mark.parametrize("make", [np.bytes_, np.void, memoryview, bytearray, lambda data: memoryview(data)[::1],
                                      lambda data: memoryview(bytearray(data))])  # fmt: skip
    def test_bytes_of_any_kind(self, make):
        np.testing.assert_array_equal(load_image(make(DATA)), IMAGE)

    def test_a_memoryview_with_steps(self):
        twice = np.repeat(np.frombuffer(DATA, np.uint8), 2)
        np.testing.assert_array_equal(load_image(memoryview(twice)[::2]), IMAGE)

    def test_path_in_an_archive(self, tmp_path):
        np.testing.assert_array_equal(load_image(zipfile.Path(zipped(), "folder/image.png")), IMAGE)
        with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
            archive.writestr("image.png", DATA)
        missing = zipfile.Path(tmp_path / "photos.zip", "none.png")
        for image in (missing, zipfile.Path(zipped(), "none.png")):
            assert isinstance(refusal(image), FileNotFoundError)
            assert "Path" in refused(image, "that cannot be read .*(FileNotFoundError|KeyError)")
        assert "photos.zip/none.png" in str(refusal(missing))

    def test_a_resource(self):
        class Resource:
            def read_bytes(self):
                return DATA

        np.testing.assert_array_equal(load_image(Resource()), IMAGE)

    @pytest.mark.parametrize(
        "make",
        [
            lambda names: np.array(names),
            lambda names: np.array([Path(name) for name in names], object),
            lambda names: np.array([Path(name).read_bytes() for name in names]),
            lambda names: np.array([load_image(name) for name in names] + [None], object)[:-1],
            lambda names: [np.str_(name) for name in names],
        ],
        ids=["texts", "paths", "bytes", "arrays", "list of numpy's texts"],
    )
    def test_arrays_of_images(self, path, make):
        images = split_batch(make([str(path)] * 3))
        assert [np.array_equal(load_image(image), IMAGE) for image in images] == [True] * 3

    @pytest.mark.skipif(not hasattr(np, "dtypes") or not hasattr(np.dtypes, "StringDType"), reason="numpy below 2")
    def test_arrays_of_strings_of_any_length(self, path):
        images = split_batch(np.array([str(path)] * 2, np.dtypes.StringDType()))
        assert [np.array_equal(load_image(image), IMAGE) for image in images] == [True] * 2

    def test_zeros_at_the_end_of_a_file_are_kept(self):
        data = encode(np.zeros((3, 5, 3), np.uint8), "BMP")
        assert data.endswith(b"\0\0")
        for image in split_batch(np.array([data, data])):
            assert load_image(image).shape == (3, 5, 3)

    def test_series(self, path):
        pandas = pytest.importorskip("pandas", reason="pandas is not installed")
        images = split_batch(pandas.Series([str(path)] * 2, index=[7, 9]))
        assert [np.array_equal(load_image(image), IMAGE) for image in images] == [True] * 2

    @pytest.mark.parametrize("image", [memoryview(DATA), np.bytes_(DATA), np.str_("a.png"), np.void(DATA),
                                       np.array("a.png"), zipfile.Path(zipped(), "folder/image.png")])  # fmt: skip
    def test_a_single_image_is_no_batch(self, image):
        with pytest.raises(ImageError, match="images is a single image"):
            split_batch(image)

    def test_an_array_of_paths_is_no_single_image(self):
        assert "for several images use detect_batch()" in refused(np.array(["a.png"]), "has shape")

    def test_none_asks_about_opencv(self):
        refused(None, "image is of type NoneType.*cv2.imread returns None for a file that it cannot read")

    @pytest.mark.parametrize("image", [3, object(), {"path": "a.png"}, np.void, str])
    def test_others(self, image):
        refused(image, "image is of type")


def refusal(image):
    with pytest.raises(ImageError) as caught:
        load_image(image)
    return caught.value


class TestErrorsOfTheSystem:
    @pytest.mark.parametrize("image", ["no/such.png", Path("none.png"), np.str_("none.png")])
    def test_missing(self, image):
        error = refusal(image)
        assert isinstance(error, FileNotFoundError)
        assert error.errno == error.__cause__.errno
        assert error.filename == str(image)

    def test_others(self, tmp_path, path):
        assert isinstance(refusal(tmp_path), IsADirectoryError)
        assert isinstance(refusal(path / "below.png"), NotADirectoryError)

    def test_permission(self, path, monkeypatch):
        def denied(*arguments, **options):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("builtins.open", denied)
        error = refusal(path)
        assert isinstance(error, PermissionError)
        assert error.errno == 13

    @pytest.mark.parametrize("travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
    def test_they_travel(self, travel):
        error = refusal("none.png")
        again = travel(error)
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert (again.errno, again.filename, again.strerror) == (error.errno, error.filename, error.strerror)

    def test_in_a_batch(self):
        ((first, error),) = gather([DATA, "none.png"], load_image, batch_size=9, batch_pixels=None, stop_at_error=False)
        assert first.shape == IMAGE.shape
        assert isinstance(error, FileNotFoundError)
        assert str(error).startswith("images[1]: image file 'none.png' does not exist")


class Failing:
    """A file object whose reading fails."""

    def __init__(self, error):
        self.error = error

    def read(self):
        raise self.error


class TestReadersThatFail:
    @pytest.mark.parametrize(
        "error",
        [
            zipfile.BadZipFile("Bad CRC-32"),
            EOFError("cut off"),
            lzma.LZMAError("corrupt"),
            http.client.IncompleteRead(b"x", 9),
            OSError(5, "Input/output error"),
            ValueError("closed"),
            RuntimeError("encrypted"),
            KeyError("key"),
            TypeError("type"),
            MemoryError("no memory"),
            type("Own", (Exception,), {})("own"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_any_exception_is_an_error_of_the_image(self, error):
        with pytest.raises(ImageError, match="image is a file object that cannot be read") as caught:
            load_image(Failing(error))
        assert caught.value.__cause__ is error
        assert type(error).__name__ in str(caught.value)

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
    def test_what_ends_the_program_does(self, error):
        with pytest.raises(type(error)):
            load_image(Failing(error))

    def test_real_readers(self):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("a.png", DATA)
        damaged = bytearray(archive.getvalue())
        damaged[60] ^= 255
        readers = [
            zipfile.ZipFile(io.BytesIO(bytes(damaged))).open("a.png"),  # noqa: SIM115 - memory needs no closing
            gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(DATA)[:-20])),
            lzma.LZMAFile(io.BytesIO(lzma.compress(DATA)[:50] + b"x" * 100)),  # noqa: SIM115
        ]
        items = [item for reader in readers for item in (DATA, reader)]
        (results,) = gather(items, load_image, batch_size=9, batch_pixels=None, stop_at_error=False)
        assert [isinstance(result, ImageError) for result in results] == [False, True] * 3
        assert [str(result)[:9] for result in results[1::2]] == ["images[1]", "images[3]", "images[5]"]


class TestFileObjects:
    def test_one_that_can_seek_is_put_back(self):
        file = io.BytesIO(b"head" + DATA)
        file.seek(4)
        for _ in range(2):
            np.testing.assert_array_equal(load_image(file), IMAGE)
            assert file.tell() == 4

    def test_one_at_its_end(self):
        file = io.BytesIO(DATA)
        file.seek(0, io.SEEK_END)
        refused(file, r"is empty, or at its end.*image.seek\(0\)")

    def test_one_that_is_shared_by_threads(self, path):
        with path.open("rb") as file:
            assert in_threads(lambda: load_image(file).tobytes()) == [IMAGE.tobytes()] * 8

    def test_pil_images_of_one_file_object(self, path):
        with path.open("rb") as file:
            images = [Image.open(file) for _ in range(8)]
            assert in_threads(lambda: load_image(images.pop()).tobytes()) == [IMAGE.tobytes()] * 8

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP"])
    def test_a_lazy_pil_image_that_is_shared_by_threads(self, kind):
        data = encode(noise(90, 70, 3), kind)
        expected = load_image(data).tobytes()
        for _ in range(5):
            image = Image.open(io.BytesIO(data))
            assert in_threads(lambda image=image: load_image(image).tobytes()) == [expected] * 8

    @pytest.mark.parametrize("close", [lambda image, file: image.close(), lambda image, file: file.close()])
    def test_a_lazy_pil_image_whose_file_is_closed(self, close):
        file = io.BytesIO(DATA)
        image = Image.open(file)
        close(image, file)
        refused(image, r"PIL image cannot be decoded, as its file was closed .*load it first: image.load\(\)")

    def test_a_loaded_one(self):
        file = io.BytesIO(DATA)
        image = Image.open(file)
        image.load()
        file.close()
        np.testing.assert_array_equal(load_image(image), IMAGE)


def in_threads(call, count=8):
    """Call a function in several threads at once and return the results, exceptions among them."""
    gate, results = threading.Barrier(count), []

    def work():
        gate.wait()
        try:
            results.append(call())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class TestValues:
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_a_value_just_outside_is_shown_in_full(self, dtype):
        image = np.full((3, 4), 0.5, dtype)
        image[0, 0] = above = np.nextafter(dtype(1), dtype(2))
        text = refused(image, "has values from 0.5 to 1", value_range=(0, 1))
        shown = text.split(" to ")[1].split(" ")[0]
        assert dtype(shown) == above
        image[0, 0], image[0, 1] = np.nextafter(dtype(0), dtype(-1)), 1
        shown = refused(image, "has values from -", value_range=(0, 1)).split(" from ")[1].split(" ")[0]
        assert dtype(shown) == image[0, 0]


BATCH_AT_THE_END = """
import atexit, threading, time
from mtcnn_fast.images import load_image
from mtcnn_fast.images.batches import gather
def batch():
    (images,) = gather([{path!r}] * 5, load_image, batch_size=9, batch_pixels=None, stop_at_error=True, ahead=4)
    print([image.shape for image in images] == [(9, 7, 3)] * 5, flush=True)
"""


@pytest.mark.parametrize(
    "when",
    [
        "batch()",
        "def late():\n    time.sleep(0.3)\n    batch()\nthreading.Thread(target=late).start()",
        "atexit.register(batch)",
        'def fail(self):\n    raise RuntimeError("can\'t start new thread")\nthreading.Thread.start = fail\nbatch()',
    ],
    ids=["before the end", "after main has ended", "at exit", "no thread can be started"],
)
def test_a_batch_of_files_needs_no_threads(path, when):
    code = BATCH_AT_THE_END.format(path=str(path)) + when
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True", done.stderr

"""`Detector.detect_batch` and `detect_iter`: order, laziness, and images that cannot be used."""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mtcnn_fast import BackendError, ConfigError, Detector, Faces, ImageError
from mtcnn_fast.images.batches import files_ahead, gather
from support.portrait import QUICK, portrait

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector("numpy", **QUICK)


@pytest.fixture(scope="module")
def photo() -> Pixels:
    return portrait()


@pytest.fixture(scope="module")
def mixed(photo: Pixels, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Images of several kinds and sizes, in some of which there is no face."""
    path = tmp_path_factory.mktemp("images") / "photo.png"
    Image.fromarray(photo).save(path)
    return [
        photo,
        path,
        Image.fromarray(photo[:100]),
        np.zeros((1, 1), np.uint8),
        np.full((64, 100, 4), 255, np.uint8),
        photo[8:, 8:, 0],
        str(path),
        photo[:, ::-1],
    ]


@pytest.mark.parametrize("batch_size", [None, 1, 3, 8, 100])
def test_batch_equals_single_images(batch_size: int | None, detector: Detector, mixed: list[Any]) -> None:
    expected = [detector.detect(image) for image in mixed]
    assert [len(faces) for faces in expected] == [1, 1, 1, 0, 0, 1, 1, 1]
    assert detector.detect_batch(mixed, batch_size=batch_size) == expected
    assert list(detector.detect_iter(mixed, batch_size=batch_size)) == expected


def test_order_in_the_batch_does_not_matter(detector: Detector, mixed: list[Any]) -> None:
    assert detector.detect_batch(mixed[::-1]) == detector.detect_batch(mixed)[::-1]


def test_arrays_of_four_dimensions(detector: Detector, photo: Pixels) -> None:
    stack = np.stack([photo, photo[:, ::-1], np.zeros_like(photo)])
    expected = [detector.detect(image) for image in stack]
    assert [len(faces) for faces in expected] == [1, 1, 0]
    assert detector.detect_batch(stack) == expected
    assert detector.detect_batch(stack.transpose(0, 3, 1, 2), layout="chw") == expected
    assert detector.detect_batch(stack[..., ::-1], color="bgr") == expected
    assert detector.detect_batch(stack.astype(np.float64) / 255, value_range=(0, 1)) == expected
    assert detector.detect_batch(stack[:0]) == []


@pytest.mark.torch
def test_torch_tensors(detector: Detector, photo: Pixels) -> None:
    torch = pytest.importorskip("torch")
    stack = torch.from_numpy(np.stack([photo, photo]).transpose(0, 3, 1, 2).copy())
    expected = [detector.detect(photo)] * 2
    assert detector.detect_batch(stack, layout="chw") == expected
    assert detector.detect_batch(list(stack), layout="chw") == expected


@pytest.mark.parametrize("images", [[], (), iter([]), np.zeros((0, 9, 9, 3), np.uint8)])
def test_nothing_gives_nothing(images: Iterable[Any], detector: Detector) -> None:
    assert detector.detect_batch(images) == []


@pytest.mark.parametrize(
    "image", ["photo.jpg", Path("photo.jpg"), b"", np.zeros((9, 9, 3), np.uint8), Image.new("RGB", (9, 9))]
)
def test_single_image_is_no_batch(image: object, detector: Detector) -> None:
    with pytest.raises(ImageError, match=r"use detect\(\)"):
        detector.detect_batch(image)


def test_what_cannot_be_iterated_is_no_batch(detector: Detector) -> None:
    with pytest.raises(ImageError, match="images is of type int"):
        detector.detect_batch(5)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "8", True])
def test_wrong_batch_size_is_told_at_the_call(batch_size: Any, detector: Detector, photo: Pixels) -> None:
    with pytest.raises(ConfigError, match=r"^batch_size must be a whole number of at least 1, got"):
        detector.detect_iter([photo], batch_size=batch_size)


def test_wrong_on_error_is_told_at_the_call(detector: Detector, photo: Pixels) -> None:
    with pytest.raises(ConfigError, match=r"^on_error must be 'raise' or 'return', got 'skip'$"):
        detector.detect_iter([photo], on_error="skip")  # type: ignore[call-overload]


class TestBadImage:
    @pytest.mark.parametrize("batch_size", [None, 1, 2, 100])
    def test_raises_with_its_index(self, batch_size: int | None, detector: Detector, photo: Pixels) -> None:
        with pytest.raises(ImageError, match=r"^images\[2\]: image file 'nowhere\.jpg' does not exist") as caught:
            detector.detect_batch([photo, photo, "nowhere.jpg", photo], batch_size=batch_size)
        assert isinstance(caught.value.__cause__, ImageError)

    @pytest.mark.parametrize("batch_size", [None, 1, 2, 100])
    def test_results_before_it_come_first(self, batch_size: int | None, detector: Detector, photo: Pixels) -> None:
        read: list[int] = []

        def images() -> Iterator[Any]:
            for i, image in enumerate([photo, photo, None, photo]):
                read.append(i)
                yield image

        results = detector.detect_iter(images(), batch_size=batch_size)
        assert [len(next(results)), len(next(results))] == [1, 1]
        with pytest.raises(ImageError, match=r"^images\[2\]: image is of type NoneType"):
            next(results)
        assert read == [0, 1, 2]

    @pytest.mark.parametrize("batch_size", [None, 1, 2, 100])
    def test_takes_its_place_among_the_results(self, batch_size: int | None, detector: Detector, photo: Pixels) -> None:
        bad = np.zeros((0, 9, 3), np.uint8)
        images = [bad, photo, None, bad, photo]
        results = list(detector.detect_iter(images, batch_size=batch_size, on_error="return"))
        assert [isinstance(result, ImageError) for result in results] == [True, False, True, True, False]
        assert [str(results[i]).split(":")[0] for i in (0, 2, 3)] == ["images[0]", "images[2]", "images[3]"]
        assert results[1] == results[4] == detector.detect(photo)

    def test_only_bad_images(self, detector: Detector) -> None:
        results = list(detector.detect_iter([None, 1, "nowhere"], on_error="return"))
        assert [isinstance(result, ImageError) for result in results] == [True] * 3
        assert isinstance(results[2], FileNotFoundError)

    def test_failure_of_the_source_loses_no_result(self, detector: Detector, photo: Pixels) -> None:
        def images() -> Iterator[Pixels]:
            yield photo
            yield photo
            raise OSError("the camera was unplugged")

        results = detector.detect_iter(images(), batch_size=100)
        assert [len(next(results)), len(next(results))] == [1, 1]
        with pytest.raises(OSError, match="the camera was unplugged"):
            next(results)

    def test_failure_of_the_source_at_the_first_image(self, detector: Detector) -> None:
        def images() -> Iterator[Pixels]:
            raise OSError("no camera")
            yield

        with pytest.raises(OSError, match="no camera"):
            detector.detect_batch(images())


class TestLaziness:
    def test_nothing_is_read_before_a_result_is_asked_for(self, detector: Detector, photo: Pixels) -> None:
        read = itertools.count()
        results = detector.detect_iter((photo for _ in read), batch_size=2)
        assert next(read) == 0
        next(results)
        assert next(read) == 3

    @pytest.mark.parametrize("batch_size", [1, 4])
    def test_endless_source_is_read_at_most_a_batch_ahead(self, batch_size: int, detector: Detector) -> None:
        given = 0

        def images() -> Iterator[Pixels]:
            nonlocal given
            while True:
                given += 1
                yield np.full((20, 20), 99, np.uint8)

        for taken, _ in enumerate(itertools.islice(detector.detect_iter(images(), batch_size=batch_size), 20), 1):
            assert taken <= given < taken + batch_size

    def test_images_are_let_go(self, detector: Detector) -> None:
        alive: weakref.WeakSet[Picture] = weakref.WeakSet()

        def images() -> Iterator[Picture]:
            for _ in range(20):
                # What the consumer holds now is what was read before.
                assert len(alive) <= 1
                picture = Picture()
                alive.add(picture)
                yield picture
                del picture

        assert len(list(detector.detect_iter(images(), batch_size=4))) == 20

    def test_large_images_end_a_batch(self) -> None:
        def load(image: object) -> Pixels:
            assert isinstance(image, int)
            return np.zeros((image, 10, 3), np.uint8)

        def sizes(pixels: int | None) -> list[int]:
            batches = gather([5] * 7, load, batch_size=4, batch_pixels=pixels, stop_at_error=True)
            return [len(batch) for batch in batches]

        assert sizes(None) == [4, 3]
        assert sizes(201) == [4, 3]
        assert sizes(150) == [3, 3, 1]
        assert sizes(1) == [1] * 7


class Picture:
    """An image that can be watched being let go."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Pixels:
        return np.full((20, 20), 99, np.uint8)


class TestProgress:
    def test_results_are_the_same_and_nothing_is_printed_where_there_is_no_terminal(
        self, detector: Detector, photo: Pixels, capfd: pytest.CaptureFixture[str]
    ) -> None:
        images = [photo, photo[:, ::-1]]
        assert detector.detect_batch(images, progress=True) == detector.detect_batch(images)
        assert detector.detect_batch(iter(images), progress=True) == detector.detect_batch(images)
        assert capfd.readouterr() == ("", "")

    def test_bar_on_a_terminal(
        self, detector: Detector, photo: Pixels, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("mtcnn_fast.progress.is_shown", lambda: True)
        found = detector.detect_batch([photo] * 3, progress=True)
        assert [type(faces) for faces in found] == [Faces] * 3
        out, err = capfd.readouterr()
        assert out == ""
        assert "3/3" in err
        assert "images/s" in err

    def test_error_passes_through(self, detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mtcnn_fast.progress.is_shown", lambda: True)
        with pytest.raises(ImageError, match=r"^images\[0\]"):
            detector.detect_batch([None], progress=True)

    def test_closed(self, photo: Pixels) -> None:
        detector = Detector("numpy")
        detector.close()
        with pytest.raises(BackendError, match="closed"):
            detector.detect_batch([photo], progress=True)


class TestFilesAhead:
    """A list of files is decoded while faces are found, a few files ahead; nothing else is."""

    def test_what_is_loaded_ahead(self, photo):
        assert files_ahead(["a.jpg"], 3) == files_ahead((Path("a.jpg"),), 3) == 6
        assert files_ahead(["a.jpg"], 1) == files_ahead([photo], 3) == files_ahead(iter(["a.jpg"]), 3) == 0
        assert files_ahead([], 3) == 0

    @pytest.mark.parametrize("ahead", [1, 4])
    def test_order_errors_and_how_far(self, ahead):
        begun = []

        def load(value):
            begun.append(value)
            time.sleep(0.002 * (value % 3))
            if value == 7:
                raise ImageError("damaged")
            return np.full((1, 1, 3), value, np.uint8)

        batches = gather(range(20), load, batch_size=2, batch_pixels=None, stop_at_error=False, ahead=ahead)
        seen = []
        for batch in batches:
            seen += [str(item) if isinstance(item, ImageError) else int(item[0, 0, 0]) for item in batch]
            assert len(begun) <= len(seen) + ahead
        assert seen == [value if value != 7 else "images[7]: damaged" for value in range(20)]

    def test_it_stops_where_it_is_left(self):
        begun = []
        before = set(threading.enumerate())  # some of which may be those of other tests, about to end
        batches = gather(range(1000), begun.append, batch_size=2, batch_pixels=None, stop_at_error=True, ahead=3)
        with pytest.raises(AttributeError):
            next(batches)  # what append returns is no image
        batches.close()
        deadline = time.monotonic() + 60
        while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not left
        assert len(begun) <= 2 + 3 + 1

    def test_results_are_those_of_single_images(self, tmp_path, photo):
        paths = []
        for number in range(5):
            paths.append(tmp_path / f"{number}.png")
            Image.fromarray(np.tile(photo, (1, 1 + number % 2, 1))).save(paths[-1])
        with Detector(num_threads=2, **QUICK) as detector:
            expected = [detector.detect(path) for path in paths]
            assert detector.detect_batch(paths, batch_size=2) == expected
            paths.insert(2, tmp_path / "nowhere.png")
            found = list(detector.detect_iter(paths, on_error="return"))
        assert isinstance(found.pop(2), ImageError)
        assert found == expected

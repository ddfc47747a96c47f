"""`load_image` on files, bytes and file objects: where they come from, and what damage does."""

from __future__ import annotations

import gc
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image
from support.pictures import encode, exif, noise, refused


class TestSources:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "JPEG", "WEBP"])
    @pytest.mark.parametrize(
        "source",
        [
            str,
            Path,
            lambda path: path.read_bytes(),
            lambda path: bytearray(path.read_bytes()),
            lambda path: os.scandir(path.parent),
        ],
        ids=["str", "Path", "bytes", "bytearray", "DirEntry"],
    )
    def test_names_and_bytes(self, tmp_path, kind, source):
        path = tmp_path / "image.bin"
        path.write_bytes(encode(noise(13, 11, 3), kind))
        image = source(path)
        if not isinstance(image, (str, Path, bytes, bytearray)):
            with image as entries:
                image = next(entries)
        with Image.open(path) as expected:
            np.testing.assert_array_equal(load_image(image), np.asarray(expected.convert("RGB")))

    def test_file_object(self, tmp_path):
        image = noise(13, 11, 3)
        (tmp_path / "image.png").write_bytes(encode(image, "PNG"))
        with (tmp_path / "image.png").open("rb") as file:
            np.testing.assert_array_equal(load_image(file), image)
        np.testing.assert_array_equal(load_image(io.BytesIO(encode(image, "TIFF"))), image)

    def test_file_object_that_cannot_seek(self):
        image = noise(13, 11, 3)
        reading, writing = os.pipe()
        with open(writing, "wb") as sink:  # noqa: PTH123 - a descriptor has no path
            sink.write(encode(image, "PNG"))
        with open(reading, "rb") as source:  # noqa: PTH123
            np.testing.assert_array_equal(load_image(source), image)

    def test_file_object_in_text_mode(self):
        refused(io.StringIO("no bytes"), "reads str.*binary mode")

    def test_closed_file_object(self):
        file = io.BytesIO(b"")
        file.close()
        refused(file, "file object that cannot be read .*closed")

    @pytest.mark.parametrize("name", ["no/such.jpg", Path("missing.png"), "", "a" * 5000, "nul\0l.png"])
    def test_missing(self, name):
        text = refused(name, "image file '.*' (does not exist|cannot be opened)")
        assert len(text) < 600
        assert str(name)[:20].replace("\0", "\\x00") in text

    def test_missing_is_caused_by_the_error_of_the_system(self, tmp_path):
        with pytest.raises(ImageError, match="does not exist") as caught:
            load_image(tmp_path / "missing.jpg")
        assert isinstance(caught.value.__cause__, FileNotFoundError)
        assert str(tmp_path) in str(caught.value)

    def test_directory(self, tmp_path):
        assert str(tmp_path) in refused(tmp_path, "is a directory; .*; detect_batch.. takes the images of a folder$")

    def test_through_a_file(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        refused(tmp_path / "file" / "image.png", "cannot be opened .NotADirectoryError")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read every file")
    def test_unreadable(self, tmp_path):
        (tmp_path / "image.png").touch(0)
        refused(tmp_path / "image.png", "cannot be opened .PermissionError")

    @pytest.mark.parametrize(
        "url",
        ["https://example.org/face.jpg", "http://example.org/face.jpg", "file:///face.jpg", "s3://bucket/face.jpg",
         "data:image/png;base64,AAAA", Path("https://example.org/face.jpg")],
    )  # fmt: skip
    def test_url(self, url):
        refused(url, "is a URL, and nothing is downloaded here")

    def test_a_file_whose_name_looks_like_a_url(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("http:").mkdir()
        image = noise(3, 4, 3)
        Path("http://face.png").write_bytes(encode(image, "PNG"))
        np.testing.assert_array_equal(load_image("http://face.png"), image)

    @pytest.mark.parametrize("source", ["", b"", bytearray(), io.BytesIO()])
    def test_empty(self, tmp_path, source):
        if source == "":
            source = tmp_path / "empty.jpg"
            source.touch()
        refused(source, "is empty")

    @pytest.mark.parametrize(
        "data", [b"x", b"no image, just text\n" * 10, bytes(1000), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"]
    )
    def test_no_image(self, tmp_path, data):
        path = tmp_path / "face.jpg"
        path.write_bytes(data)
        assert str(path) in refused(path, "is not an image that can be read")
        assert f"encoded image of {len(data)} bytes" in refused(data, "is not an image that can be read")

    def test_postscript_is_not_run(self):
        refused(encode(noise(8, 8, 3), "EPS"), "except EPS")

    @pytest.mark.parametrize("source", [lambda data: data, lambda data: Image.open(io.BytesIO(data))])
    def test_files_and_pil_images_state_their_order_of_channels(self, source):
        refused(source(encode(noise(5, 7, 3), "PNG")), "color='bgr' was given for the (encoded|PIL) image", color="bgr")

    def test_layout_means_nothing_for_files(self):
        image = noise(5, 7, 3)
        np.testing.assert_array_equal(load_image(encode(image, "PNG"), layout="chw"), image)

    def test_files_are_closed(self, tmp_path, own_warnings):
        for kind in ("PNG", "TIFF", "GIF", "WEBP"):
            path = tmp_path / f"image.{kind}"
            path.write_bytes(encode(noise(8, 8, 3), kind))
            load_image(path)
            path.write_bytes(path.read_bytes()[:40])
            refused(path, "image file")
        gc.collect()
        assert not [warning for warning in own_warnings if issubclass(warning.category, ResourceWarning)]


class TestDamage:
    @staticmethod
    def files():
        color, alpha = noise(12, 9, 3), noise(12, 9, 4)
        palette = Image.fromarray(color).quantize(16)
        return {
            "png": encode(color, "PNG", exif=exif(6)),
            "png-alpha": encode(alpha, "PNG"),
            "png-palette": encode(palette, "PNG"),
            "jpeg": encode(color, "JPEG", exif=exif(6)),
            "jpeg-progressive": encode(color, "JPEG", progressive=True),
            "webp": encode(color, "WEBP"),
            "webp-lossless": encode(alpha, "WEBP", lossless=True),
            "gif": encode(color, "GIF"),
            "bmp": encode(color, "BMP"),
            "ppm": encode(color, "PPM"),
            "tiff": encode(color, "TIFF"),
            "tiff-lzw": encode(color, "TIFF", compression="tiff_lzw"),
            "tiff-jpeg": encode(color, "TIFF", compression="jpeg"),
        }

    @pytest.mark.parametrize("name", list(files()))
    def test_truncated_anywhere(self, name):
        """Whatever is missing, the result is an error or the image: only a trailer without pixels can be spared."""
        data = self.files()[name]
        expected = load_image(data)
        refusals = 0
        for length in range(len(data)):
            try:
                result = load_image(data[:length])
            except ImageError as error:
                refusals += 1
                assert "accepted: " in str(error)  # noqa: PT017 - either outcome is right, each has its check
            else:
                np.testing.assert_array_equal(result, expected)
        assert refusals >= len(data) - 20

    @pytest.mark.parametrize("name", list(files()))
    def test_garbled(self, name):
        """Damage that the format cannot reveal gives an image, any other an `ImageError`, and never something else."""
        data = self.files()[name]
        random = np.random.default_rng(3)
        refusals = 0
        for _ in range(200):
            garbled = np.frombuffer(data, np.uint8).copy()
            garbled[random.integers(len(data), size=4)] = random.integers(0, 256, 4)
            try:
                result = load_image(garbled.tobytes(), max_pixels=1_000_000)
            except ImageError:
                refusals += 1
            else:
                assert result.ndim == 3
        assert refusals

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
    def test_truncated_file_is_named(self, tmp_path, kind):
        data = encode(noise(64, 64, 3), kind)
        path = tmp_path / "photo.bin"
        path.write_bytes(data[: len(data) // 2])
        text = refused(
            path, "image file .*photo.bin' cannot be decoded, it is damaged, truncated or of an unsupported kind"
        )
        assert "accepted: a complete, undamaged image" in text

    def test_wrong_checksum(self):
        data = bytearray(encode(noise(64, 64, 3), "PNG"))
        data[len(data) // 2] ^= 1
        refused(bytes(data), "damaged")

    def test_wrong_extension_does_not_matter(self, tmp_path):
        image = noise(5, 7, 3)
        (tmp_path / "image.jpg").write_bytes(encode(image, "PNG"))
        np.testing.assert_array_equal(load_image(tmp_path / "image.jpg"), image)

    def test_a_format_that_this_pillow_lacks_is_named(self, monkeypatch):
        def factory(file, name):
            raise AssertionError("not to be called")

        monkeypatch.setitem(Image.OPEN, "NEWFMT", (factory, lambda prefix: prefix[:4] == b"NEWF" and "support missing"))
        monkeypatch.setattr(Image, "ID", [*Image.ID, "NEWFMT"])
        refused(b"NEWFORMAT", "is not an image that can be read .support missing")

    def test_truncation_is_not_tolerated(self):
        load_image(encode(noise(8, 8, 3), "JPEG"))
        assert ImageFile.LOAD_TRUNCATED_IMAGES is False

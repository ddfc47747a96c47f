"""What `load_image` leaves alone: sizes above `max_pixels`, Pillow's own limit and state, other threads, imports."""

from __future__ import annotations

import base64
import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile

from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image
from support.pictures import chunk, encode, refused

KINDS = [
    ("PNG", {}),
    ("JPEG", {}),
    ("BMP", {}),
    ("PPM", {}),
    ("GIF", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {}),
]


def png_claiming(width, height):
    """A PNG whose header promises far more pixels than follow."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def pillow_state():
    return (
        Image.MAX_IMAGE_PIXELS,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        Image._decompression_bomb_check,
        Image.open,
    )


class TestMaxPixels:
    @pytest.mark.parametrize("shape", [(10, 10), (10, 10, 3), (100, 1, 3), (1, 100)])
    def test_the_limit_itself_is_accepted(self, shape):
        image = np.zeros(shape, np.uint8)
        assert load_image(image, max_pixels=100).shape == (*shape[:2], 3)
        text = refused(image, "has 100 pixels", max_pixels=99)
        assert f"width {shape[1]}, height {shape[0]}" in text
        assert "max_pixels=99" in text
        assert "raise max_pixels" in text

    @pytest.mark.parametrize(("kind", "options"), KINDS)
    def test_files(self, tmp_path, kind, options):
        path = tmp_path / "image.bin"
        path.write_bytes(encode(np.zeros((8, 12, 3), np.uint8), kind, **options))
        assert load_image(path, max_pixels=96).shape == (8, 12, 3)
        assert str(path) in refused(path, "has 96 pixels .width 12, height 8", max_pixels=95)

    def test_pil_images(self):
        image = Image.new("RGB", (12, 8))
        assert load_image(image, max_pixels=96).shape == (8, 12, 3)
        refused(image, "PIL image has 96 pixels .width 12, height 8", max_pixels=95)

    def test_files_are_judged_by_their_header(self):
        refused(png_claiming(60_000, 60_000), "has 3600000000 pixels")
        refused(png_claiming(15_000, 13_334), "has 200010000 pixels")
        refused(png_claiming(15_000, 13_333), "cannot be decoded", max_pixels=15_000 * 13_333)

    def test_lazy_images_are_judged_before_they_are_loaded(self):
        image = Image.open(io.BytesIO(encode(np.zeros((8, 12, 3), np.uint8), "PNG")))
        refused(image, "has 96 pixels", max_pixels=95)
        assert image.tile, "the image has been loaded"

    def test_an_icon_larger_than_its_directory_says(self):
        picture = encode(np.zeros((64, 64, 3), np.uint8), "PNG")
        entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(picture), 22)
        icon = struct.pack("<HHH", 0, 1, 1) + entry + picture
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about the size
            assert load_image(icon).shape == (64, 64, 3)
            refused(icon, "has 4096 pixels", max_pixels=1000)

    def test_100_megapixels(self):
        gray = np.zeros((10_000, 10_000), np.uint8)
        assert load_image(gray).shape == (10_000, 10_000, 3)
        refused(np.broadcast_to(np.uint8(0), (20_001, 10_000)), "has 200010000 pixels")


class TestPillowsLimit:
    def test_a_file_above_it_is_read_without_a_warning(self):
        width, height = 10_000, 9_000
        assert width * height > Image.MAX_IMAGE_PIXELS
        data = encode(Image.new("1", (width, height), 1), "PNG")
        result = load_image(data)
        assert result.shape == (height, width, 3)
        assert result[0, 0].tolist() == result[-1, -1].tolist() == [255, 255, 255]

    @pytest.mark.parametrize("limit", [1, 60])
    @pytest.mark.parametrize(
        ("kind", "options", "mode"),
        [
            (kind, options, mode)
            for kind, options in KINDS
            for mode in ("RGB", "L", "1", "CMYK" if kind in ("JPEG", "PPM") else "P")
            if kind != "WEBP" and (kind, mode) != ("PPM", "CMYK")
        ],
    )
    def test_every_format_ignores_it(self, monkeypatch, kind, options, mode, limit):
        image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)).convert(mode)
        data = encode(image, kind, **options)
        expected = load_image(data)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        np.testing.assert_array_equal(load_image(data), expected)
        assert limit == Image.MAX_IMAGE_PIXELS

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_turned_tiff(self, monkeypatch, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encode(np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8), "TIFF", exif=exif)
        expected = load_image(data)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        np.testing.assert_array_equal(load_image(data), expected)

    def test_tiff_that_is_loaded_already(self, monkeypatch):
        image = Image.open(io.BytesIO(encode(np.full((8, 12, 3), 7, np.uint8), "TIFF")))
        image.load()
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert load_image(image).min() == 7

    def test_without_a_limit(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        assert load_image(encode(np.zeros((8, 12, 3), np.uint8), "TIFF")).shape == (8, 12, 3)

    @pytest.mark.parametrize(
        ("kind", "options"),
        [("WEBP", {}), ("GIF", {"save_all": True, "append_images": [Image.new("RGB", (12, 8), "red")], "disposal": 2})],
    )
    def test_plugins_that_check_by_themselves(self, monkeypatch, kind, options):
        data = encode(np.zeros((8, 12, 3), np.uint8), kind, **options)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96)
        assert load_image(data).shape == (8, 12, 3)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 47)
        try:
            result = load_image(data)
        except ImageError as error:
            assert "exceeds limit of 94 pixels" in str(error)  # noqa: PT017 - not every version of Pillow checks
        else:
            assert result.shape == (8, 12, 3)

    def test_it_is_left_as_it_was(self, tmp_path):
        before = pillow_state()
        (tmp_path / "broken.jpg").write_bytes(encode(np.zeros((50, 50, 3), np.uint8), "JPEG")[:300])
        for kind, options in KINDS:
            load_image(encode(np.zeros((8, 12, 3), np.uint8), kind, **options))
        for image in (tmp_path / "broken.jpg", tmp_path / "missing.jpg", png_claiming(60_000, 60_000), b"nonsense"):
            with pytest.raises(ImageError):
                load_image(image)
        assert pillow_state() == before

    def test_no_warnings(self, own_warnings):
        random = np.random.default_rng(0)
        color, gray = random.integers(0, 256, (8, 12, 3), np.uint8), random.integers(0, 65536, (8, 12), np.uint16)
        for kind, options in KINDS:
            load_image(encode(color, kind, **options))
        for mode in ("L", "1", "P", "RGBA", "LA", "CMYK"):
            image = Image.fromarray(color).convert(mode)
            load_image(image)
            load_image(encode(image, "TIFF" if mode == "CMYK" else "PNG"))
        load_image(encode(gray, "PNG"))
        load_image(random.random((5, 7, 3)), value_range=(0, 1))
        with pytest.raises(ImageError):
            load_image(np.full((5, 7), np.nan, np.float16), value_range=(0, 1))
        assert [str(warning.message) for warning in own_warnings] == []


class TestThreads:
    def test_each_call_has_its_own_limit(self):
        data = encode(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8), "PNG")
        expected = load_image(data)
        start = threading.Barrier(8)

        def work(index):
            start.wait()
            for _ in range(50):
                if index % 2:
                    refused(data, "max_pixels=1999", max_pixels=1999)
                else:
                    np.testing.assert_array_equal(load_image(data, max_pixels=2000), expected)
            return True

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(8)))

    def test_pillows_limit_holds_for_everybody_else_meanwhile(self, monkeypatch):
        data = encode(np.zeros((300, 400, 3), np.uint8), "TIFF")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        running, finished = threading.Event(), threading.Event()

        def work():
            while not finished.is_set():
                assert load_image(data).shape == (300, 400, 3)
                running.set()
            return True

        with ThreadPoolExecutor(2) as pool:
            workers = [pool.submit(work) for _ in range(2)]
            try:
                assert running.wait(30)
                for _ in range(100):
                    with pytest.raises(Image.DecompressionBombError):
                        Image.open(io.BytesIO(data))
            finally:
                finished.set()
            assert all(worker.result() for worker in workers)

    def test_the_first_images_of_a_process_may_come_at_once(self):
        """Pillow's plug-ins are registered on first use: by several threads here."""
        code = """if True:
            import base64, sys, threading
            from mtcnn_fast.images import load_image
            files = [base64.b64decode(line) for line in sys.stdin.read().split()]
            start, shapes = threading.Barrier(8), []
            def work(data):
                start.wait()
                shapes.append(load_image(data).shape)
            threads = [threading.Thread(target=work, args=(files[i % len(files)],)) for i in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(shapes == [(8, 12, 3)] * 8)
        """
        files = [encode(np.zeros((8, 12, 3), np.uint8), kind) for kind in ("PNG", "WEBP", "TIFF", "JPEG")]
        lines = "\n".join(base64.b64encode(data).decode() for data in files)
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], input=lines, capture_output=True, text=True)
        assert done.stdout.strip() == "True", done.stderr


class TestImports:
    def run(self, code):
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def test_nothing_heavy_is_imported(self):
        code = (
            "import sys, mtcnn_fast.images; print(*(m for m in ('PIL', 'torch', 'click', 'tqdm') if m in sys.modules))"
        )
        assert self.run(code) == []

    def test_arrays_need_no_pillow(self):
        code = (
            "import sys, numpy; from mtcnn_fast.images import load_image, split_batch\n"
            "load_image(numpy.zeros((4, 5, 4), 'u2')); list(split_batch(numpy.zeros((1, 4, 5, 3), 'u1')))\n"
            "print('PIL' in sys.modules, 'torch' in sys.modules)"
        )
        assert self.run(code) == ["False", "False"]

"""simplejpeg gives the pixels that Pillow gives, and Pillow reads what simplejpeg cannot."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtcnn_fast import ConfigError, ImageError, MissingExtraError
from mtcnn_fast.distributed import plan, run, verify
from mtcnn_fast.distributed.decoding import decoder
from mtcnn_fast.images import load_image
from support.batches import SETTINGS, album, result
from support.data import PHOTO

simplejpeg = pytest.importorskip("simplejpeg", reason="simplejpeg cannot be imported (extra jpeg)")

ROOM = 10**9


def encoded(mode: str = "RGB", form: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    with Image.open(PHOTO) as photo:
        photo.convert(mode).save(file, form, **options)
    return file.getvalue()


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(exif=exif)


FILES: dict[str, Callable[[], bytes]] = {
    "photo": PHOTO.read_bytes,
    "4:4:4": lambda: encoded(subsampling=0),
    "4:2:2": lambda: encoded(subsampling=1),
    "progressive": lambda: encoded(progressive=True),
    "gray": lambda: encoded("L"),
    "poor": lambda: encoded(quality=10),
    "CMYK": lambda: encoded("CMYK"),
    "rotated": rotated,
    "PNG": lambda: encoded(form="PNG"),
}


@pytest.mark.parametrize("name", FILES)
def test_pixels_are_the_same(name: str) -> None:
    data = FILES[name]()
    pixels = decoder("simplejpeg")(data, ROOM)
    np.testing.assert_array_equal(pixels, load_image(data))
    assert (pixels.dtype, pixels.flags.c_contiguous) == (np.uint8, True)


def test_it_is_simplejpeg_that_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    decode = simplejpeg.decode_jpeg
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *given: asked.append(1) or decode(*given))
    taken = {name for name, make in FILES.items() if (asked.clear(), decoder("simplejpeg")(make(), ROOM), asked[:])[2]}
    assert taken == {"photo", "4:4:4", "4:2:2", "progressive", "gray", "poor"}


@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8\xff\xe0 torn", encoded()[:5000]])
def test_what_is_damaged_is_refused_in_the_same_words(data: bytes) -> None:
    with pytest.raises(ImageError) as right:
        load_image(data)
    with pytest.raises(ImageError) as found:
        decoder("simplejpeg")(data, ROOM)
    assert str(found.value) == str(right.value)


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(ImageError, match="max_pixels"):
        decoder("simplejpeg")(encoded(), 1000)


def test_a_batch_with_either_finds_the_same(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 7, damaged=(2,))
    hashes = set()
    for name in ("pillow", "simplejpeg"):
        made = plan([photos], tmp_path / name, decoder=name, **SETTINGS)
        hashes.add(made.settings.hash)
        run(tmp_path / name, workers=1, progress=False)
        assert verify(tmp_path / name, recompute=None).ok
    assert result(tmp_path / "pillow") == result(tmp_path / "simplejpeg")
    assert len(hashes) == 2


def test_what_is_said_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="decoder must be"):
        plan([album(tmp_path / "photos", 1)], tmp_path / "out", decoder="turbo")
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mtcnn-fast\[jpeg\]'"):
        plan([tmp_path / "photos"], tmp_path / "out", decoder="simplejpeg")

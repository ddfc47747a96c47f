"""TIFF in every arrangement of its tags: the right pixels, or a refusal that names the tag; never wrong pixels."""

from __future__ import annotations

import io

import numpy as np
import PIL
import pytest
from PIL import Image

from mtcnn_fast.errors import ImageError
from mtcnn_fast.images import load_image
from support.data import PHOTO
from support.pictures import encode, refused
from support.tiff_files import (
    BITS,
    COLOR_MAP,
    EXTRA,
    FILL_ORDER,
    INK_SET,
    PHOTOMETRIC,
    SAMPLE_FORMAT,
    SUBSAMPLING,
    packed,
    tiff,
    tiff_of,
)

COLOR = np.asarray(Image.open(PHOTO).convert("RGB").crop((180, 40, 264, 104)))
GRAY = np.asarray(Image.fromarray(COLOR).convert("L"))
HEIGHT, WIDTH = GRAY.shape
COLOR_16, GRAY_16 = COLOR.astype(np.uint16) * 257, GRAY.astype(np.uint16) * 257
ALPHA = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
ON_BLACK = (COLOR.astype(int) * ALPHA[:, :, None] + 127) // 255
GRAY_ON_BLACK = (GRAY.astype(int) * ALPHA + 127) // 255
INKS = np.dstack([255 - COLOR, np.zeros_like(GRAY)])
RAMP = np.arange(256) * 257

#: Whether samples are stored in the machine's order or the other, in strips or tiles, compressed or not.
ARRANGEMENTS = [
    {"order": order, "compressed": compressed, "predictor": predictor, **blocks}
    for order in "<>"
    for compressed, predictor, blocks in (
        (False, False, {"strips": 1}),
        (False, False, {"strips": 4}),
        (False, False, {"tile": 16}),
        (True, False, {"strips": 4}),
        (True, True, {"tile": 16}),
    )
]

#: Kinds that must be read: pixels to store, tags, and the true pixels.
READ = {
    "gray": (GRAY, {}, GRAY),
    "gray, white is zero": (255 - GRAY, {PHOTOMETRIC: 0}, GRAY),
    "gray, 16 bits": (GRAY_16, {}, GRAY),
    "gray and alpha": (np.dstack([GRAY, ALPHA]), {EXTRA: 2}, GRAY_ON_BLACK),
    "gray and something": (np.dstack([GRAY, ALPHA]), {EXTRA: 0}, GRAY),
    "color": (COLOR, {}, COLOR),
    "color, 16 bits": (COLOR_16, {}, COLOR),
    "color and alpha": (np.dstack([COLOR, ALPHA]), {EXTRA: 2}, ON_BLACK),
    "color and something": (np.dstack([COLOR, ALPHA]), {EXTRA: 0}, COLOR),
    "color and alpha, 16 bits": (np.dstack([COLOR_16, ALPHA.astype(np.uint16) * 257]), {EXTRA: 2}, ON_BLACK),
    "premultiplied": (np.dstack([ON_BLACK, ALPHA]).astype(np.uint8), {EXTRA: 1}, ON_BLACK),
    "inks": (INKS, {PHOTOMETRIC: 5}, COLOR),
    "inks, 16 bits": (INKS.astype(np.uint16) * 257, {PHOTOMETRIC: 5}, COLOR),
    "palette": (255 - GRAY, {PHOTOMETRIC: 3, COLOR_MAP: [*RAMP[::-1]] * 3}, GRAY),
    "palette of 8-bit values": (GRAY, {PHOTOMETRIC: 3, COLOR_MAP: [*range(256)] * 3}, GRAY),
}

#: Kinds that must be read where this Pillow reads them at all, with the tags that a refusal names.
READ_OR_REFUSED = {
    "gray, 16 bits, white is zero": (65535 - GRAY_16, {PHOTOMETRIC: 0}, GRAY, "PhotometricInterpretation 0"),
    "gray and alpha, 16 bits": (
        np.dstack([GRAY_16, ALPHA.astype(np.uint16) * 257]), {EXTRA: 2}, GRAY_ON_BLACK, "BitsPerSample 16 16",
    ),
    "signed, 8 bits": ((GRAY // 2).astype(np.int8), {SAMPLE_FORMAT: 2}, None, "SampleFormat 2"),
    "signed, 16 bits": ((GRAY_16 // 2).astype(np.int16), {SAMPLE_FORMAT: 2}, None, "SampleFormat 2"),
    "signed, 32 bits": (GRAY.astype(np.int32), {SAMPLE_FORMAT: 2}, None, "SampleFormat 2"),
    "32 bits": (GRAY.astype(np.uint32) << 24, {}, None, "BitsPerSample 32"),
    "float16": ((GRAY / 255).astype(np.float16), {SAMPLE_FORMAT: 3}, GRAY, "SampleFormat 3"),
    "float32": ((GRAY / 255).astype(np.float32), {SAMPLE_FORMAT: 3}, GRAY, "SampleFormat 3"),
    "float32, white is zero": ((GRAY / 255).astype(np.float32), {SAMPLE_FORMAT: 3, PHOTOMETRIC: 0}, None,
                               "PhotometricInterpretation 0"),
    "float64": (GRAY / 255, {SAMPLE_FORMAT: 3}, GRAY, "SampleFormat 3"),
    "float32 color": ((COLOR / 255).astype(np.float32), {SAMPLE_FORMAT: [3] * 3}, COLOR, "SampleFormat 3 3 3"),
    "other inks": (INKS, {PHOTOMETRIC: 5, INK_SET: 2}, None, "InkSet 2"),
    "six inks": (np.dstack([INKS, INKS[:, :, :2]]), {PHOTOMETRIC: 5, INK_SET: 2}, None, "InkSet 2"),
    "lab, 16 bits": (COLOR_16, {PHOTOMETRIC: 8}, None, "PhotometricInterpretation 8"),
    "icc lab": (COLOR, {PHOTOMETRIC: 9}, None, "PhotometricInterpretation 9"),
    "log luv": (COLOR, {PHOTOMETRIC: 32845}, None, "PhotometricInterpretation 32845"),
    "color filter array": (GRAY, {PHOTOMETRIC: 32803}, None, "PhotometricInterpretation 32803"),
}  # fmt: skip


#: Kinds that an older Pillow refuses: the first version that reads them, and the tag that the refusal names.
SINCE = {
    "gray and something": ((12, 0), "BitsPerSample 8 8.*ExtraSamples 0"),
    "inks, 16 bits": ((11, 0), "BitsPerSample 16 16 16 16.*PhotometricInterpretation 5"),
}
PILLOW = tuple(int(number) for number in PIL.__version__.split(".")[:2])


def check(result, expected, tolerance=1):
    expected = expected[:, :, None] if expected.ndim == 2 else expected
    assert result.shape == (HEIGHT, WIDTH, 3)
    assert abs(result.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=str)
@pytest.mark.parametrize("kind", READ)
def test_read(kind, arrangement):
    pixels, tags, expected = READ[kind]
    data = tiff_of(pixels, tags=tags, **arrangement)
    since, named = SINCE.get(kind, ((), ""))
    try:
        result = load_image(data)
    except ImageError:
        if since <= PILLOW:
            raise
        refused(data, named)
    else:
        check(result, expected)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=str)
@pytest.mark.parametrize("kind", READ_OR_REFUSED)
def test_read_or_refused(kind, arrangement):
    pixels, tags, expected, named = READ_OR_REFUSED[kind]
    floating = pixels.dtype.kind == "f"
    if floating and arrangement["predictor"]:
        arrangement = {**arrangement, "predictor": False}
    read_or_refused(tiff_of(pixels, tags=tags, **arrangement), expected, named, (0, 1) if floating else None)


def read_or_refused(data, expected, named, value_range=None):
    try:
        result = load_image(data, value_range=value_range)
    except ImageError:
        assert named in refused(data, "accepted", value_range=value_range)
    else:
        assert expected is not None, "read, though its black and white are not known"
        check(result, expected)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=str)
@pytest.mark.parametrize("kind", ["color", "color, 16 bits", "color and alpha", "inks"])
def test_planes(kind, arrangement):
    pixels, tags, expected = READ[kind]
    data = tiff_of(pixels, tags=tags, planar=True, **arrangement)
    if kind == "color, 16 bits":
        read_or_refused(data, expected, "PlanarConfiguration 2")
    else:
        check(load_image(data), expected)


@pytest.mark.parametrize("fill_order", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8, 10, 12, 14, 16])
def test_bits(bits, photometric, order, fill_order):
    top = 2**bits - 1
    values = np.rint(GRAY / 255 * top).astype(int)
    expected = np.rint(values / top * 255)
    stored = values if photometric else top - values
    data = stored.astype(f"{order}u2").tobytes() if bits == 16 else packed(stored, bits)
    if fill_order == 2:
        data = np.packbits(np.unpackbits(np.frombuffer(data, np.uint8)).reshape(-1, 8)[:, ::-1]).tobytes()
    tags = {BITS: bits, PHOTOMETRIC: photometric, **({FILL_ORDER: 2} if fill_order == 2 else {})}
    file = tiff([data], WIDTH, HEIGHT, order, tags)
    # This Pillow cannot turn the bits of 8-bit white-is-zero.
    if bits in (1, 2, 4) or (bits == 8 and not (photometric == 0 and fill_order == 2)):
        check(load_image(file), expected, 0)
    else:
        read_or_refused(file, expected, f"BitsPerSample {bits}")


@pytest.mark.parametrize("compressed", [False, True])
def test_packed_12_bits_are_read(compressed):
    values = np.rint(GRAY / 255 * 4095).astype(int)
    tags = {BITS: 12, PHOTOMETRIC: 1}
    result = load_image(tiff([packed(values, 12)], WIDTH, HEIGHT, "<", tags, compressed=compressed))
    check(result, np.rint(values * 255 / 4095), 0)


def test_white_is_zero_of_16_bits_is_read():
    check(load_image(tiff_of(65535 - GRAY_16, tags={PHOTOMETRIC: 0})), GRAY, 0)


@pytest.mark.parametrize("bits", [2, 4, 10, 12, 14])
def test_color_of_odd_bits(bits):
    top = 2**bits - 1
    values = np.rint(COLOR / 255 * top).astype(int)
    file = tiff([packed(values, bits)], WIDTH, HEIGHT, "<", {BITS: [bits] * 3, PHOTOMETRIC: 2})
    read_or_refused(file, np.rint(values / top * 255), f"BitsPerSample {bits} {bits} {bits}")


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palette_of_few_colors(bits):
    levels = 2**bits
    values = (GRAY.astype(int) * levels) >> 8
    ramp = np.linspace(65535, 0, levels).astype(int)
    tags = {BITS: bits, PHOTOMETRIC: 3, COLOR_MAP: [*ramp] * 3}
    check(load_image(tiff([packed(values, bits)], WIDTH, HEIGHT, "<", tags)), ramp[values] >> 8, 0)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
def test_uncompressed_ycbcr(subsampling):
    """Blocks of brightness values, then one pair of color differences (TIFF 6.0, section 21)."""
    across, down = subsampling
    planes = np.asarray(Image.fromarray(COLOR).convert("YCbCr"))
    bright = planes[:, :, 0].reshape(HEIGHT // down, down, WIDTH // across, across).swapaxes(1, 2)
    blocks = bright.reshape(HEIGHT // down, WIDTH // across, -1)
    differences = planes[::down, ::across, 1:]
    tags = {BITS: [8, 8, 8], PHOTOMETRIC: 6}
    # The default of the tag is (2, 2).
    if subsampling != (2, 2):
        tags[SUBSAMPLING] = [across, down]
    file = tiff([np.dstack([blocks, differences]).tobytes()], WIDTH, HEIGHT, "<", tags)
    shared = np.kron(differences, np.ones((down, across, 1), np.uint8))
    merged = [planes[:, :, 0], shared[:, :, 0], shared[:, :, 1]]
    expected = Image.merge("YCbCr", [Image.fromarray(np.ascontiguousarray(plane)) for plane in merged])
    read_or_refused(file, np.asarray(expected.convert("RGB")), "YCbCrSubSampling")


@pytest.mark.parametrize("mode", ["RGB", "YCbCr", "L"])
def test_jpeg_inside(mode):
    image = Image.fromarray(COLOR).convert(mode)
    result = load_image(encode(image, "TIFF", compression="jpeg", quality=95))
    assert abs(result.astype(int) - np.asarray(image.convert("RGB"))).mean() < 4


def test_lab():
    image = Image.fromarray(COLOR)
    lab = load_image(encode(_lab(image), "TIFF"))
    assert abs(lab.astype(int) - COLOR).mean() < 4


def _lab(image):
    from PIL import ImageCms

    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    return ImageCms.profileToProfile(image, *profiles, outputMode="LAB")


def test_a_lazy_pil_image_is_corrected_like_its_file():
    data = tiff_of(65535 - GRAY_16, tags={PHOTOMETRIC: 0})
    image = Image.open(io.BytesIO(data))
    check(load_image(image), GRAY, 0)
    check(load_image(image), GRAY, 0)
    planes = Image.open(io.BytesIO(tiff_of(COLOR_16, planar=True)))
    refused(planes, "PIL image is a TIFF file with PlanarConfiguration 2")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", ["lzw", "deflate"])
def test_the_predictor_of_floats(compression, order):
    tifffile = pytest.importorskip("tifffile", reason="tifffile is not installed")
    pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
    file = io.BytesIO()
    values = (GRAY / 255).astype(np.float32)
    tifffile.imwrite(file, values, byteorder=order, compression=compression, predictor=True)
    read_or_refused(file.getvalue(), GRAY, "SampleFormat 3", (0, 1))

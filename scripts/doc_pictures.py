#!/usr/bin/env python3
"""Make the pictures of README and docs/ from the cascade's own traces.

python scripts/doc_pictures.py [docs/images]

Needs matplotlib, which brings the second photograph. Both are in the public domain: Eileen Collins by NASA
(examples/astronaut.jpg), Grace Hopper by the US Navy (matplotlib's sample data).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib import cbook
from PIL import Image, ImageDraw, ImageFont, ImageOps

from mtcnn_fast import Detector, ops
from mtcnn_fast.backends.numpy import steps
from mtcnn_fast.backends.numpy.nets import PNet
from mtcnn_fast.faces.styles import STYLES
from mtcnn_fast.images import load_image
from mtcnn_fast.weights import load_weights

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples" / "astronaut.jpg"
GREEN, RED, ORANGE, BLUE, PAPER, INK = (0, 180, 110), (224, 60, 60), (240, 150, 30), (20, 90, 255), "#fafaf8", "#1c2026"


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def row(pictures: list[Image.Image], captions: list[str], height: int, gap: int = 16) -> Image.Image:
    """Put pictures side by side at one height, each above its caption."""
    scaled = [p.resize((round(p.width * height / p.height), height), Image.Resampling.LANCZOS) for p in pictures]
    width = sum(p.width for p in scaled) + gap * (len(scaled) + 1)
    canvas = Image.new("RGB", (width, height + 2 * gap + 22), PAPER)
    draw, x = ImageDraw.Draw(canvas), gap
    for picture, caption in zip(scaled, captions, strict=True):
        canvas.paste(picture, (x, gap))
        draw.text((x, height + gap + 6), caption, fill=INK, font=font(16))
        x += picture.width + gap
    return canvas


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))


def boxed(image: np.ndarray, groups: list[tuple[np.ndarray, tuple[int, int, int]]], width: int = 2) -> Image.Image:
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    for boxes, color in groups:
        for x1, y1, x2, y2 in boxes.tolist():
            draw.rectangle((x1, y1, x2, y2), outline=color, width=width)
    return picture


def pyramid(image: np.ndarray) -> Image.Image:
    """Every level beside the one before, with P-Net's window in its true size."""
    scales = steps.pyramid_scales(*image.shape[:2], 60, 0.709, None)
    sizes = [steps.scaled_size(*image.shape[:2], scale) for scale in scales]
    levels = [resized(image, height, width) for height, width in sizes]
    gap = 10
    width = sum(level.shape[1] for level in levels) + gap * (len(levels) + 1)
    canvas = Image.new("RGB", (width, levels[0].shape[0] + 2 * gap + 24), PAPER)
    draw, x, bottom = ImageDraw.Draw(canvas), gap, levels[0].shape[0] + gap
    for level in levels:
        height = level.shape[0]
        canvas.paste(Image.fromarray(level), (x, bottom - height))
        face = np.array([178, 63, 178 + 100, 63 + 112]) * height / image.shape[0]
        middle = (x + (face[0] + face[2]) / 2, bottom - height + (face[1] + face[3]) / 2)
        color = GREEN if 0.6 < 12 / (face[3] - face[1]) < 1.6 else RED
        window = (middle[0] - 6, middle[1] - 6, middle[0] + 6, middle[1] + 6)
        if height > 40:
            draw.rectangle(window, outline=color, width=2 if color == GREEN else 1)
        draw.text(
            (x, bottom + 5),
            f"{level.shape[1]} x {height}" if level.shape[1] > 60 else f"{height}",
            fill=INK,
            font=font(14),
        )
        x += level.shape[1] + gap
    return canvas.resize((canvas.width * 2, canvas.height * 2), Image.Resampling.NEAREST)


def score_map(image: np.ndarray) -> Image.Image:
    """One level of the pyramid and what P-Net gives for each of its cells."""
    scale = 12 / 100
    height, width = steps.scaled_size(*image.shape[:2], scale)
    network = PNet(load_weights().pnet)
    level = steps.resize(steps.integral_image(image), height, width)
    scores, _ = network(level)
    side = 420
    small = Image.fromarray(resized(image, height, width)).resize((side, side), Image.Resampling.NEAREST)
    levels = np.stack([scores * 255, scores * 200 + 30, (1 - scores) * 90 + 30], axis=2).clip(0, 255)
    heat = Image.fromarray(levels.astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    best = np.unravel_index(scores.argmax(), scores.shape)
    draw = ImageDraw.Draw(small)
    unit = side / width
    x, y = 2 * best[1] * unit, 2 * best[0] * unit
    draw.rectangle((x, y, x + 12 * unit, y + 12 * unit), outline=GREEN, width=3)
    captions = [
        f"one level, {width} x {height} pixels",
        f"P-Net's scores, {scores.shape[1]} x {scores.shape[0]} cells, best {scores.max():.2f}",
    ]
    return row([small, heat], captions, 420)


def around(image: np.ndarray, box: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    x1, y1, x2, y2 = box
    return image[y1:y2, x1:x2], np.array([x1, y1, x1, y1], np.float32)


def suppression(image: np.ndarray, trace: dict) -> Image.Image:
    part, shift = around(image, (90, 10, 350, 240))
    part = np.asarray(Image.fromarray(part).resize((part.shape[1] * 2, part.shape[0] * 2), Image.Resampling.BICUBIC))

    def near(boxes: np.ndarray) -> np.ndarray:
        moved = (boxes - shift) * 2
        middle = (moved[:, :2] + moved[:, 2:]) / 2
        return moved[(middle > 0).all(axis=1) & (middle < part.shape[1::-1]).all(axis=1)]

    step = trace["pnet"]
    left = boxed(part, [(near(step.dropped.boxes), GREEN), (near(step.boxes), GREEN)])
    right = boxed(part, [(near(step.boxes), GREEN)])
    counts = len(near(step.dropped.boxes)) + len(near(step.boxes)), len(near(step.boxes))
    return row(
        [left, right], [f"P-Net's candidates here: {counts[0]}", f"after NMS within each scale: {counts[1]}"], 420
    )


def regression(image: np.ndarray, trace: dict, faces) -> Image.Image:
    part, shift = around(image, (110, 20, 330, 220))
    part = np.asarray(Image.fromarray(part).resize((part.shape[1] * 2, part.shape[0] * 2), Image.Resampling.BICUBIC))
    best = trace["onet"].scores.argmax()
    before = (trace["onet"].boxes[best][None] - shift) * 2
    after = (faces.boxes - shift) * 2
    return row(
        [boxed(part, [(before, ORANGE)], 3), boxed(part, [(before, ORANGE), (after, GREEN)], 3)],
        ["a candidate, square", "each side moved as O-Net says"],
        420,
    )


def padding(image: np.ndarray) -> Image.Image:
    """The same candidate at the image's edge, as both settings of `border` cut it."""
    part = np.ascontiguousarray(image[:, 225:])
    box = np.array([[-62, 50, 82, 194]], np.float32)
    crops = [
        np.asarray(ops.crop_pad_resize(part, box, 48, border=border)[0][0]).transpose(1, 2, 0)
        for border in ("zero", "clip")
    ]
    pictures = [Image.fromarray((crop * 128 + 127.5).clip(0, 255).astype(np.uint8)) for crop in crops]
    wide = np.zeros((260, 300, 3), np.uint8) + 235
    wide[:, 80:] = part[:260, :220]
    whole = boxed(wide, [(box + np.array([80, 0, 80, 0], np.float32), ORANGE)])
    return row([whole, *pictures], ["a candidate leaves the image", "border='zero'", "border='clip'"], 300)


def networks(image: np.ndarray, trace: dict) -> tuple[Image.Image, Image.Image]:
    """Crops that R-Net and O-Net see, with their scores."""

    def crops(name: str, size: int, side: int) -> Image.Image:
        step = trace[name]
        kept = list(zip(step.boxes, step.scores, strict=True))
        lost = list(zip(step.dropped.boxes, step.dropped.scores, strict=True))
        kept.sort(key=lambda pair: -pair[1])
        lost.sort(key=lambda pair: -pair[1])
        chosen = kept[:8] + lost[:8] if lost else kept[:9]
        columns = 8 if lost else 9
        rows = -(-len(chosen) // columns)
        canvas = Image.new("RGB", (columns * (side + 8) + 8, rows * (side + 34) + 8), PAPER)
        draw = ImageDraw.Draw(canvas)
        for i, (box, score) in enumerate(chosen):
            crop = np.asarray(ops.crop_pad_resize(image, box[None], size)[0][0]).transpose(1, 2, 0)
            picture = Image.fromarray((crop * 128 + 127.5).clip(0, 255).astype(np.uint8)).resize(
                (side, side), Image.Resampling.NEAREST
            )
            x, y = 8 + i % columns * (side + 8), 8 + i // columns * (side + 34)
            color = GREEN if i < len(kept[:columns]) else RED
            canvas.paste(picture, (x, y))
            draw.rectangle((x, y, x + side - 1, y + side - 1), outline=color, width=3)
            draw.text((x, y + side + 5), f"{score:.3f}", fill=color, font=font(16))
        return canvas

    return crops("rnet", 24, 112), crops("onet", 48, 112)


def crowd() -> Image.Image:
    """A crowd of two: both portraits in many sizes, mirrored, turned and in other colors."""
    random = np.random.default_rng(5)
    collins = Image.open(PHOTO).convert("RGB").crop((90, 0, 360, 270))
    hopper = (
        Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB").crop((60, 10, 450, 400))
    )
    canvas = Image.new("RGB", (1280, 640), "#d9dde2")
    y, side = 0, 80
    for side in (80, 106, 160, 294):
        count = -(-1280 // side)
        for i in range(count):
            face = (collins, hopper)[(i + side // 27) % 2].resize((side, side), Image.Resampling.LANCZOS)
            if random.random() < 0.5:
                face = ImageOps.mirror(face)
            if random.random() < 0.25:
                face = ImageOps.grayscale(face).convert("RGB")
            tint = random.uniform(0.82, 1.15, 3)
            face = Image.fromarray((np.asarray(face) * tint).clip(0, 255).astype(np.uint8))
            canvas.paste(face, (i * side, y))
        y += side
    return canvas


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    how = out / "how"
    how.mkdir(parents=True, exist_ok=True)
    detector = Detector("cpu", num_threads=1)
    image = load_image(PHOTO)
    faces = detector.detect(image, trace=True)
    trace = {step.step: step for step in faces.trace}

    pyramid(image).save(how / "pyramid.png", optimize=True)
    score_map(image).save(how / "pnet.png", optimize=True)
    suppression(image, trace).save(how / "nms.jpg", quality=88)
    regression(image, trace, faces).save(how / "regression.jpg", quality=88)
    padding(image).save(how / "padding.png", optimize=True)
    for name, picture in zip(("rnet", "onet"), networks(image, trace), strict=True):
        picture.save(how / f"{name}.png", optimize=True)
    faces.explain(img=image).storyboard().save(how / "storyboard.jpg", quality=88)
    faces.explain(60, 400, image).storyboard().save(how / "missed.jpg", quality=88)

    picture = np.asarray(crowd())
    found = Detector("cpu", num_threads=1, min_face_size=15).detect(picture)
    print(f"{len(found)} faces in the crowd, lowest score {found.scores.min():.3f}")
    found.draw(picture, scores=False).save(out / "crowd_faces.jpg", quality=90)
    faces.draw(image).save(out / "astronaut_faces.jpg", quality=90)
    styles = [faces.draw(image, style=name).crop((90, 0, 390, 300)) for name in STYLES]
    row(styles, list(STYLES), 240).save(out / "draw_styles.jpg", quality=88)
    half = [p.crop((60, 0, 440, 330)) for p in (faces.blur(image), faces.pixelate(image), faces.mask(image))]
    row(half, ["blur", "pixelate", "mask"], 260).save(out / "anonymised.jpg", quality=88)
    turned = np.asarray(Image.fromarray(image).rotate(25, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90)))
    tilted = detector.detect(turned)
    row(
        [tilted.draw(turned), Image.fromarray(tilted.align(turned, size=224)[0])],
        ["a tilted photograph", "aligned"],
        300,
    ).save(out / "aligned.jpg", quality=88)


if __name__ == "__main__":
    main()

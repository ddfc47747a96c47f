"""The cascade as a storyboard: one panel for each step, with its boxes, scores, threshold and the marked point."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from mtcnn_fast._types import Floats, Pixels
from mtcnn_fast.config import DetectorConfig
from mtcnn_fast.faces.fates import Fate, holds
from mtcnn_fast.faces.remedies import NMS_THRESHOLDS, THRESHOLDS
from mtcnn_fast.faces.tags import load_font
from mtcnn_fast.faces.trace import STEPS, Dropped, StageTrace

if TYPE_CHECKING:
    from PIL import Image as Pillow
    from PIL import ImageDraw

#: Colors of the boxes: kept, and dropped for each reason.
KEPT = (0, 180, 110)
COLORS = {"threshold": (224, 60, 60), "overlap": (240, 150, 30), "degenerate": (160, 60, 220), "limit": (70, 110, 240)}
MEANINGS = {
    "threshold": "score too low",
    "overlap": "overlaps a better box",
    "degenerate": "cannot be cropped",
    "limit": "beyond max_faces",
}

#: Heads of the panels.
HEADS = {
    "pnet": "P-Net scans every scale",
    "proposals": "NMS over scales, regression",
    "rnet": "R-Net looks at 24 x 24 crops",
    "refinement": "NMS, regression",
    "onet": "O-Net looks at 48 x 48 crops",
    "output": "Regression, NMS: the faces",
}

INK, PALE, PAPER, MARK, FRAME_GRAY = (28, 32, 38), (105, 112, 122), (250, 250, 248), (20, 90, 255), 128

_PANEL, _GAP, _COLUMNS = 430, 26, 3
_TITLE, _TEXT, _SMALL = 25, 17, 14

#: Boxes away from the point are drawn this much towards the picture's own color.
_FAINT = 0.35

#: With more boxes than this, none has its score beside it; the best one at the point always has.
_SCORED = 12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Story:
    """What a storyboard shows.

    Attributes
    ----------
    point : (float, float) or None
        x and y in pixels; None where all of the image is explained.
    verdict : str
        What became of the candidates around the point.
    remedy : str
        What to change so that the face is found; empty where one is found.
    fates : list of Fate
        One for each step that had candidates anywhere; empty without a point.
    trace : list of StageTrace
        All candidates of the detection.
    settings : DetectorConfig or None
        Settings of the detection, where the trace has them.
    image : (H, W, 3) uint8 or None
        Shown under the boxes.
    image_size : (width, height)
        In pixels.
    """

    point: tuple[float, float] | None
    verdict: str
    remedy: str
    fates: list[Fate]
    trace: list[StageTrace]
    settings: DetectorConfig | None
    image: Pixels | None
    image_size: tuple[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """The part of an image that panels show, and its enlargement.

    Attributes
    ----------
    left, top, right, bottom : int
        Pixels of the image.
    scale : float
        Pixels of the panel for each of the image.
    """

    left: int
    top: int
    right: int
    bottom: int
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a panel."""
        return (
            max(1, round((self.right - self.left) * self.scale)),
            max(1, round((self.bottom - self.top) * self.scale)),
        )

    def boxes(self, boxes: Floats) -> list[tuple[float, float, float, float]]:
        """Return boxes of the image as corners in the panel, ordered, those far outside brought near."""
        corners = (boxes.astype(np.float64) - [self.left, self.top] * 2) * self.scale
        reach = 4.0 * max(self.size)
        rows = np.concatenate([corners.reshape(-1, 2, 2).min(axis=1), corners.reshape(-1, 2, 2).max(axis=1)], axis=1)
        return [(x1, y1, x2, y2) for x1, y1, x2, y2 in rows.clip(-reach, reach).tolist()]


def draw_storyboard(story: Story) -> Pillow.Image:
    """Draw a panel for each step of the cascade, below a title, the verdict and the remedy, above a legend.

    Parameters
    ----------
    story : Story

    Returns
    -------
    picture : PIL.Image.Image
        RGB. Where a point is given, panels show the part of the image that holds its candidates.
    """
    from PIL import Image, ImageDraw

    view = view_of(story)
    panels = step_panels(story, view)
    rows = math.ceil(len(panels) / _COLUMNS)
    width = _COLUMNS * _PANEL + (_COLUMNS + 1) * _GAP
    lines = _heading(story, round(width / (0.52 * _TEXT)))
    top = _GAP + round(1.5 * _TITLE) + round(1.45 * _TEXT * len(lines)) + _GAP // 2
    cell = view.size[1] + round(1.4 * _TEXT) + round(2.8 * _SMALL) + _GAP
    picture = Image.new("RGB", (width, top + rows * cell + 2 * _TEXT + _GAP), PAPER)
    canvas = ImageDraw.Draw(picture)
    canvas.text((_GAP, _GAP), title_of(story), fill=INK, font=load_font(_TITLE))
    for i, (line, color) in enumerate(lines):
        canvas.text((_GAP, _GAP + 1.5 * _TITLE + 1.45 * _TEXT * i), line, fill=color, font=load_font(_TEXT))
    for i, (head, notes, panel) in enumerate(panels):
        x = _GAP + i % _COLUMNS * (_PANEL + _GAP)
        y = top + i // _COLUMNS * cell
        canvas.text((x, y), head, fill=INK, font=load_font(_TEXT))
        for k, note in enumerate(notes):
            canvas.text((x, y + 1.35 * _TEXT + 1.3 * _SMALL * k), note, fill=PALE, font=load_font(_SMALL))
        picture.paste(panel, (x, y + round(1.4 * _TEXT + 2.8 * _SMALL)))
    _legend(canvas, (_GAP, picture.height - _GAP - _TEXT), story.point is not None)
    return picture


def title_of(story: Story) -> str:
    """Return the question that a storyboard answers."""
    if story.point is None:
        return "How the cascade finds faces"
    found = bool(story.fates) and story.fates[-1].step == "output" and story.fates[-1].kept
    return f"Why is {'a' if found else 'no'} face found at ({story.point[0]:g}, {story.point[1]:g})?"


def _heading(story: Story, columns: int) -> list[tuple[str, tuple[int, int, int]]]:
    lines = [(line, INK) for line in textwrap.wrap(story.verdict[:1].upper() + story.verdict[1:] + ".", columns)]
    if story.remedy:
        lines += [(line, MARK) for line in textwrap.wrap(f"Remedy: {story.remedy}", columns)]
    if story.settings is not None:
        config = story.settings
        lines.append(
            (
                (
                    f"min_face_size {config.min_face_size:g}, thresholds {_tuple(config.thresholds)}, "
                    f"nms_thresholds {_tuple(config.nms_thresholds)}, border {config.border!r}"
                ),
                PALE,
            )
        )
    return lines


def _tuple(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def view_of(story: Story) -> View:
    """Choose what panels show: all of the image, or around a point the candidates that hold it and as much again."""
    width, height = (max(1, n) for n in story.image_size)
    left, top, right, bottom = 0.0, 0.0, float(width), float(height)
    if story.point is not None:
        x, y = story.point
        near = [step.boxes[holds(step.boxes, x, y)] for step in story.trace]
        near += [step.dropped.boxes[holds(step.dropped.boxes, x, y)] for step in story.trace]
        boxes = np.concatenate([*near, np.array([[x - 30, y - 30, x + 30, y + 30]], np.float32)]).astype(np.float64)
        boxes = boxes[np.isfinite(boxes).all(axis=1)]
        reach = 1.4 * max(x - boxes[:, 0].min(), boxes[:, 2].max() - x, y - boxes[:, 1].min(), boxes[:, 3].max() - y)
        left, right = max(left, x - reach), min(right, x + reach)
        top, bottom = max(top, y - reach), min(bottom, y + reach)
    corners = math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
    scale = min(_PANEL / (corners[2] - corners[0]), _PANEL / (corners[3] - corners[1]))
    return View(*corners, scale)


def step_panels(story: Story, view: View) -> list[tuple[str, list[str], Pillow.Image]]:
    """Return head, notes and picture of each step of the cascade; steps that nothing reached say so."""
    steps = {step.step: step for step in story.trace}
    panels = []
    for number, name in enumerate(STEPS, 1):
        step = steps.get(name)
        head = f"{number}  {HEADS[name]}"
        if step is None:
            nothing = np.empty((0, 4), np.float32)
            step = StageTrace(name, nothing, np.empty(0, np.float32), Dropped.none())
            notes = [_rule(name, story.settings), "not reached: nothing was left"]
        else:
            notes = [_rule(name, story.settings), counts_of(step, story.point)]
        panels.append((head, notes, draw_panel(story, step, view)))
    return panels


def _rule(name: str, settings: DetectorConfig | None) -> str:
    """Say which threshold decides in a step."""
    config = settings or DetectorConfig()
    parts = []
    if name in THRESHOLDS:
        least = config.thresholds[THRESHOLDS[name]]
        parts.append(f"score {'at least' if name == 'pnet' else 'above'} {least:g}")
    if name in NMS_THRESHOLDS:
        measure = "smaller box" if name == "output" else "IoU"
        parts.append(f"overlap ({measure}) at most {config.nms_thresholds[NMS_THRESHOLDS[name]]:g}")
    return "passes: " + ", ".join(parts)


def counts_of(step: StageTrace, point: tuple[float, float] | None) -> str:
    """Say how many boxes a step kept and dropped, around the point if there is one."""
    if point is None:
        kept, reasons = len(step.boxes), Counter(step.dropped.reasons)
    else:
        kept = int(holds(step.boxes, *point).sum())
        there = holds(step.dropped.boxes, *point)
        reasons = Counter(reason for reason, here in zip(step.dropped.reasons, there.tolist(), strict=True) if here)
    dropped = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "0"
    return f"{'' if point is None else 'at the point: '}{kept} kept, dropped: {dropped}"


def draw_panel(story: Story, step: StageTrace, view: View) -> Pillow.Image:
    """Draw a step's boxes on the part of the image that is shown: kept ones above dropped ones, and the point."""
    from PIL import Image, ImageDraw

    area = (view.left, view.top, view.right, view.bottom)
    if story.image is None:
        picture = Image.new("RGB", view.size, (FRAME_GRAY,) * 3)
    else:
        picture = Image.fromarray(story.image).crop(area).resize(view.size, Image.Resampling.BICUBIC)
    canvas = ImageDraw.Draw(picture, "RGBA")
    dropped = step.dropped
    for reason, color in COLORS.items():
        mine = [i for i, why in enumerate(dropped.reasons) if why == reason]
        _draw_boxes(canvas, view, dropped.boxes[mine], color, story.point, 1)
    _draw_boxes(canvas, view, step.boxes, KEPT, story.point, 2)
    _draw_scores(canvas, view, step, story.point)
    if story.point is not None:
        _mark(canvas, ((story.point[0] - view.left) * view.scale, (story.point[1] - view.top) * view.scale))
    return picture


def _draw_boxes(
    canvas: ImageDraw.ImageDraw,
    view: View,
    boxes: Floats,
    color: tuple[int, int, int],
    point: tuple[float, float] | None,
    width: int,
) -> None:
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    there = np.ones(len(boxes), bool) if point is None else holds(boxes, *point)
    for chosen, alpha in ((~there, round(255 * _FAINT)), (there, 255)):
        for box in view.boxes(boxes[chosen]):
            canvas.rectangle(box, outline=(*color, alpha), width=width)


def _draw_scores(canvas: ImageDraw.ImageDraw, view: View, step: StageTrace, point: tuple[float, float] | None) -> None:
    """Write the scores of a few boxes, and that of the best one at the point, kept or else dropped."""
    labels = []
    there = np.ones(len(step.boxes), bool) if point is None else holds(step.boxes, *point)
    order = np.flatnonzero(there)[np.argsort(-step.scores[there], kind="stable")]
    if len(order):
        labels = [(step.boxes[i], float(step.scores[i]), KEPT) for i in order[: 1 if len(order) > _SCORED else None]]
    elif point is not None:
        rows = np.flatnonzero(holds(step.dropped.boxes, *point))
        if len(rows):
            best = int(rows[step.dropped.scores[rows].argmax()])
            labels = [(step.dropped.boxes[best], float(step.dropped.scores[best]), COLORS[step.dropped.reasons[best]])]
    font, taken = load_font(_SMALL), list[tuple[float, float, float, float]]()
    for box, score, color in labels:
        if not np.isfinite(box).all():
            continue
        ((x1, y1, _, _),) = view.boxes(box[None])
        text = f"{score:.3f}"
        left, top, right, bottom = font.getbbox(text)
        width, height = right - left + 6, bottom - top + 6
        x = max(0.0, min(x1, view.size[0] - width))
        y = max(0.0, min(y1 - height, view.size[1] - height))
        if any(x < b[2] and b[0] < x + width and y < b[3] and b[1] < y + height for b in taken):
            continue
        taken.append((x, y, x + width, y + height))
        canvas.rectangle((x, y, x + width, y + height), fill=(*color, 255))
        canvas.text((x + 3 - left, y + 3 - top), text, fill=(255, 255, 255), font=font)


def _mark(canvas: ImageDraw.ImageDraw, point: tuple[float, float]) -> None:
    """Mark the point by a cross with a white rim."""
    x, y = point
    for reach, width, color in ((12, 5, (255, 255, 255)), (11, 2, MARK)):
        canvas.line((x - reach, y, x + reach, y), fill=color, width=width)
        canvas.line((x, y - reach, x, y + reach), fill=color, width=width)


def _legend(canvas: ImageDraw.ImageDraw, corner: tuple[float, float], marked: bool) -> None:
    x, y = corner
    entries = [(KEPT, "kept")] + [(color, f"dropped: {MEANINGS[reason]}") for reason, color in COLORS.items()]
    for color, text in entries + ([(MARK, "the point")] if marked else []):
        canvas.rectangle((x, y + 3, x + _SMALL, y + 3 + _SMALL), outline=color, width=3)
        canvas.text((x + 1.5 * _SMALL, y), text, fill=INK, font=load_font(_SMALL + 1))
        x += 1.5 * _SMALL + canvas.textlength(text, font=load_font(_SMALL + 1)) + 1.5 * _GAP

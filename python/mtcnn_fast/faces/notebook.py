"""How a notebook shows `Faces`: a sketch of boxes and landmarks in the frame of the image, and their numbers.

The image is part of a result only where ``keep_image=True`` asks for it, so that results stay small.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from mtcnn_fast._types import Floats, Image
from mtcnn_fast.faces.drawing import draw_faces

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

#: Longer side of a sketch in pixels.
SKETCH_SIZE = 480

#: Rows of the table; more faces are counted below it.
TABLE_ROWS = 20

FRAME_GRAY = 96


def faces_html(
    title: str,
    boxes: Floats,
    scores: Floats,
    landmarks: Floats,
    image_size: tuple[int, int],
    image: Image | None = None,
) -> str:
    """Sketch faces as SVG, above a table of the first `TABLE_ROWS` of them.

    Parameters
    ----------
    title : str
        Line above the sketch.
    boxes : (N, 4) float32
        Corners ``x1, y1, x2, y2`` in pixels.
    scores : (N,) float32
    landmarks : (N, 5, 2) float32
        ``x, y`` in pixels.
    image_size : (width, height)
        In pixels.
    image : (H, W, 3) uint8, optional
        Shown behind the faces, reduced to the sketch's size, where given; else an empty frame.

    Returns
    -------
    html : str
        A ``div``; text and frame take the page's colour, so it suits dark pages too.
    """
    width, height = image_size
    scale = sketch_scale(image_size)
    shapes = [f'<rect width="{width}" height="{height}" fill="currentColor" fill-opacity="0.06"/>']
    if image is not None:
        data = base64.b64encode(_png(_reduced(image, scale))).decode()
        shapes = [f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/>']
    for box, points in zip(boxes.tolist(), landmarks.tolist(), strict=True):
        x1, y1, x2, y2 = box
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
        outline = f"M{x1:.1f} {y1:.1f}H{x2:.1f}V{y2:.1f}H{x1:.1f}Z"
        # The widths are those on the screen, whatever the size of the image. Not a <style>: that would reach the page.
        fixed = 'vector-effect="non-scaling-stroke"'
        shapes.append(f'<path d="{outline}" stroke="#00b377" stroke-width="2" {fixed}/>')
        shapes.append(f'<path d="{dots}" stroke="#d98e00" stroke-width="4" stroke-linecap="round" {fixed}/>')
    sketch = (
        f'<svg viewBox="0 0 {max(width, 1)} {max(height, 1)}" width="{max(1, round(width * scale))}" '
        f'height="{max(1, round(height * scale))}" fill="none" style="border:1px solid currentColor">'
        + "".join(shapes)
        + "</svg>"
    )
    return f"<div><p>{title}</p>{sketch}{_table(boxes, scores)}</div>"


def faces_png(
    boxes: Floats, scores: Floats, landmarks: Floats, image_size: tuple[int, int], image: Image | None = None
) -> bytes:
    """Draw faces on the image or an empty gray frame, the last on top of the others.

    Parameters
    ----------
    boxes, scores, landmarks, image_size, image
        As for `faces_html`; boxes and landmarks are those of the reduced image.

    Returns
    -------
    png : bytes
        A PNG file.
    """
    width, height = (max(1, n) for n in image_size)
    frame = (
        np.full((height, width, 3), FRAME_GRAY, np.uint8)
        if image is None
        else np.asarray(_reduced(image, width / image.shape[1]))
    )
    return _png(draw_faces(frame, boxes, scores=scores, landmarks=landmarks))


def sketch_scale(image_size: tuple[int, int]) -> float:
    """Return the factor, at most 1, that makes the longer side of a sketch at most `SKETCH_SIZE` pixels."""
    return min(1.0, SKETCH_SIZE / max(1, *image_size))


def _reduced(image: Image, scale: float) -> PilImage:
    from PIL import Image

    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(image).resize(size, Image.Resampling.BOX)


def _png(picture: PilImage) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _table(boxes: Floats, scores: Floats) -> str:
    if not len(boxes):
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("face", "score", "x1", "y1", "x2", "y2"))
    rows = "".join(
        f"<tr><td>{i}</td><td>{score:.4f}</td>" + "".join(f"<td>{v:.1f}</td>" for v in box) + "</tr>"
        for i, (score, box) in enumerate(zip(scores[:TABLE_ROWS].tolist(), boxes[:TABLE_ROWS].tolist(), strict=True))
    )
    hidden = len(boxes) - TABLE_ROWS
    note = f"<p>… and {hidden} more</p>" if hidden > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"

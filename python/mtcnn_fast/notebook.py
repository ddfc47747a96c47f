"""How a notebook shows `Faces`: a sketch of boxes and landmarks in the frame of the image, and their numbers.

The image itself is not part of a result, so that results stay small; `Faces.draw` shows it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mtcnn_fast.faces import Faces

#: Longer side of a sketch in pixels.
SKETCH_SIZE = 480

#: Rows of the table; more faces are counted below it.
TABLE_ROWS = 20

FRAME_GRAY = 96


def faces_html(faces: Faces) -> str:
    """Sketch faces as SVG, above a table of the first `TABLE_ROWS` of them.

    Parameters
    ----------
    faces : Faces
        What to show.

    Returns
    -------
    html : str
        A ``div``; text and frame take the page's colour, so it suits dark pages too.
    """
    width, height = faces.image_size
    scale = _sketch_scale(faces)
    shapes = [f'<rect width="{width}" height="{height}" fill="currentColor" fill-opacity="0.06"/>']
    for box, points in zip(faces.boxes.tolist(), faces.landmarks.tolist(), strict=True):
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
    return f"<div><p>{faces!r}</p>{sketch}{_table(faces)}</div>"


def faces_png(faces: Faces) -> bytes:
    """Draw faces on an empty gray frame of the image's shape.

    Parameters
    ----------
    faces : Faces
        What to show.

    Returns
    -------
    png : bytes
        A PNG file whose longer side is at most `SKETCH_SIZE` pixels.
    """
    from mtcnn_fast.drawing import draw_faces

    small = faces.scale(_sketch_scale(faces))
    width, height = (max(1, n) for n in small.image_size)
    frame = np.full((height, width, 3), FRAME_GRAY, np.uint8)
    file = io.BytesIO()
    draw_faces(frame, small).save(file, "PNG")
    return file.getvalue()


def _sketch_scale(faces: Faces) -> float:
    return min(1.0, SKETCH_SIZE / max(1, *faces.image_size))


def _table(faces: Faces) -> str:
    if not len(faces):
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("face", "score", "x1", "y1", "x2", "y2"))
    rows = "".join(
        f"<tr><td>{i}</td><td>{face.score:.4f}</td>" + "".join(f"<td>{v:.1f}</td>" for v in face.box.tolist()) + "</tr>"
        for i, face in enumerate(faces[:TABLE_ROWS])
    )
    hidden = len(faces) - TABLE_ROWS
    note = f"<p>… and {hidden} more</p>" if hidden > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"

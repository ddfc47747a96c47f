"""What a detection returns: all faces of an image, one of them, and how they are drawn."""

from __future__ import annotations

from mtcnn_fast.faces.face import Face
from mtcnn_fast.faces.faces import Faces
from mtcnn_fast.faces.styles import DrawStyle

__all__ = ["DrawStyle", "Face", "Faces"]

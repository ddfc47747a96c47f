"""What a detection returns: all faces of an image, one of them, and what each stage left."""

from __future__ import annotations

from mtcnn_fast.faces.face import Face
from mtcnn_fast.faces.faces import Faces

__all__ = ["Face", "Faces"]

"""What of an image is searched for faces: a part of it, smaller, turned, or in tiles; and faces mapped back."""

from __future__ import annotations

from mtcnn_fast.views.search import search
from mtcnn_fast.views.settings import WHOLE, Views
from mtcnn_fast.views.windows import Window, cut_window

__all__ = ["WHOLE", "Views", "Window", "cut_window", "search"]

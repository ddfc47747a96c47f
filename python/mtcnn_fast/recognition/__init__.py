"""From faces to people, with an embedding model of the user's: see ``docs/recognition.md``.

The package brings no such model. `Embedder` runs one, `similarity` compares embeddings, `cluster` groups them, and
`FaceIndex` does it for many images.
"""

from __future__ import annotations

from mtcnn_fast.recognition.embedder import Embedder
from mtcnn_fast.recognition.embeddings import cluster, similarity
from mtcnn_fast.recognition.face_index import FaceIndex, Sighting

__all__ = ["Embedder", "FaceIndex", "Sighting", "cluster", "similarity"]

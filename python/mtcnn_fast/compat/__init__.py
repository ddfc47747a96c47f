"""The interfaces of facenet-pytorch and of the package mtcnn, on this package's detector.

>>> import mtcnn_fast.compat
>>> mtcnn_fast.compat.install("facenet_pytorch", "mtcnn")
>>> from facenet_pytorch import MTCNN

``mtcnn_fast.compat.facenet_pytorch`` and ``mtcnn_fast.compat.mtcnn`` can also be imported by these names. Each has the
other package's own layout of modules. ``docs/migration.md`` says what differs.
"""

from __future__ import annotations

from mtcnn_fast.compat.aliases import PACKAGES, install

__all__ = ["PACKAGES", "install"]

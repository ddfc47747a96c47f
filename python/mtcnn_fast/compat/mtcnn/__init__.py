"""The interface of the package mtcnn (versions 1.0 and 0.1) on this package's detector.

The modules below have the names of that package's own, so that ``mtcnn.utils.images`` is found too once
`mtcnn_fast.compat.install` was called. It needs no TensorFlow.
"""

from mtcnn_fast.compat.mtcnn.mtcnn import MTCNN

__all__ = ["MTCNN"]

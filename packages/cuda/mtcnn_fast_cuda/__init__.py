"""The CUDA kernels of mtcnn-fast, which finds them here. Private: use ``mtcnn_fast.Detector("cuda")``."""

from mtcnn_fast_cuda._version import __version__

__all__ = ["__version__"]

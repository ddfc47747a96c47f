"""The device ``cuda``, by the kernels of `mtcnn_fast._cuda` and without torch; see docs/cuda.md."""

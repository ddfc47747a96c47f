"""`Embedder`: a user's ONNX model that turns faces into embeddings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn_fast._paths import is_file
from mtcnn_fast._types import Floats, Pixels
from mtcnn_fast.checks import Choice, Count, Maybe, Number
from mtcnn_fast.errors import BackendError, ConfigError, WeightsError
from mtcnn_fast.faces import Faces
from mtcnn_fast.optional import require
from mtcnn_fast.recognition.embeddings import HOW_TO_GET

#: Side in pixels of the faces where the model takes any.
DEFAULT_SIZE = 112

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Embedder:
    """Runs an embedding model in ONNX on aligned faces.

    Parameters
    ----------
    model : path-like, str or onnxruntime.InferenceSession
        A file, run on the CPU; or a session of your own, with the providers that you chose. It has one input,
        ``(N, 3, S, S)`` or ``(N, S, S, 3)`` of float32 or float16. Its first output has a row for each face.
    size : int or None
        Side of the faces in pixels; by default the model's, or 112 where it takes any.
    mean, std : float
        The model gets ``(pixel - mean) / std`` of pixels from 0 to 255. The default gives [-1, 1], as ArcFace's models
        want it.
    color : {"rgb", "bgr"}
        Order of the channels that the model wants.
    template : str or (5, 2) array_like
        Where the landmarks go, as for `Faces.align`.
    batch_size : int
        Faces that the model gets at once, unless it has a number of its own.
    num_threads : int or None
        Threads of a session that is made here; None leaves it to onnxruntime.

    Attributes
    ----------
    size : int
    dimensions : int or None
        Length of an embedding, if the model says it.

    Raises
    ------
    ConfigError
        If an argument is not accepted, or the model's input is none of these.
    WeightsError
        If the file is missing or is no ONNX model that onnxruntime runs.
    MissingExtraError
        If onnxruntime is not installed.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Any,
        *,
        size: int | None = None,
        mean: float = 127.5,
        std: float = 127.5,
        color: str = "rgb",
        template: str | npt.ArrayLike = "arcface",
        batch_size: int = 32,
        num_threads: int | None = None,
    ) -> None:
        self._mean = Number()("mean", mean)
        self._std = Number(0, open_low=True)("std", std)
        self._flipped = Choice(("rgb", "bgr"))("color", color) == "bgr"
        self._template = template
        asked = Maybe(Count())("size", size)
        count = Count()("batch_size", batch_size)
        threads = Maybe(Count())("num_threads", num_threads)
        self._session = _load(model, threads) if isinstance(model, (str, os.PathLike)) else model
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _TYPES:
            found = ", ".join(f"{each.name} {each.shape} {each.type}" for each in inputs)
            raise ConfigError(
                "model must have one input of shape (N, 3, S, S) or (N, S, S, 3), float32 or float16, "
                f"got {found or 'none'}"
            )
        self._input = inputs[0].name
        self._type = _TYPES[inputs[0].type]
        batch, self._channels_last, own = _layout(inputs[0].shape)
        self._fixed = batch is not None
        self._count = batch or count
        if own is not None and asked not in (None, own):
            raise ConfigError(f"size must be {own}, which is the model's, got {asked}")
        self.size = own or asked or DEFAULT_SIZE
        last = self._session.get_outputs()[0].shape[1:2]
        self.dimensions: int | None = last[0] if last and isinstance(last[0], int) else None

    def __call__(self, crops: Pixels) -> Floats:
        """Embed faces that are aligned already.

        Parameters
        ----------
        crops : (N, size, size, 3) uint8
            RGB, as `Faces.align` returns them.

        Returns
        -------
        embeddings : (N, D) float32
            Of length 1. D is 0 where there is no face and the model does not say it.

        Raises
        ------
        ConfigError
            If the crops have another shape or type.
        BackendError
            If the model fails, or returns what is no embedding.
        """
        shape = (self.size, self.size, 3)
        if not isinstance(crops, np.ndarray) or crops.dtype != np.uint8 or crops.shape[1:] != shape:
            given = f"{crops.dtype} {crops.shape}" if isinstance(crops, np.ndarray) else type(crops).__name__
            raise ConfigError(f"crops must be uint8 (N, {self.size}, {self.size}, 3), got {given}")
        parts = [self._run(crops[start : start + self._count]) for start in range(0, len(crops), self._count)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions or 0), np.float32)

    def embed(self, image: Any, faces: Faces, **reading: Any) -> Floats:
        """Align the faces of an image and embed them.

        Parameters
        ----------
        image : str, Path, PIL image, array or None
            The image that the faces were found in; None takes the kept one.
        faces : Faces
        **reading
            ``color``, ``value_range`` and ``layout``, as for `Faces.align`.

        Returns
        -------
        embeddings : (N, D) float32
            Of length 1.

        Raises
        ------
        ImageError, ConfigError
            As for `Faces.align`.
        BackendError
            As for a call.
        """
        return self(faces.align(image, self.size, self._template, **reading))

    def _run(self, crops: Pixels) -> Floats:
        values = (crops[..., ::-1] if self._flipped else crops).astype(np.float32)
        values = ((values - np.float32(self._mean)) / np.float32(self._std)).astype(self._type)
        if self._fixed and len(values) < self._count:
            values = np.concatenate([values, np.zeros((self._count - len(values), *values.shape[1:]), self._type)])
        if not self._channels_last:
            values = values.transpose(0, 3, 1, 2)
        try:
            output = self._session.run(None, {self._input: np.ascontiguousarray(values)})[0]
        # onnxruntime raises classes of its own, which derive from Exception alone.
        except Exception as error:
            raise BackendError(f"the embedding model failed: {error}") from error
        found = np.asarray(output, np.float32)
        if found.shape[:1] != values.shape[:1]:
            raise BackendError(
                f"the embedding model must return a row for each of {len(values)} faces, got {found.shape}"
            )
        found = found.reshape(len(values), -1)[: len(crops)]
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        if not (np.isfinite(found).all() and lengths.all()):
            raise BackendError(
                "the embedding model must return finite numbers, not all 0; is mean, std or color right?"
            )
        result: Floats = found / lengths
        return result


def _load(path: str | os.PathLike[str], num_threads: int | None) -> Any:
    runtime = require("onnxruntime", "an embedding model", HOW_TO_GET)
    if not is_file(Path(path)):
        raise WeightsError(f"there is no model {os.fspath(path)!r}")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = num_threads or 0
    # Notes on the model's graph are for those who made it.
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise WeightsError(f"{os.fspath(path)!r} is no ONNX model that onnxruntime runs: {error}") from error


def _layout(shape: list[Any]) -> tuple[int | None, bool, int | None]:
    """Return the number of faces that the model takes, whether its channels come last, and their side."""
    channels_last = shape[3] == 3 and shape[1] != 3
    if not channels_last and shape[1] != 3:
        raise ConfigError(f"model must have an input of shape (N, 3, S, S) or (N, S, S, 3), got {shape}")
    height, width = shape[1:3] if channels_last else shape[2:4]
    if isinstance(height, int) and isinstance(width, int) and height != width:
        raise ConfigError(f"model must take squares, got {width}x{height}")
    side = next((n for n in (height, width) if isinstance(n, int)), None)
    return (shape[0] if isinstance(shape[0], int) else None), channels_last, side

"""Pictures in the planes that codecs work on: turned, and changed only where something was drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtcnn_fast._types import AnyArray, Bools, Image
from mtcnn_fast.optional import require

#: Formats of three planes, luma first, that are turned and merged without conversion.
PLANAR = frozenset(f"{name}{depth}" for name in ("yuv420p", "yuv422p", "yuv444p") for depth in ("", "10le", "12le")) | {
    "yuvj420p",
    "yuvj422p",
    "yuvj444p",
}

#: What a frame of any other format becomes.
COMMON = "yuv420p"

#: Code of a matrix that is not known, ISO/IEC 23091-2.
UNKNOWN = 2


def av_module() -> Any:
    """Import PyAV, or raise `MissingExtraError`."""
    return require("av", "reading and writing video", "pip install 'mtcnn-fast[video]'")


def to_rgb(frame: Any) -> Image:
    """Convert a frame to ``(H, W, 3)`` uint8 RGB by the matrix and the range that it names."""
    # Old versions of PyAV take what a frame names for its matrix only where it is repeated here.
    matrix = int(frame.colorspace)
    known = {} if matrix == UNKNOWN else {"src_colorspace": matrix, "dst_colorspace": matrix}
    result: Image = frame.reformat(format="rgb24", **known).to_ndarray()
    return result


def planes_of(frame: Any) -> list[AnyArray]:
    """View the planes of a frame as arrays of the samples that are shown."""
    return [_samples(plane, frame.format) for plane in frame.planes]


def _samples(plane: Any, form: Any) -> AnyArray:
    dtype = np.uint8 if form.components[0].bits <= 8 else np.dtype("<u2")
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]


def frame_of(planes: list[AnyArray], like: Any, form: str) -> Any:
    """Make a frame of planes, with time and colours of another."""
    av = av_module()
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, form)
    for plane, samples in zip(frame.planes, planes, strict=True):
        target = np.zeros((plane.height, plane.line_size // samples.itemsize), samples.dtype)
        target[:, : plane.width] = samples
        plane.update(target)
    for name in ("pts", "time_base", "color_range", "colorspace"):
        setattr(frame, name, getattr(like, name))
    return frame


def in_planes(frame: Any) -> Any:
    """Return a frame in a format of `PLANAR`, itself where it has one."""
    if frame.format.name in PLANAR:
        return frame
    return _converted(frame, COMMON)


class Turn:
    """A turn by quarters, and a mirroring, as a display matrix asks for.

    Parameters
    ----------
    swaps : bool
        Whether rows become columns, before the mirrorings.
    mirrors_x, mirrors_y : bool
    """

    def __init__(self, swaps: bool = False, mirrors_x: bool = False, mirrors_y: bool = False) -> None:
        self.swaps, self.mirrors_x, self.mirrors_y = swaps, mirrors_x, mirrors_y

    def __bool__(self) -> bool:
        return self.swaps or self.mirrors_x or self.mirrors_y

    @classmethod
    def of(cls, frame: Any) -> Turn:
        """Read the turn of a frame: of its display matrix, ISO/IEC 14496-12, 6.2.2, by the nearest quarter."""
        # `frame.side_data` would make the two refer to one another: both would stay until Python looks for circles.
        container = av_module().sidedata.sidedata.SideDataContainer
        try:
            matrix = container(frame).get("DISPLAYMATRIX")
        except ValueError:
            # Data of a kind that PyAV does not know.
            matrix = None
        if matrix is None:
            return cls()
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def __call__(self, array: AnyArray) -> AnyArray:
        """Turn an array ``(H, W, ...)``."""
        turned = array.swapaxes(0, 1) if self.swaps else array
        if self.mirrors_y:
            turned = turned[::-1]
        return turned[:, ::-1] if self.mirrors_x else turned

    def frame(self, frame: Any) -> Any:
        """Turn a frame in a format of `PLANAR`."""
        if not self:
            return frame
        if self.swaps and "422" in frame.format.name:
            # Turned, its chroma would be halved the other way, for which codecs have no format.
            frame = _converted(frame, frame.format.name.replace("422", "444"))
        return frame_of([self(plane) for plane in planes_of(frame)], frame, frame.format.name)


def _converted(frame: Any, form: str) -> Any:
    result = frame.reformat(format=form)
    result.pts, result.time_base = frame.pts, frame.time_base
    return result


def even(frame: Any) -> Any:
    """Repeat the last row or column where a format that halves its chroma has an odd size: codecs refuse that."""
    odd_rows = frame.height % 2 if "420" in frame.format.name else 0
    odd_columns = 0 if "444" in frame.format.name else frame.width % 2
    if not (odd_rows or odd_columns):
        return frame
    size = frame.height + odd_rows, frame.width + odd_columns
    luma, *chroma = planes_of(frame)
    padded = np.pad(luma, ((0, size[0] - luma.shape[0]), (0, size[1] - luma.shape[1])), "edge")
    return frame_of([padded, *chroma], frame, frame.format.name)


def merged(frame: Any, before: Image, drawn: Image) -> Any:
    """Put what was drawn into a frame, and leave every sample as it was where nothing was drawn.

    Parameters
    ----------
    frame : VideoFrame
        Upright, in a format of `PLANAR`.
    before, drawn : (H, W, 3) uint8
        The frame as RGB, before and after drawing.
    """
    av = av_module()
    changed = np.asarray((before != drawn).any(axis=2), np.bool_)
    if not changed.any():
        return frame
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn), format="rgb24")
    converted = picture.reformat(
        format=frame.format.name, dst_colorspace=int(frame.colorspace), dst_color_range=int(frame.color_range)
    )
    planes = []
    for old, new in zip(planes_of(frame), planes_of(converted), strict=True):
        plane = old.copy()
        mask = _reduced(changed, plane.shape)
        plane[mask] = new[mask]
        planes.append(plane)
    return frame_of(planes, frame, frame.format.name)


def _reduced(mask: Bools, shape: tuple[int, ...]) -> Bools:
    """Reduce a mask to the size of a plane: True where any of its pixels is."""
    rows, columns = (-(-full // part) for full, part in zip(mask.shape, shape, strict=True))
    padded = np.pad(mask, ((0, shape[0] * rows - mask.shape[0]), (0, shape[1] * columns - mask.shape[1])))
    return np.asarray(padded.reshape(shape[0], rows, shape[1], columns).any(axis=(1, 3)), np.bool_)

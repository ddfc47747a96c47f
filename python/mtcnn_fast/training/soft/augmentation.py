"""Random changes of windows (small rotations, zoom, shift, light, covered patches), and targets that follow them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mtcnn_fast._types import AnyArray, Doubles
from mtcnn_fast.training.samples.augment import SWAPPED
from mtcnn_fast.training.samples.geometry import extents
from mtcnn_fast.training.soft.warp_options import WarpOptions
from mtcnn_fast.training.soft.window_set import Windows

#: Below this overlap a warped window keeps its overlap: it shows no face either way.
_LEAST_OVERLAP = 0.2
_GRAY = 127.5


#: Options that leave windows as they are.
UNCHANGED = WarpOptions(flip=0, warp=0, cover=0, contrast=0, color=0, brightness=0)


class WindowBatch(NamedTuple):
    """Windows on their way into a network.

    Attributes
    ----------
    images : Tensor of shape (n, 3, S, S)
        Normalised, channels last in memory.
    boxes : Tensor of float32, shape (n, 4)
        Offsets of the face's corners in units of the window; NaN without a face.
    landmarks : Tensor of float32, shape (n, 10)
        Five x, then five y, in units of the window; NaN where unknown.
    overlap : Tensor of float32, shape (n,)
        IoU of window and face; -1 where unknown.
    widths : Tensor of float32, shape (n, 2)
        Width and height of the window in pixels of its image.
    taught : Tensor of bool, shape (n,)
        Whether `landmarks` come from `mtcnn_fast.training.soft.teacher.Teacher`.
    upright : Tensor of shape (n, 3, S, S) or None
        `images` as they are before the rotation, which is all that they lack; None where they are the same.
    turns : Tensor of float32, shape (n, 2) or None
        Cosine and sine of that rotation, as `turned` takes them.
    """

    images: Tensor
    boxes: Tensor
    landmarks: Tensor
    overlap: Tensor
    widths: Tensor
    taught: Tensor
    upright: Tensor | None = None
    turns: Tensor | None = None


class _Draws(NamedTuple):
    """Random numbers of a batch."""

    sign: Doubles
    rotation: Doubles
    zoom: Doubles
    shift: Doubles
    gain: Doubles
    bias: Doubles
    covers: Doubles


def window_batch(
    windows: Windows,
    options: WarpOptions,
    rng: np.random.Generator,
    dtype: torch.dtype,
    images: Tensor | None = None,
    *,
    upright: bool = False,
) -> WindowBatch:
    """Change windows at random and attach what a network should say of each.

    Parameters
    ----------
    windows : Windows
        Of R-Net or O-Net.
    options : WarpOptions
    rng : numpy.random.Generator
    dtype : torch.dtype
        Of the images.
    images : Tensor of uint8, shape (n, S, S, 3), optional
        In place of the windows' own. The batch is made on their device.
    upright : bool
        Whether to attach the images as they are before the rotation too.

    Returns
    -------
    WindowBatch
    --------
    """
    draws = _draw(len(windows.corners), options, rng)
    given = torch.from_numpy(windows.images) if images is None else images
    pixels = _warped(given, draws, dtype)
    corners = windows.corners.astype(np.float64)
    size = corners[:, 2:] - corners[:, :2] + 1
    shown = extents(windows.corners)
    boxes, points, overlap = _targets(windows, shown, draws)
    offsets = (boxes - corners) / np.concatenate([size, size], axis=1)
    # Section 4 of docs/semantics.md: the decoder subtracts 1 from the sum.
    marks = (points + 1 - corners[:, None, :2]) / size[:, None]
    device = pixels.device
    before = turns = None
    if upright and draws.rotation.any():
        before = _warped(given, draws._replace(rotation=np.zeros_like(draws.rotation)), dtype)
        turns = floats(np.stack([np.cos(draws.rotation), draws.sign * np.sin(draws.rotation)], axis=1), device)
    return WindowBatch(
        pixels,
        floats(offsets, device),
        floats(marks.transpose(0, 2, 1).reshape(-1, 10), device),
        floats(overlap, device),
        floats(size, device),
        torch.zeros(len(size), dtype=torch.bool, device=device),
        before,
        turns,
    )


def turned(x: Tensor, y: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
    """Return where places ``(n, k)`` of windows, from 0 to 1, are once the windows are turned."""
    cos, sin, right, down = turns[:, :1], turns[:, 1:], x - 0.5, y - 0.5
    return 0.5 + cos * right + sin * down, 0.5 + cos * down - sin * right


def floats(values: AnyArray, device: torch.device) -> Tensor:
    """Return an array as float32 on a device."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)


def _draw(count: int, options: WarpOptions, rng: np.random.Generator) -> _Draws:
    warped = rng.random(count) < options.warp
    gain = np.exp(rng.normal(0, options.contrast, (count, 1)))
    covers = np.full((count, 5), -1.0)
    least, most = options.cover_side
    covered = np.flatnonzero(rng.random(count) < options.cover)
    corner, side = rng.uniform(0, 0.9, (len(covered), 2)), rng.uniform(least, most, (len(covered), 2))
    covers[covered] = np.concatenate([corner, corner + side, rng.uniform(0, 255, (len(covered), 1))], axis=1)
    return _Draws(
        np.where(rng.random(count) < options.flip, -1.0, 1.0),
        np.where(warped, np.deg2rad(rng.normal(0, options.rotation, count)), 0.0),
        np.where(warped, np.exp(rng.normal(0, options.zoom, count)), 1.0),
        np.where(warped[:, None], rng.normal(0, options.shift, (count, 2)), 0.0),
        gain * np.exp(rng.normal(0, options.color, (count, 3))),
        _GRAY * (1 - gain) + 255 * rng.normal(0, options.brightness, (count, 1)),
        covers,
    )


def _warped(images: Tensor, draws: _Draws, dtype: torch.dtype) -> Tensor:
    device = images.device
    pixels = images.permute(0, 3, 1, 2).float()
    moved = (draws.zoom != 1) | (draws.rotation != 0) | (draws.shift != 0).any(axis=1)
    flipped = torch.from_numpy(np.flatnonzero((draws.sign < 0) & ~moved)).to(device)
    pixels[flipped] = pixels[flipped].flip(3)
    which = torch.from_numpy(np.flatnonzero(moved)).to(device)
    if len(which):
        # Of a place in the result, where it comes from: mirrored, turned, made larger, moved. From -1 to 1.
        cos, sin = np.cos(draws.rotation) / draws.zoom, np.sin(draws.rotation) / draws.zoom
        rows = (cos * draws.sign, -sin, 2 * draws.shift[:, 0], sin * draws.sign, cos, 2 * draws.shift[:, 1])
        maps = floats(np.stack(rows, axis=1)[moved], device).reshape(-1, 2, 3)
        part = pixels[which].contiguous()
        grid = functional.affine_grid(maps, list(part.shape), align_corners=False)
        pixels[which] = functional.grid_sample(part, grid, padding_mode="border", align_corners=False)
    pixels.mul_(floats(draws.gain, device)[:, :, None, None]).add_(floats(draws.bias, device)[:, :, None, None])
    _cover(pixels, draws.covers)
    pixels.clamp_(0, 255).sub_(127.5).mul_(0.0078125)
    return pixels.to(dtype, memory_format=torch.channels_last)


def _cover(pixels: Tensor, covers: Doubles) -> None:
    size, device = pixels.shape[2], pixels.device
    chosen = np.flatnonzero(covers[:, 4] >= 0)
    if not len(chosen):
        return
    places = torch.from_numpy(chosen).to(device)
    edges = torch.from_numpy(np.rint(covers[chosen, :4] * size).astype(np.int64)).to(device)[:, :, None]
    along = torch.arange(size, dtype=torch.int64, device=device)
    wide = (along >= edges[:, 0]) & (along < edges[:, 2])
    high = (along >= edges[:, 1]) & (along < edges[:, 3])
    covered = (high[:, :, None] & wide[:, None, :])[:, None]
    pixels[places] = torch.where(covered, floats(covers[chosen, 4], device)[:, None, None, None], pixels[places])


def _targets(windows: Windows, shown: Doubles, draws: _Draws) -> tuple[Doubles, Doubles, Doubles]:
    """Return faces ``(n, 4)``, points ``(n, 5, 2)`` in pixels and overlap ``(n,)`` of the changed windows."""
    low, size = shown[:, None, :2], (shown[:, 2:] - shown[:, :2])[:, None]
    corners = (windows.faces.reshape(-1, 2, 2).astype(np.float64) - low) / size
    middle = _moved(corners.mean(axis=1, keepdims=True), draws)
    # A turned face keeps an upright box of its size.
    half = (corners[:, 1:] - corners[:, :1]) / 2 * draws.zoom[:, None, None]
    faces = np.concatenate([middle - half, middle + half], axis=1)
    points = _moved((windows.points.astype(np.float64) - low) / size, draws)
    mirrored = draws.sign < 0
    points[mirrored] = points[mirrored][:, SWAPPED]
    overlap = windows.overlap.astype(np.float64)
    changed = (draws.zoom != 1) & (overlap > _LEAST_OVERLAP)
    inside = np.clip(faces[changed], 0, 1)
    shared = np.prod(inside[:, 1] - inside[:, 0], axis=1)
    area = np.prod(faces[changed, 1] - faces[changed, 0], axis=1)
    overlap[changed] = shared / (1 + area - shared)
    return (faces * size + low).reshape(-1, 4), points * size + low, overlap


def _moved(places: Doubles, draws: _Draws) -> Doubles:
    """Return where places ``(n, k, 2)`` of windows, from 0 to 1, are after the change."""
    from_middle = places - 0.5 - draws.shift[:, None]
    cos, sin = np.cos(draws.rotation)[:, None], np.sin(draws.rotation)[:, None]
    zoom = draws.zoom[:, None]
    across = draws.sign[:, None] * zoom * (cos * from_middle[..., 0] + sin * from_middle[..., 1])
    down = zoom * (cos * from_middle[..., 1] - sin * from_middle[..., 0])
    return np.stack([0.5 + across, 0.5 + down], axis=2)

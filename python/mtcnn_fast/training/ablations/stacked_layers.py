"""Layers of several networks of one kind at once: every tensor has an axis of networks in front.

A step of a network as small as O-Net takes a GPU less time than its kernels take to launch. Many networks, in each
kernel together, keep it busy. Nothing here waits for the device, so that a step can be captured as a CUDA graph.
Activations are ``(M, n, rows, columns, channels)``: of M networks, n windows each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

#: What a convolution is computed by: one batched product of all networks' patches, or network by network.
Way = Callable[[Tensor, Tensor], Tensor]

#: Values of a patch are a multiple of it, as tensor cores need.
_MULTIPLE = 8

#: Rows that one product of a gradient of weights sums over, about.
_ROWS = 512

#: Bytes that are copied at once.
_WORD = 8


def convolve_together(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve, without a bias, by a product of patches that all networks share a kernel for.

    Parameters
    ----------
    x : Tensor of shape (M, n, H, W, C)
        Contiguous; C a multiple of 4.
    weight : Tensor of shape (M, K, C, k, k)

    Returns
    -------
    Tensor of shape (M, n, H - k + 1, W - k + 1, K)
    """
    networks, filters, channels, side, _ = weight.shape
    length = side * side * channels
    columns = weight.permute(0, 3, 4, 2, 1).reshape(networks, length, filters)
    columns = functional.pad(columns, (0, 0, 0, -length % _MULTIPLE))
    multiply: Any = _Products.apply
    product: Tensor = multiply(x, columns, side)
    return product


def convolve_apart(x: Tensor, weight: Tensor) -> Tensor:
    """Do as `convolve_together` with a convolution for each network."""
    parts = [
        functional.conv2d(each.permute(0, 3, 1, 2), filters.contiguous(memory_format=torch.channels_last)).permute(
            0, 2, 3, 1
        )
        for each, filters in zip(x.unbind(), weight.unbind(), strict=True)
    ]
    return torch.stack(parts)


class _Products(torch.autograd.Function):
    """Patches of ``(M, n, H, W, C)`` times matrices ``(M, at least k k C, K)``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, columns: Tensor, side: int) -> Tensor:
        patches = _patches(x.contiguous(), side, columns.shape[1])
        networks, count, height, width, length = patches.shape
        rows = patches.view(networks, -1, length)
        ctx.save_for_backward(rows, columns)
        ctx.side, ctx.shape = side, x.shape
        return torch.bmm(rows, columns).view(networks, count, height, width, -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        rows, columns = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_input = _input_gradient(gradient, columns, ctx.side, ctx.shape[-1]) if ctx.needs_input_grad[0] else None
        of_weight = _weight_gradient(rows, gradient) if ctx.needs_input_grad[1] else None
        return of_input, of_weight, None


def _patches(x: Tensor, side: int, length: int) -> Tensor:
    """Return the patches ``(M, n, H', W', length)``: k rows of k pixels, then zeros."""
    networks, count, height, width, channels = x.shape
    used = side * side * channels
    shape = (networks, count, height - side + 1, width - side + 1)
    patches = x.new_empty(*shape, length)
    if length > used:
        patches[..., used:].zero_()
    # Whole words: a copy of two bytes at a time would take several times as long.
    words = x.view(torch.int64).unfold(2, side, 1).unfold(3, side, 1).permute(0, 1, 2, 3, 5, 6, 4)
    target = patches.view(torch.int64)[..., : used * x.element_size() // _WORD]
    torch.unflatten(target, -1, words.shape[4:]).copy_(words)
    return patches


def _input_gradient(gradient: Tensor, columns: Tensor, side: int, channels: int) -> Tensor:
    """Multiply, then add what the places of a patch say of one pixel, which lie along a diagonal."""
    edge = side - 1
    padded = functional.pad(gradient, (0, 0, edge, edge, edge, edge))
    networks, count, height, width, filters = padded.shape
    parts = columns[:, : side * side * channels].view(networks, side, side, channels, filters).flip(1, 2)
    parts = parts.permute(0, 4, 1, 2, 3).reshape(networks, filters, -1)
    spread = torch.bmm(padded.view(networks, -1, filters), parts).view(
        networks, count, height, width, side, side, channels
    )
    by_network, by_window, by_row, by_pixel, by_row_in, by_pixel_in, by_channel = spread.stride()
    diagonal = spread.as_strided(
        (networks, count, height - edge, width - edge, side, side, channels),
        (by_network, by_window, by_row, by_pixel, by_row + by_row_in, by_pixel + by_pixel_in, by_channel),
    )
    return diagonal.sum(dim=(4, 5))


def _weight_gradient(rows: Tensor, gradient: Tensor) -> Tensor:
    """Multiply in parts, which keep the whole device busy and are added in float32."""
    networks, count = gradient.shape[:2]
    parts = max(part for part in range(1, count + 1) if count % part == 0 and _wide_enough(rows.shape[1], part))
    length, filters = rows.shape[2], gradient.shape[-1]
    left = rows.view(networks * parts, -1, length).transpose(1, 2)
    product = torch.bmm(left, gradient.view(networks * parts, -1, filters))
    if parts == 1:
        return product
    return product.view(networks, parts, length, filters).sum(dim=1, dtype=torch.float32).to(product.dtype)


def _wide_enough(rows: int, parts: int) -> bool:
    return parts == 1 or rows // parts >= _ROWS


def activate(x: Tensor, slopes: Tensor) -> Tensor:
    """Apply a PReLU with slopes ``(M, C)`` to ``(M, ..., C)``."""
    # The kernel of functional.prelu, which takes one axis of channels alone.
    activated: Tensor = torch.ops.aten._prelu_kernel(x, along_channels(slopes, x))
    return activated


def along_channels(values: Tensor, x: Tensor) -> Tensor:
    """View values ``(M, C)`` so that they broadcast over ``(M, ..., C)``."""
    return values.view(values.shape[0], *([1] * (x.dim() - 2)), values.shape[1])


def pool(x: Tensor, side: int) -> Tensor:
    """Take the maximum of `side` x `side` pixels, two apart, over the edge where they do not divide the image."""
    networks, count = x.shape[:2]
    images = x.flatten(0, 1).permute(0, 3, 1, 2)
    pooled = functional.max_pool2d(images, side, 2, ceil_mode=True).permute(0, 2, 3, 1)
    return pooled.reshape(networks, count, *pooled.shape[1:])


def faster_way(x: Tensor, weight: Tensor) -> tuple[Way, dict[str, float]]:
    """Time both ways to convolve, with their gradients, on a CUDA device.

    Returns
    -------
    (callable, dict)
        The faster one, and the milliseconds of both.
    """
    taken: dict[Way, float] = {way: _milliseconds(way, x, weight) for way in (convolve_together, convolve_apart)}
    names = ("together", "apart")
    return min(taken, key=lambda way: taken[way]), dict(zip(names, taken.values(), strict=True))


def _milliseconds(way: Way, x: Tensor, weight: Tensor, repeats: int = 5) -> float:
    """Return how long a way takes; infinity if the device cannot do it."""
    image, filters = x.detach().requires_grad_(x.requires_grad), weight.detach().requires_grad_()
    wanted = [image, filters] if image.requires_grad else [filters]
    start = 0.0
    try:
        for number in range(repeats + 2):
            if number == 2:
                torch.cuda.synchronize()
                start = time.perf_counter()
            found = way(image, filters)
            torch.autograd.grad(found, wanted, torch.ones_like(found))
        torch.cuda.synchronize()
    except RuntimeError:
        return math.inf
    return 1000 * (time.perf_counter() - start) / repeats

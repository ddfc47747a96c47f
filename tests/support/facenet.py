"""The real facenet-pytorch, to compare with."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import types
import warnings

import numpy as np
import pytest


@functools.cache
def real_package() -> types.ModuleType:
    """Import facenet-pytorch, or skip, naming how to get it.

    It asks for versions of torch, numpy and Pillow that are years old, but works with new ones. Of torchvision it uses
    two functions; where the installed torch has no torchvision, stand-ins take their place.
    """
    if importlib.util.find_spec("facenet_pytorch") is None or importlib.util.find_spec("requests") is None:
        pytest.skip("no facenet-pytorch: pip install --no-deps facenet-pytorch==2.6.0 && pip install requests tqdm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not _has_torchvision():
            _stand_in_for_torchvision()
        return importlib.import_module("facenet_pytorch")


def _has_torchvision() -> bool:
    try:
        importlib.import_module("torchvision")
    # One that was built for another torch fails in its own way.
    except Exception:
        return False
    return True


def _stand_in_for_torchvision() -> None:
    functional = types.ModuleType("torchvision.transforms.functional")
    functional.to_tensor = _to_tensor
    transforms = types.ModuleType("torchvision.transforms")
    transforms.functional = functional
    boxes = types.ModuleType("torchvision.ops.boxes")
    boxes.batched_nms = _batched_nms
    ops = types.ModuleType("torchvision.ops")
    ops.boxes = boxes
    root = types.ModuleType("torchvision")
    for module in (root, transforms, functional, ops, boxes):
        sys.modules[module.__name__] = module


def _to_tensor(picture):
    """Return (H, W, C) float32 as a tensor (C, H, W); its values stay."""
    import torch

    assert picture.dtype == np.float32
    return torch.from_numpy(np.atleast_3d(picture).transpose(2, 0, 1)).contiguous()


def _batched_nms(boxes, scores, groups, threshold):
    """Suppress within groups, which are shifted apart; highest score first, equal ones in their order."""
    import torch

    if not len(boxes):
        return torch.empty(0, dtype=torch.int64)
    shifted = (boxes + (groups.to(boxes) * (boxes.max() + 1))[:, None]).numpy()
    order = np.argsort(-scores.numpy(), kind="stable")
    areas = (shifted[:, 2] - shifted[:, 0]) * (shifted[:, 3] - shifted[:, 1])
    kept = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        corners = np.maximum(shifted[first, :2], shifted[rest, :2]), np.minimum(shifted[first, 2:], shifted[rest, 2:])
        overlap = np.prod(np.maximum(corners[1] - corners[0], 0), axis=1)
        order = rest[overlap / (areas[first] + areas[rest] - overlap) <= threshold]
    return torch.as_tensor(np.array(kept))

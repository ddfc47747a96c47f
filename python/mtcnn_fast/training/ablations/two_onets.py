"""Detection where one O-Net judges the candidates and another, perhaps, regresses their boxes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from mtcnn_fast._paths import is_file
from mtcnn_fast._types import Floats, Image
from mtcnn_fast.backends.numpy.steps import nms, regress
from mtcnn_fast.datasets.detections import Detections
from mtcnn_fast.datasets.fddb import read_fddb_images
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import DataError
from mtcnn_fast.evaluation.fddb import FddbResult, score_fddb
from mtcnn_fast.images import load_image
from mtcnn_fast.ops import crop_pad_resize
from mtcnn_fast.training.losses import Outputs
from mtcnn_fast.weights import BoxCoding

#: Side of O-Net's window in pixels.
_SIZE = 48

#: Overlap, over the smaller area, above which the worse of two faces is dropped: the detector's default.
_NMS_THRESHOLD = 0.7


def candidates(detector: Detector, image: Image) -> Floats:
    """Return the boxes ``(N, 4)`` that P-Net and R-Net of a detector leave for O-Net."""
    trace: Any = detector.detect(image, trace=True).trace
    for step in trace:
        if step.step == "refinement":
            boxes: Floats = step.boxes
            return boxes
    return np.empty((0, 4), np.float32)


@torch.inference_mode()
def look(network: nn.Module, image: Image, boxes: Floats) -> Outputs:
    """Return what an O-Net says of boxes ``(N, 4)`` in an image."""
    crops, _ = crop_pad_resize(image, boxes, _SIZE)
    outputs: Outputs = network(torch.from_numpy(crops))
    return outputs


def finish(boxes: Floats, judge: Outputs, regressor: Outputs, coding: BoxCoding) -> Detections:
    """Turn candidates into faces (docs/semantics.md, section 4): scores of one network, boxes of another.

    There is no threshold, so that curves are complete.
    """
    if regressor.boxes is None:
        raise ValueError("the network that regresses boxes must have a head for them")
    scores = torch.softmax(judge.logits, dim=1)[:, 1].numpy()
    moved = regress(boxes, regressor.boxes.numpy(), coding, inclusive=True)
    kept = nms(moved, scores, _NMS_THRESHOLD, "iomin")
    kept = kept[np.isfinite(moved[kept]).all(axis=1)]
    return Detections(moved[kept].astype(np.float64), scores[kept].astype(np.float64))


def compare_on_fddb(
    variants: Mapping[str, tuple[str, str]],
    networks: Mapping[str, nn.Module],
    detector: Detector,
    images: str | os.PathLike[str],
    annotation: str | os.PathLike[str],
    coding: BoxCoding,
) -> dict[str, FddbResult]:
    """Score O-Nets behind the same P-Net and R-Net on the images of FDDB that are there.

    Parameters
    ----------
    variants : mapping of str to (str, str)
        For each its judge and its regressor, by their names in `networks`.
    networks : mapping of str to module
        They return `Outputs`.
    detector : Detector
        Has P-Net and R-Net.
    images, annotation : path-like or str
        Folder of images, and ``FDDB-folds``.
    coding : {"corner", "rcnn"}
        How the networks express boxes.

    Raises
    ------
    DataError
        If there is no image, or the annotation cannot be read.
    """
    known = read_fddb_images(annotation)
    present = [image for image in known if is_file(image.file(images))]
    if not present:
        raise DataError(f"none of {len(known)} annotated images is there, such as {known[0].name}.jpg", images)
    found: dict[str, dict[str, Detections]] = {variant: {} for variant in variants}
    sizes = {}
    for annotated in present:
        image = load_image(annotated.file(images))
        sizes[annotated.name] = (image.shape[1], image.shape[0])
        boxes = candidates(detector, image)
        said = {name: look(network.eval(), image, boxes) for name, network in networks.items()}
        for variant, (judge, regressor) in variants.items():
            found[variant][annotated.name] = finish(boxes, said[judge], said[regressor], coding)
    return {
        variant: score_fddb(present, by_name, sizes=sizes, of_images=len(known)) for variant, by_name in found.items()
    }

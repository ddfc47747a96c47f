"""Published figures, reproduced from published detections and curves."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mtcnn_fast.datasets.fddb import read_published_rocs, sizes_from_boxes
from mtcnn_fast.evaluation import (
    Detections,
    read_fddb,
    read_published_curves,
    read_widerface,
    score_fddb,
    score_widerface,
    select_events,
)
from mtcnn_fast.evaluation.prediction_files import read_fddb_detections
from support.data import shared

pytest.importorskip("scipy")

EVENTS = ["0--Parade", "19--Couple", "20--Family_Group"]
FALSE_POSITIVES = np.arange(5, 241)


def fddb_difference(name: str, path: str, *, with_sizes: bool) -> tuple[float, float]:
    """Mean absolute difference to the published discrete and continuous ROC."""
    images = read_fddb(shared("fddb/FDDB-folds"))
    names = [image.name for image in images]
    found = read_fddb_detections(shared(f"fddb/published/{path}"), names)
    cut = read_fddb_detections(shared("fddb/published/pyface/Dets.txt"), names)
    result = score_fddb(images, found, sizes=sizes_from_boxes(cut) if with_sizes else None)
    published = read_published_rocs(shared("fddb/published"))[name]
    discrete, continuous = (
        float(np.mean(np.abs(ours.at(FALSE_POSITIVES) - theirs.at(FALSE_POSITIVES))))
        for ours, theirs in zip((result.discrete, result.continuous), published, strict=True)
    )
    return discrete, continuous


@pytest.mark.parametrize("with_sizes", [False, True])
@pytest.mark.parametrize(("name", "path"), [("MTCNN", "MTCNN"), ("jfda", "jfda")])
def test_fddb_curves(name, path, with_sizes):
    discrete, continuous = fddb_difference(name, path, with_sizes=with_sizes)
    assert discrete <= 0.002
    assert continuous <= 0.002


def test_fddb_discrete_curve_of_mtcnn_is_met_exactly_where_the_images_sizes_are_known():
    assert fddb_difference("MTCNN", "MTCNN", with_sizes=True)[0] < 1e-5


def test_fddb_curve_of_a_detector_that_cuts_its_boxes_needs_the_images_sizes():
    """Its boxes end at the image's edge, while ellipses that go on beyond it are counted whole without the sizes."""
    discrete, continuous = fddb_difference("pyface", "pyface/Dets.txt", with_sizes=True)
    assert discrete <= 0.002
    assert continuous <= 0.002
    assert fddb_difference("pyface", "pyface/Dets.txt", with_sizes=False)[0] > 0.002


@pytest.mark.parametrize(
    ("split", "legend", "areas"),
    [
        ("Val", "Multitask Cascade CNN", (0.849, 0.826, 0.598)),
        ("Val", "ACF-WIDER", (0.659, 0.542, 0.273)),
        ("Test", "Multitask Cascade CNN", (0.851, 0.820, 0.608)),
        ("Test", "VJ", (0.413, 0.333, 0.137)),
        ("Test", "DPM", (0.690, 0.449, 0.202)),
    ],
)
def test_areas_of_published_curves(split, legend, areas):
    pytest.importorskip("h5py")
    curves = read_published_curves(shared(f"wider/published_curves/{split}"))[legend]
    assert [curves[name].area for name in ("easy", "medium", "hard")] == pytest.approx(areas, abs=0.002)


@pytest.mark.parametrize(
    ("golden", "expected"), [("default", (0.8330, 0.8167, 0.4798)), ("zero", (0.8468, 0.8251, 0.4849))]
)
def test_widerface_of_the_reference_detections(golden, expected):
    """The figures of an independent scorer for the stored detections of facenet-pytorch."""
    stored = json.loads(shared(f"golden/{golden}.json").read_text())["images"]
    found = {
        "/".join(path.split("/")[-2:]).removesuffix(".jpg"): Detections(item["boxes"], item["scores"])
        for path, item in stored.items()
        if "WIDER_val" in path
    }
    everything = read_widerface(shared("wider/eval_tools/ground_truth"))
    result = score_widerface(select_events(everything, EVENTS), found, of_images=len(everything))
    assert list(result.average_precision.values()) == pytest.approx(expected, abs=1e-4)
    assert result.is_subset
    assert result.label == (
        "subset of WIDER FACE val: 209 images of 3 events; faces: 543 easy, 1,184 medium, 3,584 hard"
    )


def test_both_forms_of_the_widerface_annotation_agree():
    matlab = read_widerface(shared("wider/eval_tools/ground_truth"))
    text = {image.key: image for image in read_widerface(shared("wider/wider_face_split/wider_face_val_bbx_gt.txt"))}
    assert len(matlab) == len(text) == 3226
    assert sum(len(image.boxes) for image in matlab) == 39708
    different = [image.key for image in matlab if not np.array_equal(image.boxes, text[image.key].boxes)]
    # One face of no width has a negative one in the MATLAB file.
    assert different == ["39--Ice_Skating/39_Ice_Skating_iceskiing_39_583"]
    counts = {name: sum(int(image.subsets[name].sum()) for image in matlab) for name in matlab[0].subsets}
    assert counts == {"easy": 7211, "medium": 13319, "hard": 31958}

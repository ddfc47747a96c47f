"""Small data sets in the official forms, made up for the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.portrait import portrait

EVENTS = ("0--Parade", "1--Couple")


@pytest.fixture(scope="session")
def wider_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images in two events with one face each, their annotation as text and as the four MATLAB files."""
    io = pytest.importorskip("scipy.io")
    folder = tmp_path_factory.mktemp("wider")
    names = {EVENTS[0]: ["a", "b"], EVENTS[1]: ["c"]}
    box = [40, 30, 60, 70]
    lines = []
    for event, images in names.items():
        (folder / "images" / event).mkdir(parents=True)
        for name in images:
            Image.fromarray(portrait()).save(folder / "images" / event / f"{name}.jpg")
            lines += [f"{event}/{name}.jpg", "1", " ".join(map(str, box)) + " 0 0 0 0 0 0"]
    (folder / "gt.txt").write_text("\n".join(lines) + "\n")

    def cell(values: list[object]) -> np.ndarray:
        array = np.empty((len(values), 1), object)
        array[:, 0] = values
        return array

    truth = folder / "ground_truth"
    truth.mkdir()
    content = {
        "event_list": cell([np.array([event]) for event in names]),
        "file_list": cell([cell([np.array([name]) for name in images]) for images in names.values()]),
        "face_bbx_list": cell([cell([np.array([box]) for _ in images]) for images in names.values()]),
    }
    io.savemat(truth / "wider_face_val.mat", content)
    for difficulty in ("easy", "medium", "hard"):
        lists = cell([cell([np.array([[1]], np.uint8) for _ in images]) for images in names.values()])
        io.savemat(truth / f"wider_{difficulty}_val.mat", {"gt_list": lists})
    return folder


@pytest.fixture(scope="session")
def fddb_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images in two folds, with two faces and one."""
    folder = tmp_path_factory.mktemp("fddb")
    folds = folder / "FDDB-folds"
    folds.mkdir()
    (folds / "FDDB-fold-01-ellipseList.txt").write_text("2002/01/img_1\n2\n30 20 1.5708 70 60  1\n10 8 0 20 20  1\n")
    (folds / "FDDB-fold-01.txt").write_text("2002/01/img_1\n")
    (folds / "FDDB-fold-02-ellipseList.txt").write_text("2002/02/img_2\n1\n30 20 1.5708 70 60  1\n")
    for name in ("2002/01/img_1", "2002/02/img_2"):
        path = folder / "images" / f"{name}.jpg"
        path.parent.mkdir(parents=True)
        Image.fromarray(portrait()).save(path)
    return folder

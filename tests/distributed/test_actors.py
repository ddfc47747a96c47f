"""`FaceDetector` on batches of each kind that engines hand over."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from mtcnn_fast import ConfigError
from mtcnn_fast.distributed import FaceDetector
from mtcnn_fast.distributed.tables import part_schema
from support.batches import SETTINGS, picture

FILES = [picture(0), b"no image", picture(1)]
ADDED = {"width", "height", "boxes", "scores", "landmarks", "settings", "seconds", "error"}


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(**SETTINGS)


def check(columns: dict[str, Any]) -> None:
    assert set(columns) == ADDED | {"id"}
    assert list(columns["id"]) == [7, 8, 9]
    assert [error is None for error in columns["error"]] == [True, False, True]
    assert columns["scores"][1] is None
    assert np.shape(columns["boxes"][0]) == (1, 4)
    assert np.shape(columns["landmarks"][2]) == (1, 5, 2)


def test_arrow(detector: FaceDetector) -> None:
    import pyarrow as pa

    table = detector(pa.table({"id": [7, 8, 9], "bytes": pa.array(FILES, pa.binary())}))
    check(table.to_pydict())
    assert table.schema.field("landmarks").type == part_schema().field("landmarks").type
    again = detector(table.append_column("bytes", pa.array(FILES, pa.binary())))
    assert set(again.column_names) == set(table.column_names)


def test_pandas(detector: FaceDetector) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas cannot be imported")
    frame = pandas.DataFrame({"id": [7, 8, 9], "bytes": FILES}, index=[3, 4, 5])
    (found,) = detector.map_pandas([frame])
    columns = found.to_dict("list")
    assert [value is None or value != value for value in columns["error"]] == [True, False, True]
    columns["error"] = [None if value is None or value != value else value for value in columns["error"]]
    check(columns)


def test_arrays(detector: FaceDetector) -> None:
    check(detector({"id": np.array([7, 8, 9]), "bytes": np.array(FILES, object)}))


def test_pixels(detector: FaceDetector) -> None:
    from mtcnn_fast.images import load_image

    pixels = FaceDetector("image", **SETTINGS)({"image": [load_image(FILES[0])]})
    files = detector({"bytes": FILES[:1]})
    assert pixels["boxes"][0] == files["boxes"][0]


@pytest.mark.parametrize(
    ("batch", "message"), [({"id": [1]}, "column must be one of"), ([1], "batch must be a pyarrow")]
)
def test_what_is_refused(batch: Any, message: str, detector: FaceDetector) -> None:
    with pytest.raises(ConfigError, match=message):
        detector(batch)


def test_it_travels(detector: FaceDetector) -> None:
    copy = pickle.loads(pickle.dumps(detector))
    assert copy({"bytes": FILES[:1]})["scores"][0] == detector({"bytes": FILES[:1]})["scores"][0]

"""What inputs become shards, and which are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mtcnn_fast import ConfigError, DataError, WeightsError
from mtcnn_fast.config import WEIGHTS
from mtcnn_fast.distributed import plan, read_plan, run, verify
from mtcnn_fast.distributed.planning import read_planned
from mtcnn_fast.distributed.stores import Store
from mtcnn_fast.weights import load_weights
from support.batches import SETTINGS, album, expected, make_tar, picture, result


def planned_paths(out: Path) -> list[str]:
    store = Store(str(out))
    return [path for index in range(len(read_plan(out).counts)) for path in read_planned(store, index).paths]


def parquet_of(path: Path, columns: dict[str, Any], rows: int = 3) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path, row_group_size=rows)
    return path


def test_a_folder_is_searched_to_any_depth(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 5)
    album(photos / "inner" / "deep", 2)
    album(photos / ".hidden", 2)
    (photos / "notes.md").write_text("no image")
    (photos / "loop").symlink_to(photos)
    made = plan([photos], tmp_path / "out", shard_images=3)
    assert made.counts == (3, 3, 1)
    names = [f"{number:04d}.jpg" for number in range(5)]
    assert planned_paths(tmp_path / "out") == [str(photos / name) for name in names] + [
        str(photos / "inner" / "deep" / name) for name in names[:2]
    ]


@pytest.mark.parametrize("name", WEIGHTS)
def test_named_weights_need_no_path_on_other_machines(name: str, tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 2)
    made = plan(photos, tmp_path / "out", **SETTINGS, weights=name)
    assert made.settings.weights == name
    assert made.settings.weights_sha256 == load_weights(name).sha256
    assert (made.settings.hash == plan(photos, tmp_path / "usual", **SETTINGS).settings.hash) == (name == WEIGHTS[0])
    with made.settings.make_detector(1) as detector:
        assert len(detector.detect(photos / "0000.jpg")) == 1


@pytest.mark.parametrize("given", ["", 7, load_weights(None)])
def test_weights_that_no_other_machine_finds_are_refused(given: object, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"^weights must be one of zhang2016, wider, a path or None, got "):
        plan(album(tmp_path / "photos", 1), tmp_path / "out", **SETTINGS, weights=given)


def test_results_within_the_inputs_are_none(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 2)
    plan(photos, photos / "results", **SETTINGS)
    assert len(planned_paths(photos / "results")) == 2


def test_bytes_end_a_shard(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 6)
    largest = max(path.stat().st_size for path in photos.iterdir())
    made = plan([photos], tmp_path / "out", shard_bytes=2 * largest)
    assert made.inputs == 6
    assert 3 <= len(made.counts) <= 6


def test_a_list_starts_at_its_folder_and_keeps_what_is_missing(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 3)
    listing = photos / "some.txt"
    listing.write_text(f"0001.jpg\n{photos}/0000.jpg\n\nabsent.jpg\n0001.jpg\n")
    plan([listing], tmp_path / "out", **SETTINGS)
    report = run(tmp_path / "out", workers=0, progress=False)
    assert (report.images, report.errors) == (4, 1)
    rows = result(tmp_path / "out")
    assert [Path(row["path"]).name for row in rows] == ["0001.jpg", "0000.jpg", "absent.jpg", "0001.jpg"]
    assert rows[2]["error"] == "does not exist"
    assert rows[0] == rows[3]
    assert verify(tmp_path / "out", recompute=None).ok


def test_patterns_and_files(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 4)
    (tmp_path / "one").write_bytes(picture(9))
    made = plan([f"{photos}/000[12].jpg", str(tmp_path / "one")], tmp_path / "out")
    assert made.inputs == 3


def test_a_tar_is_a_shard(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "a.tar", 5)
    album(tmp_path / "same", 0)
    for number in range(5):
        (tmp_path / "same" / f"{number}.png").write_bytes(picture(number))
    made = plan([tar], tmp_path / "out", shard_images=2, **SETTINGS)
    assert made.counts == (5,)
    run(tmp_path / "out", workers=0, progress=False)
    rows = result(tmp_path / "out")
    assert [row.pop("path") for row in rows] == [f"tar://{number:04d}.png::{tar}" for number in range(5)]
    singles = expected(sorted((tmp_path / "same").iterdir()))
    assert rows == [{name: value for name, value in row.items() if name != "path"} for row in singles]
    assert verify(tmp_path / "out", recompute=3).recomputed == 3


@pytest.mark.parametrize("nested", [False, True])
def test_a_row_group_is_a_shard(nested: bool, tmp_path: Path) -> None:
    images: list[Any] = [picture(number) for number in range(5)] + [None]
    column = [{"bytes": data, "path": "x"} for data in images] if nested else images
    file = parquet_of(tmp_path / "a.parquet", {"id": list("abcdef"), "image": column}, rows=4)
    made = plan([file], tmp_path / "out", key_column="id", **SETTINGS)
    assert made.counts == (4, 2)
    run(tmp_path / "out", workers=0, progress=False)
    rows = result(tmp_path / "out")
    assert [row["path"] for row in rows] == list("abcdef")
    assert [row["error"] for row in rows] == [None] * 5 + ["the row has no bytes"]
    assert all(len(row["scores"]) == 1 for row in rows[:5])
    assert verify(tmp_path / "out", recompute=None).ok


def test_rows_without_keys_are_numbered(tmp_path: Path) -> None:
    file = parquet_of(tmp_path / "a.parquet", {"jpg": [picture(0)] * 5}, rows=4)
    plan([file], tmp_path / "out")
    assert planned_paths(tmp_path / "out") == [f"{file}#{row}" for row in range(5)]


@pytest.mark.skipif(os.name != "posix", reason="names of bytes are those of POSIX")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 1)
    try:
        Path(os.fsdecode(os.fsencode(photos) + b"/\xff.jpg")).write_bytes(picture(1))
    except OSError:
        pytest.skip("this file system takes valid text only")
    plan([photos], tmp_path / "out", **SETTINGS)
    assert run(tmp_path / "out", workers=0, progress=False).errors == 0
    assert result(tmp_path / "out")[1]["path"].endswith("/\\xff.jpg")


def test_an_image_that_changed_since_is_said_to_have(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 2)
    plan([photos], tmp_path / "out", **SETTINGS)
    (photos / "0001.jpg").write_bytes(picture(2))
    os.utime(photos / "0001.jpg", (1, 1))
    run(tmp_path / "out", workers=0, progress=False)
    assert [row["error"] for row in result(tmp_path / "out")] == [None, "has changed since it was planned"]


def test_a_tar_that_changed_since_stops_its_shard(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "a.tar", 1)
    plan([tar], tmp_path / "out", **SETTINGS)
    os.utime(tar, (1, 1))
    with pytest.raises(DataError, match="has changed since it was planned: plan again"):
        run(tmp_path / "out", workers=0, progress=False)
    report = run(tmp_path / "out", workers=1, progress=False)
    assert "plan again" in report.failed[0]


def refusals(folder: Path) -> dict[str, tuple[Any, str]]:
    (folder / "empty").mkdir()
    (folder / "torn.tar").write_bytes(b"no tar" * 200)
    (folder / "a.tar.gz").write_bytes(b"")
    make_tar(folder / "labels.tar", 0)
    (folder / "torn.parquet").write_bytes(b"no parquet")
    parquet_of(folder / "two.parquet", {"a": [b""], "b": [b""]})
    parquet_of(folder / "none.parquet", {"a": [1]})
    return {
        "absent": ("absent.jpg", "does not exist, or matches no file; accepted: an image file, a folder"),
        "empty": ("empty", "there is no image, .tar or .parquet file in"),
        "torn tar": ("torn.tar", "is no tar that can be read"),
        "compressed": ("a.tar.gz", "is a compressed tar"),
        "no image": ("labels.tar", "has no image in it"),
        "torn parquet": ("torn.parquet", "is no Parquet file that can be read"),
        "two columns": ("two.parquet", "one of them named by bytes_column; there are a, b"),
        "no column": ("none.parquet", "there are none"),
        "protocol": ("nothing://x", "cannot be opened"),
    }


@pytest.mark.parametrize(
    "case",
    ["absent", "empty", "torn tar", "compressed", "no image", "torn parquet", "two columns", "no column", "protocol"],
)
def test_what_is_refused(case: str, tmp_path: Path) -> None:
    name, message = refusals(tmp_path)[case]
    with pytest.raises(DataError, match=message):
        plan([name if "://" in name else str(tmp_path / name)], tmp_path / "out")
    assert not (tmp_path / "out" / "plan.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shard_images": 0}, "shard_images must be"),
        ({"shard_bytes": -1}, "shard_bytes must be"),
        ({"min_face_size": 0}, "min_face_size must be"),
        ({"device": "gpu"}, "device must be one of"),
    ],
)
def test_wrong_settings(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        plan([album(tmp_path / "photos", 1)], tmp_path / "out", **arguments)
    with pytest.raises(ConfigError, match="inputs must name at least one"):
        plan([], tmp_path / "out")


def test_columns_by_name(tmp_path: Path) -> None:
    file = parquet_of(tmp_path / "a.parquet", {"a": [picture(0)], "b": [b""]})
    plan([file], tmp_path / "out", bytes_column="a", **SETTINGS)
    assert run(tmp_path / "out", workers=0, progress=False).faces == 1
    with pytest.raises(DataError, match="has no column 'c' of bytes; there are a, b"):
        plan([file], tmp_path / "other", bytes_column="c")
    with pytest.raises(DataError, match="has no column 'c'; there are a, b"):
        plan([file], tmp_path / "other", bytes_column="a", key_column="c")


def test_a_plan_is_made_once(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 1)
    plan([photos], tmp_path / "out", **SETTINGS)
    with pytest.raises(DataError, match="there is a plan already"):
        plan([photos], tmp_path / "out")
    run(tmp_path / "out", workers=0, progress=False)
    (tmp_path / "out" / "plan.json").unlink()
    with pytest.raises(DataError, match="there are parts of another batch"):
        plan([photos], tmp_path / "out")


def test_the_hash_is_of_what_results_depend_on(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 1)
    hashes = [
        plan([photos], tmp_path / f"out{number}", **settings).settings.hash
        for number, settings in enumerate([{}, {"num_threads": 2}, {"min_face_size": 30}, {"device": "cpu"}])
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_damaged_plans(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no plan: make one with `mtcnn-fast batch plan`"):
        run(tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "plan.json").write_text("{")
    with pytest.raises(DataError, match="is no plan"):
        verify(tmp_path / "out")
    (tmp_path / "out" / "plan.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="is of format 99, accepted: 1"):
        verify(tmp_path / "out")


def test_another_version_is_refused(tmp_path: Path) -> None:
    plan([album(tmp_path / "photos", 1)], tmp_path / "out", **SETTINGS)
    path = tmp_path / "out" / "plan.json"
    path.write_text(path.read_text().replace('"version": "', '"version": "9'))
    with pytest.raises(DataError, match="the plan is of mtcnn-fast 9"):
        run(tmp_path / "out", workers=0, progress=False)
    with pytest.raises(DataError, match="the plan is of mtcnn-fast 9"):
        run(tmp_path / "out", workers=1, progress=False)


def test_pictures_of_the_tests_differ() -> None:
    assert len({picture(number) for number in range(60)}) == 60

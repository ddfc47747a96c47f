"""`SampleSet`, and the shards that it is kept in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mtcnn_fast import ConfigError, DataError
from mtcnn_fast.training.samples import SampleKind, SampleSet, shards


def arrays(count: int, size: int = 12, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (count, size, size, 3)).astype(np.uint8),
        (np.arange(count) % 4).astype(np.int8),
        rng.random((count, 4), np.float32),
        rng.random((count, 5, 2), np.float32),
        rng.random(count, np.float32),
    )


def same(samples: SampleSet, expected: tuple[np.ndarray, ...]) -> bool:
    taken = samples.take(np.arange(len(samples)))
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(taken, expected, strict=True))


def write_set(folder: Path, *parts: tuple[np.ndarray, ...], plan: dict[str, object] | None = None) -> Path:
    plan = plan or {"seed": 1}
    shards.begin_set(folder, plan)
    for number, part in enumerate(parts):
        named = dict(zip(shards.ARRAYS, part, strict=True))
        shards.write_shard(shards.shard_path(folder, "samples", number), named, shards.plan_hash(plan))
    shards.finish_set(folder, plan, len(parts))
    return folder


def test_takes_what_it_was_given() -> None:
    given = arrays(9)
    samples = SampleSet.from_arrays(*given)
    assert (len(samples), samples.size) == (9, 12)
    assert same(samples, given)
    assert samples.counts == {kind: 3 if kind == SampleKind.NEGATIVE else 2 for kind in SampleKind}
    assert samples.indices_of(SampleKind.PART).tolist() == [2, 6]
    batch = samples.take([8, 0, 8])
    assert np.array_equal(batch.images, given[0][[8, 0, 8]])
    assert batch.kinds.tolist() == [0, 0, 0]
    batch.images[:] = 0
    assert same(samples, given)
    assert len(samples.take([]).images) == 0
    assert (SampleSet.from_arrays(*given[:4]).take([1]).mirror == 0).all()


def test_joins_and_chooses_without_copying() -> None:
    first, second = arrays(5), arrays(7, seed=1)
    both = SampleSet.concatenate([SampleSet.from_arrays(*first), SampleSet.from_arrays(*second)])
    joined = tuple(np.concatenate(pair) for pair in zip(first, second, strict=True))
    assert same(both, joined)
    some = both.subset([11, 0, 6])
    assert same(some, tuple(array[[11, 0, 6]] for array in joined))
    again = SampleSet.concatenate([some.subset([2]), both])
    assert same(again, tuple(np.concatenate([array[6:7], array]) for array in joined))
    assert same(both.subset(both.indices_of(SampleKind.PART)), tuple(array[joined[1] == 2] for array in joined))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, np.zeros((4, 12, 10, 3), np.uint8), "images must be"),
        (0, np.zeros((4, 12, 12, 3), np.float32), "images must be"),
        (1, np.zeros(3, np.int8), "kinds must be numbers of shape"),
        (1, np.array([0, 1, 2, 4], np.int8), "got 4"),
        (2, np.zeros((4, 3), np.float32), "boxes must be numbers of shape"),
        (3, np.full((4, 5, 2), np.nan, np.float32), "landmarks must be finite"),
        (4, np.zeros((4, 1), np.float32), "mirror must be"),
    ],
)
def test_refuses_other_arrays(place: int, value: np.ndarray, message: str) -> None:
    given = list(arrays(4))
    given[place] = value
    with pytest.raises(ConfigError, match=message):
        SampleSet.from_arrays(*given)


@pytest.mark.parametrize("indices", [[4], [-1], [[0, 1]], [0.5]])
def test_refuses_indices_out_of_range(indices: object) -> None:
    samples = SampleSet.from_arrays(*arrays(4))
    for use in (samples.take, samples.subset):
        with pytest.raises(ConfigError, match="from 0 to 3"):
            use(indices)  # type: ignore[operator]


def test_sets_of_other_sizes_do_not_join() -> None:
    with pytest.raises(ConfigError, match=r"\[12, 24\]"):
        SampleSet.concatenate([SampleSet.from_arrays(*arrays(1)), SampleSet.from_arrays(*arrays(1, 24))])
    with pytest.raises(ConfigError, match="one or more"):
        SampleSet.concatenate([])


def test_a_set_on_disk_is_what_was_written(tmp_path: Path) -> None:
    first, second = arrays(5), arrays(7, seed=1)
    empty = tuple(array[:0] for array in first)
    folder = write_set(tmp_path / "set", first, empty, second)
    expected = tuple(np.concatenate(parts) for parts in zip(first, second, strict=True))
    assert same(SampleSet.open(folder), expected)
    assert same(SampleSet.open(folder, verify=False), expected)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["kinds"] == [4, 3, 3, 2]
    assert [entry["samples"] for entry in manifest["shards"]] == [5, 0, 7]


def test_a_shard_is_a_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    given = dict(zip(shards.ARRAYS, arrays(3), strict=True))
    given["counts"] = np.array([2**40, -1])
    shards.write_shard(path, given, "plan")
    for read in (safetensors.numpy.load_file(path), shards.read_shard(path, "plan")):
        assert read.keys() == given.keys()
        assert all(np.array_equal(read[name], given[name]) for name in given)
        assert all(read[name].dtype == given[name].dtype for name in given)


def test_equal_shards_are_equal_bytes(tmp_path: Path) -> None:
    given = dict(zip(shards.ARRAYS, arrays(3), strict=True))
    shards.write_shard(tmp_path / "a", given, "plan")
    shards.write_shard(tmp_path / "b", dict(reversed(given.items())), "plan")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_images_stay_on_disk(tmp_path: Path) -> None:
    write_set(tmp_path, arrays(5))
    images = shards.read_shard(tmp_path / "samples-00000.safetensors", None)["images"]
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


@pytest.mark.parametrize("where", [3, 20, -1])
def test_damage_is_noticed(tmp_path: Path, where: int) -> None:
    write_set(tmp_path, arrays(5))
    path = tmp_path / "samples-00000.safetensors"
    content = bytearray(path.read_bytes())
    content[where] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(DataError, match="samples-00000"):
        SampleSet.open(tmp_path)
    assert not shards.is_whole(path, shards.plan_hash({"seed": 1}))


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_file_that_was_cut_is_noticed(tmp_path: Path, length: int) -> None:
    write_set(tmp_path, arrays(5))
    path = tmp_path / "samples-00000.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    for verify in (True, False):
        with pytest.raises(DataError, match="samples-00000"):
            SampleSet.open(tmp_path, verify=verify)


def test_what_is_not_a_finished_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest\.json"):
        SampleSet.open(tmp_path / "none")
    folder = write_set(tmp_path / "set", arrays(5), arrays(2))
    with pytest.raises(DataError, match=r"seed differ.*choose another"):
        shards.begin_set(folder, {"seed": 2})
    (folder / "samples-00001.safetensors").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        SampleSet.open(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="is no JSON"):
        SampleSet.open(folder)


def test_shards_of_another_plan_or_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    shards.write_shard(path, {"boxes": np.zeros((1, 4), np.float32)}, "one")
    with pytest.raises(DataError, match="another plan"):
        shards.read_shard(path, "two")
    path.write_bytes(path.read_bytes().replace(b'"format_version": "1"', b'"format_version": "7"'))
    with pytest.raises(DataError, match="format version '7'"):
        shards.read_shard(path, "one")

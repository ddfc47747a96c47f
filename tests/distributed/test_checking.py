"""`finish` and `verify` find every way in which a row can be missing, twice or another's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtcnn_fast import ConfigError, DataError
from mtcnn_fast.distributed import finish, plan, run, verify
from support.batches import SETTINGS, album, batch


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A finished batch of three shards, of which the second has an image that cannot be read."""
    plan([album(tmp_path / "photos", 6, damaged=(3,))], tmp_path / "out", shard_images=2, **SETTINGS)
    run(tmp_path / "out", workers=0, progress=False)
    return tmp_path / "out"


def part(out: Path, index: int) -> Path:
    return out / "data" / f"part-{index:06d}.parquet"


def rewrite(out: Path, change: Callable[[Any], Any], facts: dict[str, Any] | None = None) -> None:
    """Write the second part anew with another table, or other facts."""
    import pyarrow.parquet as pq

    path = part(out, 1)
    table = pq.ParquetFile(path).read()
    kept = {**json.loads(table.schema.metadata[b"mtcnn_fast"]), **(facts or {})}
    pq.write_table(change(table).replace_schema_metadata({b"mtcnn_fast": json.dumps(kept)}), path)


def same(table: Any) -> Any:
    return table


def with_column(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[Any], Any]:
    def changed(table: Any) -> Any:
        import pyarrow as pa

        index = table.column_names.index(name)
        field = table.schema.field(name)
        return table.set_column(index, field, pa.array(change(table.column(name).to_pylist()), field.type))

    return changed


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


DAMAGES: dict[str, tuple[Callable[[Path], object], str, bool]] = {
    "a missing part": (lambda out: part(out, 1).unlink(), "part-000001.parquet is missing", True),
    "a torn part": (lambda out: torn(part(out, 1)), "part-000001.parquet cannot be read", True),
    "a part in place of another": (
        lambda out: shutil.copy(part(out, 0), part(out, 1)),
        "part-000001.parquet has shard 0, the plan 1",
        True,
    ),
    "a part twice": (
        lambda out: shutil.copy(part(out, 1), out / "data" / "part-000001-copy.parquet"),
        "data/part-000001-copy.parquet is no part of the plan",
        True,
    ),
    "a row too few": (lambda out: rewrite(out, lambda table: table.slice(1)), "has 1 rows for 2 inputs", True),
    "a part of another plan": (lambda out: rewrite(out, same, {"plan": "x"}), "has plan 'x', the plan", True),
    "other settings": (lambda out: rewrite(out, same, {"settings": "x"}), "has settings 'x', the plan", True),
    "rows of other settings": (
        lambda out: rewrite(out, with_column("settings", lambda values: ["x", *values[1:]])),
        "has rows of other settings",
        False,
    ),
    "rows in another order": (
        lambda out: rewrite(out, lambda table: table.take([1, 0])),
        "row 0 is of",
        False,
    ),
    "a row twice": (lambda out: rewrite(out, lambda table: table.take([0, 0])), "row 1 is of", False),
    "other columns": (lambda out: rewrite(out, lambda table: table.drop_columns(["error"])), "other columns", False),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damages_are_found(damage: str, out: Path) -> None:
    assert verify(out).ok
    harm, message, found_by_finish = DAMAGES[damage]
    harm(out)
    found = verify(out)
    assert not found.ok
    assert any(message in problem for problem in found.problems), found.problems
    if found_by_finish:
        with pytest.raises(DataError, match="the batch is not finished"):
            finish(out)
        assert not (out / "manifest.json").exists()


def test_the_command_names_a_damage(out: Path) -> None:
    part(out, 1).unlink()
    text = batch("verify", "--out", out, ending=1)
    assert "mtcnn-fast: data/part-000001.parquet is missing" in text
    assert "4 rows for 6 inputs" in text
    assert "run it again to resume" in batch("finish", "--out", out, ending=1)


def test_another_result_is_found_by_computing_again(out: Path) -> None:
    rewrite(out, with_column("scores", lambda values: [[score - 1e-6 for score in values[0]], *values[1:]]))
    assert verify(out).ok
    found = verify(out, recompute=None)
    assert found.recomputed == 6
    assert [problem for problem in found.problems if "has another result than computed here" in problem] != []


def test_the_digest_is_of_the_results_alone(out: Path, tmp_path: Path) -> None:
    first = verify(out).digest
    rewrite(out, with_column("seconds", lambda values: [value + 1 for value in values]))
    assert verify(out).digest == first
    rewrite(out, with_column("scores", lambda values: [[0.5] * len(values[0]), *values[1:]]))
    assert verify(out).digest != first


def test_what_is_counted(out: Path) -> None:
    found = verify(out, recompute=2)
    assert (found.inputs, found.rows, found.errors, found.recomputed) == (6, 6, 1, 2)
    assert sum(found.engines.values()) == 3
    manifest = finish(out)
    assert json.loads((out / "manifest.json").read_text()) == manifest
    assert manifest["rows"] == 6
    assert json.loads(batch("verify", "--out", out, "--json"))["problems"] == []
    assert batch("finish", "--out", out) == "6 rows for 6 inputs in 3 parts\n"
    with pytest.raises(ConfigError, match="recompute must be"):
        verify(out, recompute=-1)

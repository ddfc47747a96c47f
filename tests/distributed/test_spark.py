"""The recipe for Spark in ``docs/scaling.md``: its session runs in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mtcnn_fast.distributed import plan, run
from support.batches import SETTINGS, album, result
from support.data import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark cannot be imported"),
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no java"),
]


def recipe() -> str:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "pyspark" in block]
    return code


@pytest.mark.long
def test_the_recipe_finds_what_a_batch_finds(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    photos = album(tmp_path / "photos", 9, damaged=(4,))
    code = recipe().replace('"s3a://bucket/photos"', repr(str(photos))).replace(
        '"s3a://bucket/faces"', repr(str(tmp_path / "faces"))
    ).replace("FaceDetector()", f"FaceDetector(**{SETTINGS})")  # fmt: skip
    variables = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_HOSTNAME": "localhost"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {row["path"].removeprefix("file:"): row for row in pq.read_table(tmp_path / "faces").to_pylist()}
    plan([photos], tmp_path / "out", **SETTINGS)
    run(tmp_path / "out", workers=0, progress=False)
    rows = result(tmp_path / "out")
    assert len(found) == len(rows) == 9
    for row in rows:
        other = found[row["path"]]
        assert {name: other[name] for name in ("boxes", "scores", "landmarks", "width", "error")} == {
            name: row[name] for name in ("boxes", "scores", "landmarks", "width", "error")
        }

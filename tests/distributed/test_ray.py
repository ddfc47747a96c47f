"""Three nodes of Ray on this machine: whatever dies, every input has one row, equal to that of a single process."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mtcnn_fast.distributed import plan
from mtcnn_fast.distributed.ray_executor import resources_of, slots_of
from support.batches import SETTINGS, album, batch, check, command, let_go, poisoned_path, result
from support.processes import is_running
from support.ray_nodes import ENVIRONMENT, RayNodes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray cannot be imported (extra ray)"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="nodes are found in /proc, which is Linux's"),
]

#: Images of a job that is under way until the last shard of each node is let go.
IMAGES = 120
LAST = (99, 109, 119)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[RayNodes]:
    with RayNodes(3, PYTHONPATH=poisoned_path(tmp_path / "faulty")) as started:
        yield started


def start(out: Path, nodes: RayNodes) -> subprocess.Popen[str]:
    arguments = command("run", "--out", out, "--executor", "ray", "--ray-address", nodes.address, "--json")
    return subprocess.Popen(
        arguments, env=os.environ | ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            raise AssertionError(process.communicate())
        assert time.monotonic() < limit, "it does not come about"
        time.sleep(0.02)


def parts(out: Path) -> int:
    return len(list(out.glob("data/*.parquet")))


def end(process: subprocess.Popen[str]) -> tuple[dict[str, int], str]:
    """Wait for a run that must succeed; return its report and what it says on standard error."""
    printed, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return json.loads(printed), errors


def test_a_killed_node(tmp_path: Path, nodes: RayNodes) -> None:
    photos, out = album(tmp_path / "photos", IMAGES, damaged=(7,), held=LAST), tmp_path / "out"
    plan([photos], out, shard_images=10, **SETTINGS)
    process = start(out, nodes)
    # In mid-job: a shard of this node is under way, and others are still to come.
    wait(lambda: parts(out) and nodes.busy(2), process)
    nodes.kill(2)
    assert parts(out) < IMAGES // 10
    let_go(tmp_path / "faulty")
    report, errors = end(process)
    assert (report["images"], report["errors"], report["failed"]) == (IMAGES, 1 + len(LAST), {})
    assert report["deaths"] >= 1, errors
    check(out, photos)


def test_an_image_that_ends_its_worker_gets_a_row(tmp_path: Path, nodes: RayNodes) -> None:
    photos, out = album(tmp_path / "photos", 12, poison=(5,)), tmp_path / "out"
    plan([photos], out, shard_images=4, **SETTINGS)
    report, errors = end(start(out, nodes))
    assert (report["images"], report["errors"], report["deaths"]) == (12, 1, 2), errors
    assert result(out)[5]["error"] == "worker died (signal 11)"
    check(out, photos)


@pytest.mark.long
def test_a_killed_driver(tmp_path: Path, nodes: RayNodes) -> None:
    photos, out = album(tmp_path / "photos", IMAGES, held=LAST), tmp_path / "out"
    plan([photos], out, shard_images=10, **SETTINGS)
    process = start(out, nodes)
    wait(lambda: parts(out) >= 2, process)
    process.kill()
    process.communicate(timeout=30)
    before = parts(out)
    assert before < IMAGES // 10
    let_go(tmp_path / "faulty")
    report, _ = end(start(out, nodes))
    assert report["resumed"] >= 10 * 2
    assert report["images"] + report["resumed"] == IMAGES
    check(out, photos)


@pytest.mark.long
def test_a_slow_node_does_not_hold_the_job_up(tmp_path: Path, nodes: RayNodes) -> None:
    photos, out = album(tmp_path / "photos", IMAGES, held=LAST), tmp_path / "out"
    plan([photos], out, shard_images=10, **SETTINGS)
    process = start(out, nodes)
    wait(lambda: parts(out) and nodes.busy(1), process)
    stopped = nodes.busy(1)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    assert stopped
    let_go(tmp_path / "faulty")
    try:
        report, errors = end(process)
    finally:
        for pid in filter(is_running, stopped):
            os.kill(pid, signal.SIGCONT)
    assert report["images"] == IMAGES, errors
    check(out, photos)


@pytest.mark.long
def test_a_full_disk_stops_the_run(tmp_path: Path) -> None:
    photos, out = album(tmp_path / "photos", 9), tmp_path / "out"
    plan([photos], out, shard_images=3, **SETTINGS)
    # A file in place of the folder of the parts: no part can be written.
    (out / "data").write_bytes(b"")
    with RayNodes(1) as nodes:
        process = start(out, nodes)
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 1
        assert "cannot be written" in errors
        (out / "data").unlink()
        assert end(start(out, nodes))[0]["images"] == 9
    check(out, photos)


MAP_BATCHES = """
import json, sys
import ray
from mtcnn_fast.distributed import FaceDetector

ray.init(address=sys.argv[1], log_to_driver=False)
faces = ray.data.read_binary_files(sys.argv[2], include_paths=True).map_batches(
    FaceDetector,
    fn_constructor_kwargs={"device": "cpu", "min_face_size": 40, "factor": 0.6},
    compute=ray.data.ActorPoolStrategy(size=1),
    num_cpus=1,
    batch_size=8,
    batch_format="pyarrow",
)
faces.write_parquet(sys.argv[3])
"""


@pytest.mark.long
def test_map_batches(tmp_path: Path, nodes: RayNodes) -> None:
    import pyarrow.parquet as pq

    photos, out = album(tmp_path / "photos", 20), tmp_path / "out"
    program = [sys.executable, "-c", MAP_BATCHES, nodes.address, str(photos), str(tmp_path / "found")]
    done = subprocess.run(
        program, env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = {row["path"]: row for row in pq.read_table(tmp_path / "found").to_pylist()}
    plan([photos], out, **SETTINGS)
    batch("run", "--out", out, "--workers", 1)
    rows = result(out)
    assert len(found) == len(rows) == 20
    for row in rows:
        other = found[row["path"]]
        assert {name: other[name] for name in row} == row


@pytest.mark.parametrize(
    ("device", "cluster", "needs", "slots"),
    [
        ("cpu", {"CPU": 8.0, "GPU": 1.0}, {"num_cpus": 1}, 8),
        ("auto", {"CPU": 8.0}, {"num_cpus": 1}, 8),
        ("auto", {"CPU": 8.0, "GPU": 1.0}, {"num_cpus": 1, "num_gpus": 0.25}, 4),
        ("cuda", {"CPU": 2.0, "GPU": 1.0}, {"num_cpus": 1, "num_gpus": 0.25}, 2),
    ],
)
def test_what_a_task_asks_for(device: str, cluster: dict[str, float], needs: dict[str, float], slots: int) -> None:
    assert resources_of(device, cluster) == needs
    assert slots_of(needs, cluster) == slots

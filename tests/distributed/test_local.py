"""Processes of one machine: whatever dies, every input has one row, equal to that of a single process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mtcnn_fast import ConfigError, DataError
from mtcnn_fast.distributed import finish, plan, resume, run, verify
from mtcnn_fast.distributed.pending import Pending
from mtcnn_fast.distributed.planning import read_plan
from mtcnn_fast.distributed.stores import Store
from support.batches import SETTINGS, album, batch, check, command, let_go, poisoned_path, result
from support.processes import children_of, is_running

ERROR = "worker died (signal 11)"


def wait_for(condition: object, process: subprocess.Popen[str], seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.005)


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """Run the batch in a folder's ``out``, where `HELD` holds a worker up."""
    return subprocess.Popen(
        command("run", "--out", folder / "out", *arguments),
        env=os.environ | {"PYTHONPATH": poisoned_path(folder / "faulty")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_find_what_one_finds(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 20, damaged=(3, 11))
    plan([photos], tmp_path / "out", shard_images=3, **SETTINGS)
    report = run(tmp_path / "out", workers=2, progress=False)
    assert (report.images, report.errors, report.resumed, report.failed, report.deaths) == (20, 2, 0, {}, 0)
    check(tmp_path / "out", photos)
    again = resume(tmp_path / "out", workers=2, progress=False)
    assert (again.images, again.resumed) == (0, 20)


def test_the_command_does_the_same(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 4)
    settings = ("--device", "cpu", "--min-face-size", 40, "--factor", 0.6)
    text = batch("plan", photos, "--out", tmp_path / "out", "--shard-images", 2, *settings)
    assert text.startswith("4 inputs in 2 shards, settings ")
    for share in ("0/2", "1/2"):
        assert batch("run", "--out", tmp_path / "out", "--workers", 1, "--shards", share).startswith("2 images in ")
    check(tmp_path / "out", photos)


def test_an_image_that_ends_its_process_gets_a_row(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 9, poison=(4, 5), damaged=(6,))
    plan([photos], tmp_path / "out", shard_images=3, **SETTINGS)
    text = batch("run", "--out", tmp_path / "out", "--workers", 2, PYTHONPATH=poisoned_path(tmp_path / "faulty"))
    assert "9 images" in text
    assert text.count("worker died (signal 11); it is done again") == 2
    rows = result(tmp_path / "out")
    assert [row["error"] for row in rows].count(ERROR) == 2
    check(tmp_path / "out", photos)


def test_an_image_that_ends_the_run_itself_is_found_by_the_third(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 6, poison=(2,))
    plan([photos], tmp_path / "out", shard_images=3, **SETTINGS)
    environment = {"PYTHONPATH": poisoned_path(tmp_path / "faulty")}
    arguments = ("run", "--out", tmp_path / "out", "--workers", 0)
    for _ in range(2):
        batch(*arguments, ending=-signal.SIGSEGV, **environment)
    batch(*arguments, **environment)
    check(tmp_path / "out", photos)


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 9, held=(5,))
    plan([photos], tmp_path / "out", shard_images=9, **SETTINGS)
    process = start(tmp_path, "--workers", 1, "--json")
    wait_for(lambda: list((tmp_path / "out").glob("attempts/*")), process)
    (worker,) = children_of(process.pid)
    os.kill(worker, signal.SIGKILL)
    let_go(tmp_path / "faulty")
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "worker died (signal 9); it is done again" in errors
    assert json.loads(printed)["deaths"] == 1
    check(tmp_path / "out", photos)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_resumes(number: signal.Signals, tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 60, held=(55,))
    plan([photos], tmp_path / "out", shard_images=10, **SETTINGS)
    process = start(tmp_path, "--workers", 2)
    wait_for(lambda: list((tmp_path / "out").glob("data/*.parquet")), process)
    workers = children_of(process.pid)
    assert len(workers) == 2
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    if number == signal.SIGINT:
        assert "interrupted: the same command resumes" in errors
        assert list((tmp_path / "out" / "attempts").iterdir()) == []
    limit = time.monotonic() + 30
    while any(map(is_running, workers)):
        assert time.monotonic() < limit, "a worker outlives its run"
        time.sleep(0.05)
    with pytest.raises(DataError, match=r"the batch is not finished: data/part-.* is missing"):
        finish(tmp_path / "out")
    assert not verify(tmp_path / "out").ok
    report = resume(tmp_path / "out", workers=2, progress=False)
    assert report.resumed >= 10
    assert report.images + report.resumed == 60
    check(tmp_path / "out", photos)


def test_the_shares_of_an_array_are_the_whole(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 10)
    plan([photos], tmp_path / "out", shard_images=2, **SETTINGS)
    for number, images in ((0, 4), (1, 4), (2, 2)):
        assert run(tmp_path / "out", workers=0, shards=(number, 3), progress=False).images == images
    check(tmp_path / "out", photos)


def limited(bytes_of_a_file: int) -> list[str]:
    return ["bash", "-c", f'ulimit -f {bytes_of_a_file // 1024 or 1}; exec "$@"', "bash"]


def test_a_full_disk_stops_the_run_and_the_next_resumes(tmp_path: Path) -> None:
    """Files may have 1024 bytes here: the write fails half way, as on a full disk."""
    photos = album(tmp_path / "photos", 9)
    plan([photos], tmp_path / "out", shard_images=3, **SETTINGS)
    arguments = command("run", "--out", tmp_path / "out", "--workers", 2)
    done = subprocess.run([*limited(1024), *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stderr
    assert re.search(r"part-\d+\.parquet: cannot be written \(File too large\); running again resumes", done.stderr)
    assert list((tmp_path / "out" / "data").iterdir()) == []
    run(tmp_path / "out", workers=1, progress=False)
    check(tmp_path / "out", photos)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
def test_a_full_file_system(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 9)
    out = tmp_path / "out"
    out.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", out], check=False).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    try:
        plan([photos], out, shard_images=3, **SETTINGS)
        room = os.statvfs(out)
        (out / "other").write_bytes(bytes(room.f_bavail * room.f_frsize))
        text = batch("run", "--out", out, "--workers", 2, ending=1)
        assert "No space left on device" in text
        assert list(out.glob("data/*")) == []
        (out / "other").unlink()
        run(out, workers=1, progress=False)
        check(out, photos)
    finally:
        subprocess.run(["umount", out], check=True)


def test_a_worker_that_cannot_start_is_no_fault_of_the_images(tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 2)
    plan([photos], tmp_path / "out", **SETTINGS)
    broken = tmp_path / "broken"
    broken.mkdir()
    # A worker runs a program given by -c, the command runs as a module.
    (broken / "sitecustomize.py").write_text("import os, sys\nif '-c' in sys.orig_argv:\n    os._exit(3)\n")
    path = os.pathsep.join(filter(None, [str(broken), os.environ.get("PYTHONPATH")]))
    text = batch("run", "--out", tmp_path / "out", ending=1, PYTHONPATH=path)
    assert "a worker cannot start: worker died (exit status 3)" in text
    assert not (tmp_path / "out" / "data").exists()


def test_a_store_that_fails_is_no_fault_of_the_images(tmp_path: Path) -> None:
    """A planned shard that cannot be read fails; no image of it gets a row, isolated or not."""
    photos = album(tmp_path / "photos", 4)
    plan([photos], tmp_path / "out", shard_images=2, **SETTINGS)
    shard = tmp_path / "out" / "plan" / "shard-000001.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(b"torn")
    for _ in range(2):
        Pending(Store(str(tmp_path / "out")), read_plan(tmp_path / "out"), (0, 1)).mark(1)
    report = run(tmp_path / "out", workers=1, progress=False)
    assert report.deaths == 0
    assert list(report.failed) == [1]
    assert "ArrowInvalid" in report.failed[1]
    shard.write_bytes(whole)
    run(tmp_path / "out", workers=1, progress=False)
    check(tmp_path / "out", photos)


def test_progress_is_a_line_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mtcnn_fast.distributed.progress_report.EVERY", 0.0)
    plan([album(tmp_path / "photos", 4, damaged=(1,))], tmp_path / "out", shard_images=2, **SETTINGS)
    run(tmp_path / "out", workers=1)
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(
        r"mtcnn-fast: 4 of 4 images \(100\.0 %\), [\d.,]+ images/s, 0:00:00 left, 1 error, 1 node", last
    )


def test_a_bar_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mtcnn_fast.distributed.progress_report.is_shown", lambda: True)
    monkeypatch.setattr("mtcnn_fast.progress.is_shown", lambda: True)
    plan([album(tmp_path / "photos", 4, damaged=(1,))], tmp_path / "out", shard_images=2, **SETTINGS)
    run(tmp_path / "out", workers=0)
    assert "1 error, 1 node" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"executor": "slurm"}, "executor must be one of local, ray|executor must be"),
        ({"workers": -1}, "workers must be"),
        ({"shards": (2, 2)}, r"shards must be \(i, n\) with i from 0 to n - 1, got \(2, 2\)"),
        ({"shards": "1/2"}, "shards must be"),
        ({"executor": "ray", "workers": 0}, "workers must be"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], message: str, tmp_path: Path) -> None:
    plan([album(tmp_path / "photos", 1)], tmp_path / "out", **SETTINGS)
    with pytest.raises(ConfigError, match=message):
        run(tmp_path / "out", **arguments)  # type: ignore[arg-type]


def test_wrong_options(tmp_path: Path) -> None:
    batch("plan", album(tmp_path / "photos", 1), "--out", tmp_path / "out")
    assert "must be I/N" in batch("run", "--out", tmp_path / "out", "--shards", "3/3", ending=2)
    assert "must be a number or all" in batch("verify", "--out", tmp_path / "out", "--recompute", "x", ending=2)
    assert "--min-face-size" in batch(
        "plan", tmp_path / "photos", "--out", tmp_path / "b", "--min-face-size", 0, ending=2
    )


def test_marks_of_killed_runs_are_counted(tmp_path: Path) -> None:
    plan([album(tmp_path / "photos", 4)], tmp_path / "out", shard_images=2, **SETTINGS)
    store, made = Store(str(tmp_path / "out")), read_plan(tmp_path / "out")
    for _ in range(2):
        Pending(store, made, (0, 1)).mark(1)
    third = Pending(store, made, (0, 1))
    assert (third.is_isolated(0), third.is_isolated(1)) == (False, True)
    assert [third.gives_up(1, died=True) for _ in range(6)] == [False] * 5 + [True]

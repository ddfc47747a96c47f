"""Standard streams that are closed, full or narrow, and missing folders: one line and the right exit code."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support.cli import QUICKLY
from support.portrait import portrait

pytestmark = pytest.mark.skipif(os.name != "posix", reason="redirections are those of a POSIX shell")

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")

FULL = "mtcnn-fast: standard output cannot be written (No space left on device)\n"
CLOSED = "mtcnn-fast: standard output cannot be written (it is closed)\n"


def shell(command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``mtcnn-fast`` with arguments and redirections as a shell reads them."""
    program = f"{shlex.quote(sys.executable)} -m mtcnn_fast {command}"
    # A relative path would be looked for in the folder of the test.
    paths = os.pathsep.join(str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep))
    variables = os.environ | {"PYTHONPATH": paths} | environment
    return subprocess.run(
        ["/bin/sh", "-c", program], cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(portrait()).save(tmp_path / "photo.png")
    return tmp_path


DETECT = f"detect photo.png --jsonl {' '.join(QUICKLY)}"


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (f"{DETECT} >&-", 1, CLOSED),
        ("--version >&-", 1, CLOSED),
        ("info >&-", 1, CLOSED),
        pytest.param(f"{DETECT} >/dev/full", 1, FULL, marks=needs_full),
        pytest.param("detect photo.png --device numpy >/dev/full", 1, FULL, marks=needs_full),
        pytest.param("--help >/dev/full", 1, FULL, marks=needs_full),
        pytest.param("detect --help >/dev/full", 1, FULL, marks=needs_full),
        pytest.param("info --json >/dev/full", 1, FULL, marks=needs_full),
    ],
)
def test_results_that_cannot_be_printed(command: str, code: int, message: str, folder: Path) -> None:
    done = shell(command, folder)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", message)


@pytest.mark.parametrize("where", ["2>&-", pytest.param("2>/dev/full", marks=needs_full), "<&-", "<&- 2>&-"])
def test_success_is_success_without_standard_error_or_input(where: str, folder: Path) -> None:
    done = shell(f"{DETECT} {where}", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["faces"]) == 1


@pytest.mark.parametrize("where", ["2>&-", pytest.param("2>/dev/full", marks=needs_full)])
def test_a_failure_keeps_its_code_without_standard_error(where: str, folder: Path) -> None:
    done = shell(f"{DETECT} nowhere {where}", folder)
    assert done.returncode == 1
    assert [len(json.loads(line)["faces"]) for line in done.stdout.splitlines()] == [1, 0]
    assert shell(f"detect --nonsense {where}", folder).returncode == 2


def test_closed_standard_input_fails_where_it_is_to_be_read(folder: Path) -> None:
    done = shell(f"detect - photo.png --jsonl {' '.join(QUICKLY)} <&-", folder)
    assert done.returncode == 1
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["error"] == "standard input cannot be read (it is closed)"
    assert len(second["faces"]) == 1


def test_a_file_never_takes_the_place_of_a_closed_stream(folder: Path) -> None:
    done = shell(f"{DETECT} --draw -o out 2>&- <&-", folder)
    assert done.returncode == 0
    with Image.open(folder / "out" / "photo_faces.png") as picture:
        picture.load()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_narrow_encodings_lose_no_line(encoding: str, folder: Path) -> None:
    name = "日本 ümläut.png"
    (folder / "photo.png").rename(folder / name)
    narrow = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    for form in ("", "--csv", "--json"):
        done = shell(f"detect '{name}' nowhere-日本 {form} {' '.join(QUICKLY)}", folder, **narrow)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 2
        assert len(done.stdout.splitlines()) >= 3
    done = shell("evaluate 日本", folder, **narrow)
    assert done.returncode == 2
    assert "No such command" in done.stderr


def test_a_deleted_working_folder(folder: Path) -> None:
    gone = folder / "gone"
    script = f"mkdir gone && cd gone && rmdir ../gone && exec {shlex.quote(sys.executable)} -m mtcnn_fast"
    paths = os.pathsep.join(str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep))

    def run(arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", f"{script} {arguments}"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    photo = folder / "photo.png"
    done = run(f"detect {photo} --jsonl {' '.join(QUICKLY)}")
    assert (done.returncode, done.stderr) == (0, "")
    done = run(f"detect {photo} --draw -o {folder / 'out'} --jsonl {' '.join(QUICKLY)}")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "out" / "photo_faces.png").exists()
    for arguments in ("detect a.png --draw -o out", "detect . --jsonl", "detect a.png"):
        done = run(f"{arguments} {' '.join(QUICKLY)}")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert 1 <= len(done.stderr.splitlines()) <= 2
    assert not gone.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user whom permissions stop")
def test_an_unwritable_folder(folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o500)
    done = shell(f"{DETECT} --draw -o locked/out", folder)
    assert done.returncode == 1
    assert "locked/out" in json.loads(done.stdout)["error"]
    assert "Permission denied" in json.loads(done.stdout)["error"]


def test_a_folder_within_a_file_is_refused_before_work(folder: Path) -> None:
    done = shell(f"{DETECT} --draw -o photo.png/out", folder)
    assert done.returncode == 1
    record = json.loads(done.stdout)
    assert len(record["faces"]) == 1
    assert "Not a directory" in record["error"]
    done = shell("explain photo.png -o photo.png/out --device numpy", folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "mtcnn-fast: 'photo.png/out': Not a directory\n"

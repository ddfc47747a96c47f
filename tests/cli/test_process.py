"""The command as a process of its own: standard streams, signals, closed pipes and terminals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

import mtcnn_fast
from support.cli import QUICKLY
from support.portrait import portrait

COMMAND = [sys.executable, "-m", "mtcnn_fast"]
#: A score and a box in the table.
ROW = r" 1  0\.99\d\d(  +-?\d+\.\d){4}"

needs_posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals are those of POSIX")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(portrait()).save(path)
    return path


def run(*arguments: object, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    command: Sequence[str | bytes] = [*COMMAND, *(a if isinstance(a, bytes) else str(a) for a in arguments)]
    return subprocess.run(command, input=stdin, cwd=cwd, capture_output=True, check=False, timeout=120)


def test_module_is_the_command() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout.decode().strip()) == (0, f"mtcnn-fast {mtcnn_fast.__version__}")


def test_usage_calls_it_by_its_name() -> None:
    done = run("detect")
    assert done.returncode == 2
    assert b"Usage: mtcnn-fast detect" in done.stderr


def test_standard_input_and_silence_when_piped(photo: Path) -> None:
    done = run("detect", "-", "--jsonl", *QUICKLY, stdin=photo.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    record = json.loads(done.stdout)
    assert (record["path"], len(record["faces"])) == ("-", 1)


def test_names_that_are_no_text(photo: Path) -> None:
    name = b"\xe9t\xe9.png"
    os.rename(photo, os.path.join(os.fsencode(photo.parent), name))  # noqa: PTH104, PTH118
    done = run("detect", name, "--csv", *QUICKLY, cwd=photo.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith(name)
    done = run("detect", ".", "--json", *QUICKLY, cwd=photo.parent)
    assert os.fsencode(json.loads(done.stdout)[0]["path"]) == b"./" + name
    done = run("detect", name, *QUICKLY, cwd=photo.parent)
    assert done.stdout.splitlines()[1].startswith(b"\\xe9t\\xe9.png ")


def test_fallback_of_auto_is_named_once(photo: Path) -> None:
    program = "import sys; sys.modules['mtcnn_fast._cpu'] = None; from mtcnn_fast.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "detect", photo, photo, *QUICKLY[2:]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.startswith("mtcnn-fast: the native module mtcnn_fast._cpu is not part of this installation")
    assert len(done.stderr.splitlines()) == 1


@needs_posix
def test_interrupted(photo: Path) -> None:
    """Ctrl-C ends with 130, a list that is closed, and no traceback."""
    with subprocess.Popen(
        [*COMMAND, "detect", *[photo] * 5000, "--json", *QUICKLY], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        start = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b"mtcnn-fast: interrupted\n"
    records = json.loads(b"".join([*start, out]))
    assert 2 <= len(records) < 5000
    assert all(len(record["faces"]) == 1 for record in records)


@needs_posix
@pytest.mark.parametrize("form", ["--json", "--csv", None])
def test_reader_that_stops(form: str | None, photo: Path) -> None:
    """What ``| head -1`` does to the command."""
    arguments = [*COMMAND, "detect", *[photo] * 200, *([form] if form else []), *QUICKLY]
    # A pipe that holds less than is printed: the command cannot have ended before its reader leaves.
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=4096) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


@needs_posix
class TestTerminal:
    """What a terminal of 80 columns shows."""

    @staticmethod
    def show(*arguments: object, terminal_out: bool) -> tuple[int, str, bytes]:
        """Run with standard error, and perhaps output, on a terminal; return code, screen and what else was printed."""
        import fcntl
        import pty
        import struct
        import termios

        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        environment = {
            name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")
        }
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=slave if terminal_out else subprocess.PIPE,
            stderr=slave,
            env=environment | {"TERM": "xterm"},
        )
        os.close(slave)
        screen = b""
        limit = time.monotonic() + 120
        while time.monotonic() < limit:
            try:
                piece = os.read(master, 65536)
            # Linux says so when the other end of a terminal is closed.
            except OSError:
                break
            if not piece:
                break
            screen += piece
        os.close(master)
        rest = process.stdout.read() if process.stdout else b""
        if process.stdout:
            process.stdout.close()
        return process.wait(60), screen.decode(), rest

    def test_bar_with_rate_and_time_left(self, photo: Path) -> None:
        code, screen, rest = self.show("detect", *[photo] * 4, "--jsonl", *QUICKLY, terminal_out=False)
        assert code == 0
        assert "4/4" in screen
        assert re.search(r"\d images/s, 00:\d\d left", screen)
        assert "4 images, 4 faces in " in screen
        assert len(rest.splitlines()) == 4
        assert b"\x1b" not in rest

    def test_results_above_the_bar(self, photo: Path) -> None:
        code, screen, _ = self.show("detect", *[photo] * 3, *QUICKLY, terminal_out=True)
        assert code == 0
        assert "3/3" in screen
        assert len(re.findall(ROW, screen)) == 3
        assert "3 images, 3 faces in " in screen

    def test_long_names_are_shortened_to_the_columns(self, photo: Path) -> None:
        deep = photo.parent / ("x" * 60) / "end.png"
        deep.parent.mkdir()
        photo.rename(deep)
        code, screen, _ = self.show("detect", deep, *QUICKLY, terminal_out=True)
        assert code == 0
        (row,) = [line for line in screen.splitlines() if re.search(ROW, line)]
        row = row[row.index("…") :]
        assert row.startswith("…xxx")
        assert "/end.png " in row
        assert len(row.rstrip()) <= 80

    def test_pictures_and_failures_are_named(self, photo: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        code, screen, _ = self.show("detect", photo, "nowhere", "--draw", "--out", out, *QUICKLY, terminal_out=True)
        assert code == 1
        assert "1 image, 1 face in " in screen
        assert "pictures in " in screen
        assert "1 input failed:" in screen

    def test_image_on_standard_input_cannot_be_typed(self) -> None:
        import pty

        master, slave = pty.openpty()
        done = subprocess.run([*COMMAND, "detect", "-"], stdin=slave, capture_output=True, check=False, timeout=60)
        os.close(slave)
        os.close(master)
        assert done.returncode == 2
        assert b"reads an image from standard input" in done.stderr

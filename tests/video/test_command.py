"""``mtcnn-fast video``: what it prints, how it ends, and that its threads work side by side."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.cli import QUICKLY, run
from support.clips import decoded, need_av, scenes, write_clip

COMMAND = ["video", *QUICKLY, "--device", "cpu", "--num-threads", "1"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_av()
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes(12), sound=True)


def process(*arguments: object, **settings: object) -> subprocess.Popen[bytes]:
    """Start the command; its pipes hold little, so that it waits for a test that reads slowly."""
    command = [sys.executable, "-m", "mtcnn_fast", *COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=4096, **settings)


def test_json_lines(clip: Path) -> None:
    records = [json.loads(line) for line in run(*COMMAND, clip, "--jsonl", "--track").stdout.splitlines()]
    assert [record["frame"] for record in records] == list(range(12))
    assert [record["seconds"] for record in records] == [round(n / 25, 6) for n in range(12)]
    assert [face["id"] for record in records for face in record["faces"]] == [1] * 12
    assert (records[0]["width"], records[0]["height"]) == (192, 144)


def test_parquet(clip: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="--parquet needs pyarrow")
    path = write_clip(tmp_path / "clip.mp4", [*scenes(3), *scenes(2, with_face=False)])
    done = process(path, "--parquet", "--track")
    out, errors = done.communicate(timeout=120)
    assert (done.returncode, errors) == (0, b"")
    table = parquet.read_table(io.BytesIO(out)).to_pydict()
    assert table["frame"] == [0, 1, 2, 3, 4]
    # A frame without a face has a row too.
    assert table["id"] == [1, 1, 1, None, None]
    assert table["score"][3] is None
    expected = json.loads(run(*COMMAND, path, "--jsonl").stdout.splitlines()[0])["faces"][0]
    assert [table[name][0] for name in ("x1", "y1", "x2", "y2")] == expected["box"]
    assert [table["nose_x"][0], table["nose_y"][0]] == expected["landmarks"][2]


def test_the_table_for_people(clip: Path) -> None:
    lines = run(*COMMAND, clip, "--stop", 0.1).stdout.splitlines()
    assert lines[0].split() == ["frame", "seconds", "id", "score", "x1", "y1", "x2", "y2"]
    assert [line.split()[:3] for line in lines[1:]] == [["0", "0.000", "-"], ["1", "0.040", "-"], ["2", "0.080", "-"]]


def test_key_frames(clip: Path) -> None:
    text = run(*COMMAND, clip, "--jsonl", "--track", "--detect-every", 4).stdout
    assert [len(json.loads(line)["faces"]) for line in text.splitlines()] == [1] * 12


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.mp4"], 1, "none.mp4: no such file or directory"),
        (["clip.mp4", "--draw"], 2, "'--out': --draw needs a file to write to"),
        (["clip.mp4", "-o", "x.mp4"], 2, "'--out': say what to do with the faces"),
        (["clip.mp4", "--draw", "--blur", "-o", "x.mp4"], 2, "--draw and --blur exclude each other"),
        (["clip.mp4", "--jsonl", "--parquet"], 2, "--jsonl and --parquet exclude each other"),
        (["clip.mp4", "--draw", "-o", "x.xyz"], 2, "'--out': out must end in .mp4"),
        (["clip.mp4", "--draw", "-o", "no/x.mp4"], 2, "'--out': there is no folder 'no'"),
        (["clip.mp4", "--draw", "-o", "clip.mp4"], 2, "'--out': is the input"),
        (["clip.mp4", "--draw", "-o", "x.mp4", "--codec", "xyz"], 2, "'--codec': codec must be a video encoder"),
        (["clip.mp4", "--draw", "-o", "x.webm"], 1, "x.webm: .webm holds no audio of the kind aac"),
        (["clip.mp4", "--draw", "-o", "x%.png"], 2, "'--out': out must have one place for a number"),
        (["clip.mp4", "--start", "2", "--stop", "1"], 2, "'--stop': stop must be above start=2"),
        (["clip.mp4", "--stride", "0"], 2, "stride must be a whole number of at least 1"),
        (["clip.mp4", "--detect-every", "2"], 2, "'--detect-every': needs --track"),
        (["notes.txt"], 1, "notes.txt: "),
    ],
)
def test_failures_are_one_line(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip.mp4").write_bytes(clip.read_bytes())
    Path("notes.txt").write_text("no video\n" * 50)
    result = run(*COMMAND, *arguments, ending=code)
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    if code == 1:
        assert len(result.stderr.splitlines()) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip.mp4", "notes.txt"]


def test_damage_is_reported_and_the_rest_is_done(tmp_path: Path) -> None:
    av = need_av()
    path = write_clip(tmp_path / "clip.mp4", scenes(20), codec="mpeg4", options={"g": "1"})
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for number in (4, 5, 11):
        place, size = places[number]
        data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    done = process(path, "--blur", "-o", tmp_path / "out.mp4", "--jsonl")
    out, errors = done.communicate(timeout=120)
    assert done.returncode == 0
    assert [json.loads(line)["frame"] for line in out.splitlines()] == [n for n in range(20) if n not in (4, 5, 11)]
    assert errors.count(b"is damaged; skipped") == 3
    assert b"3 damaged packets or frame(s) skipped" in errors
    # The others are at their own times.
    assert [round(25 * frame.time) for frame in decoded(tmp_path / "out.mp4")] == [
        n for n in range(20) if n not in (4, 5, 11)
    ]


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT for a process alone on Windows")
def test_ctrl_c_leaves_a_playable_file(tmp_path: Path) -> None:
    need_av()
    path = write_clip(tmp_path / "clip.mp4", scenes(250), sound=True)
    out = tmp_path / "out.mp4"
    running = process(path, "--blur", "-o", out, "--jsonl")
    for _ in range(25):
        assert running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    count = len(decoded(out))
    assert 20 <= count < 250
    assert errors.decode().strip() == f"mtcnn-fast: interrupted: {out} holds the first {count} frames"
    assert [file.name for file in tmp_path.iterdir() if "partial" in file.name] == []


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGPIPE on Windows")
def test_a_reader_that_leaves(tmp_path: Path) -> None:
    need_av()
    path = write_clip(tmp_path / "clip.mp4", scenes(100))
    running = process(path, "--jsonl")
    running.stdout.readline()
    running.stdout.close()
    assert running.wait(timeout=60) == 141
    assert running.stderr.read() == b""
    running.stderr.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_full_disk(tmp_path: Path, clip: Path) -> None:
    """A file that cannot grow is named in one line, and nothing of it is left."""
    resource = pytest.importorskip("resource", reason="limits of file sizes are those of POSIX")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    # The records of a measurement of coverage could not grow either.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    running = process(clip, "--draw", "-o", tmp_path / "out.mp4", preexec_fn=limit, env=environment)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert len(errors.splitlines()) == 1
    assert b"out.mp4: cannot be written (File too large)" in errors
    assert list(tmp_path.iterdir()) == []


def test_decoding_and_encoding_run_beside_the_detection(tmp_path: Path) -> None:
    """Each thread computes, and the detection does not wait for the others: counted, not timed."""
    need_av()
    path = write_clip(tmp_path / "clip.mp4", scenes(40))
    program = """
import sys, threading, time
from mtcnn_fast.video import queues
used = {}
def counted(work):
    def run(self):
        work(self)
        used[threading.current_thread().name] = time.thread_time()
    return run
queues.Ahead._read = counted(queues.Ahead._read)
queues.Behind._run = counted(queues.Behind._run)
from mtcnn_fast.cli import app
app(sys.argv[1:], standalone_mode=False)
print(sorted(used), all(value > 0.0005 for value in used.values()), time.thread_time() > 0.05)
"""
    arguments = [*COMMAND, str(path), "--blur", "-o", str(tmp_path / "out.mp4")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mtcnn-fast-decode', 'mtcnn-fast-encode'] True True"


@pytest.mark.skipif(os.name == "nt", reason="pseudo terminals are those of POSIX")
def test_progress_with_time_left_on_a_terminal(tmp_path: Path) -> None:
    need_av()
    import fcntl
    import pty
    import struct
    import termios

    path = write_clip(tmp_path / "clip.mp4", scenes(60))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    command = [sys.executable, "-m", "mtcnn_fast", *COMMAND, str(path), "--blur", "-o", str(tmp_path / "out.mp4")]
    running = subprocess.Popen(command, stderr=slave, stdout=subprocess.DEVNULL)
    os.close(slave)
    shown = b""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert running.wait(timeout=60) == 0
    assert b"/60 " in shown
    assert b"left" in shown
    assert b"60 frames, 60 faces in" in shown

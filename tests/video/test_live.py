"""Streams: opened again where they break off, given up where they stay away, dropped frames where nobody keeps pace."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from mtcnn_fast import ConfigError, Detector, VideoError
from mtcnn_fast.video.frames import Decoded, Still
from mtcnn_fast.video.live import Reconnecting
from mtcnn_fast.video.queues import Ahead, Behind
from mtcnn_fast.video.reader import Damage
from mtcnn_fast.video.reading import Reading
from support.clips import need_av, scene, scenes, write_clip
from support.portrait import QUICK

BASE = Fraction(1, 10)


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    with Detector(num_threads=1, **QUICK) as made:
        yield made


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Camera:
    """A source of some frames, a tenth of a second apart, that then ends or fails."""

    def __init__(self, clock: Clock, count: int, problem: str | None = None) -> None:
        self.damage = Damage()
        self.rate = Fraction(10)
        self.sounds: list[object] = []
        self.closed = False
        self._clock, self._count, self._problem = clock, count, problem

    def __iter__(self) -> Iterator[Decoded]:
        for number in range(self._count):
            self._clock.sleep(0.1)
            # Each connection counts its times from another beginning.
            yield Decoded(number, 7 + number / 10, Still(scene(number)), 70 + number, BASE)
        if self._problem:
            raise VideoError(self._problem)

    def close(self) -> None:
        self.closed = True


def stream(clock: Clock, connections: list[Camera | VideoError], **settings: float) -> Reconnecting:
    def connect() -> Camera:
        if not connections:
            raise VideoError("camera: is gone")
        found = connections.pop(0)
        if isinstance(found, VideoError):
            raise found
        return found

    return Reconnecting(connect, "camera", Reading(**settings), clock=clock, sleep=clock.sleep)


def test_numbers_and_times_go_on_over_an_interruption(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    first, second = Camera(clock, 3, "reading failed"), Camera(clock, 2)
    source = stream(clock, [first, VideoError("not yet"), VideoError("not yet"), second], reconnect=5)
    items = list(source)
    assert [item.index for item in items] == [0, 1, 2, 3, 4]
    # It was away for 0.25 + 0.5 + 1 seconds, and the next frame took a tenth.
    assert [item.seconds for item in items] == pytest.approx([0, 0.1, 0.2, 2.05, 2.15])
    assert [float(item.pts * item.time_base) for item in items] == pytest.approx([0, 0.1, 0.2, 2.0, 2.1], abs=0.051)
    assert first.closed
    assert second.closed
    assert "camera: broke off and was opened again (reading failed)" in caplog.messages


def test_a_stream_that_stays_away_is_an_error() -> None:
    clock = Clock()
    source = stream(clock, [Camera(clock, 2, "reading failed")], reconnect=3)
    items = []
    with pytest.raises(VideoError, match="reading failed"):
        items.extend(source)
    assert len(items) == 2
    assert clock.now - 100.2 == pytest.approx(3)


def test_a_stream_that_ends_and_stays_away_is_over() -> None:
    clock = Clock()
    assert len(list(stream(clock, [Camera(clock, 2)], reconnect=3))) == 2
    assert len(list(stream(clock, [Camera(clock, 2), Camera(clock, 9)], reconnect=0))) == 2


def test_a_part_of_a_stream() -> None:
    clock = Clock()
    items = list(stream(clock, [Camera(clock, 20)], start=0.45, stop=0.95))
    assert [item.index for item in items] == [5, 6, 7, 8, 9]


def test_a_stream_that_is_not_there() -> None:
    with pytest.raises(VideoError, match="is gone"):
        stream(Clock(), [])


def test_frames_are_dropped_where_nobody_keeps_pace() -> None:
    def quick() -> Iterator[int]:
        yield from range(200)

    with Ahead(quick(), 2, lambda item: True) as ahead:
        while ahead.dropped < 198:
            time.sleep(0.001)
        assert list(ahead) == [198, 199]


def test_a_queue_holds_no_more_than_it_may() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    with Ahead(items(), 4) as ahead:
        for taken, item in enumerate(ahead):
            assert item == taken
            # Those that wait, the one being put, and the one just taken.
            assert len(read) <= taken + 6
            if taken == 50:
                break
    assert len(read) < 60


def test_errors_of_the_threads_come_to_the_caller() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise VideoError("torn")

    with Ahead(failing(), 4) as ahead:
        items = iter(ahead)
        assert next(items) == 1
        with pytest.raises(VideoError, match="torn"):
            next(items)

    def refuse(item: int) -> None:
        raise VideoError(f"full at {item}")

    behind = Behind(refuse, 2)
    behind.put(0)
    with pytest.raises(VideoError, match="full at 0"):
        behind.finish()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


@contextlib.contextmanager
def serving(answer) -> Iterator[str]:
    """Serve on a loopback port; `answer` gets the handler of each GET."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_file_from_a_server_that_breaks_off(detector: Detector, tmp_path: Path) -> None:
    """Each connection gives a part only; the rest is asked for again."""
    need_av()
    data = write_clip(tmp_path / "clip.mp4", scenes(30), options={"crf": "1"}).read_bytes()
    share = len(data) // 3
    asked: list[int] = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        begin = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        asked.append(begin)
        request.send_response(206)
        request.send_header("Content-Length", str(len(data) - begin))
        request.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        request.send_header("Accept-Ranges", "bytes")
        request.end_headers()
        request.wfile.write(data[begin : begin + share])
        request.wfile.flush()
        request.connection.shutdown(socket.SHUT_RDWR)

    with serving(answer) as address:
        frames = list(detector.detect_video(f"{address}/clip.mp4"))
    assert [frame.index for frame in frames] == list(range(30))
    assert len(asked) >= 3


def test_a_live_stream_from_a_server_that_breaks_off(detector: Detector, tmp_path: Path, caplog) -> None:
    """A stream without length: it begins anew at each connection, and its times go on."""
    need_av()
    data = write_clip(tmp_path / "live.ts", scenes(10)).read_bytes()
    connections: list[float] = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        connections.append(time.monotonic())
        if len(connections) > 3:
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Type", "video/mp2t")
        request.end_headers()
        request.wfile.write(data)

    with serving(answer) as address:
        frames = []
        # After the third it stays away.
        with pytest.raises(VideoError, match="reading failed"):
            frames.extend(detector.detect_video(f"{address}/live", timeout=5, reconnect=0.6))
    # Where detecting is slower than the server, a live stream passes frames over: the first ones too.
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    times = [frame.seconds for frame in frames]
    assert times == sorted(times)
    assert len(connections) >= 3
    assert "broke off and was opened again" in caplog.text


def test_a_server_that_says_nothing(detector: Detector) -> None:
    need_av()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/clip.mp4"
        begin = time.monotonic()
        with pytest.raises(VideoError, match=r"no answer within 0\.5 s"):
            detector.detect_video(address, timeout=0.5, reconnect=0)
        assert time.monotonic() - begin < 10


@pytest.mark.parametrize("source", ["rtsp://127.0.0.1:9/none", "http://127.0.0.1:9/none.mp4", "camera:97", 97])
def test_what_is_not_there(detector: Detector, source: object) -> None:
    need_av()
    with pytest.raises(VideoError, match=r"cannot be opened|no answer") as caught:
        detector.detect_video(source, timeout=2, reconnect=0)
    assert "97" in str(caught.value) or "127.0.0.1:9/none" in str(caught.value)


def test_settings_of_reading() -> None:
    with pytest.raises(ConfigError, match="reconnect must be"):
        Reading(reconnect=-1)

"""Start, overload, token, warnings and end of a server."""

from __future__ import annotations

import http.client
import io
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from support.data import PHOTO
from support.serving import QUICK, Answer, Server, form, skip_without_extra

skip_without_extra()


def slow_picture() -> bytes:
    """A picture that takes a few hundred milliseconds."""
    file = io.BytesIO()
    with Image.open(PHOTO) as photo:
        photo.resize((2400, 2400)).save(file, "JPEG", quality=60)
    return file.getvalue()


def ask_together(server: Server, count: int, picture: bytes) -> list[Answer]:
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(server.post("/v1/detect", picture))) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return answers


def test_overload_is_refused_and_passes() -> None:
    server = Server("--slots", "1", "--queue", "2")
    try:
        server.wait_until_ready()
        picture = slow_picture()
        answers = ask_together(server, 24, picture)
        counts = Counter(answer.status for answer in answers)
        assert set(counts) == {200, 503}
        assert counts[200] >= 3
        refused = next(answer for answer in answers if answer.status == 503)
        assert refused.json()["type"] == "/problems/overloaded"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert server.post("/v1/detect", picture).status == 200
        text = server.ask("GET", "/metrics").body.decode()
        assert f'mtcnn_fast_problems_total{{kind="overloaded"}} {counts[503]}.0' in text
    finally:
        assert server.end() == 0


def test_a_wait_that_is_too_long_and_bodies_that_are_too_many() -> None:
    server = Server("--slots", "1", "--queue", "30", "--queue-timeout", "0.05", "--max-buffered", "2000000")
    try:
        server.wait_until_ready()
        answers = ask_together(server, 12, slow_picture())
        details = {answer.json()["detail"] for answer in answers if answer.status == 503}
        assert any("No slot came free" in detail for detail in details)
        assert server.post("/v1/detect", bytes(2_500_000)).json()["type"] == "/problems/overloaded"
        # Nothing is counted that is not held any more.
        assert "mtcnn_fast_buffered_bytes 0.0" in server.ask("GET", "/metrics").body.decode()
    finally:
        assert server.end() == 0


def test_too_many_connections() -> None:
    server = Server("--max-connections", "3")
    try:
        server.wait_until_ready()
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        time.sleep(0.3)
        assert server.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        for connection in held:
            connection.close()
        server.wait_until_ready()
    finally:
        assert server.end() == 0


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def under_way(server: Server) -> float:
    """Return how many pictures the server has taken and not answered."""
    text = server.ask("GET", "/metrics").body.decode()
    return sum(map(float, re.findall(r"^mtcnn_fast_(?:slots_busy|queue_length) (\S+)$", text, re.MULTILINE)))


def test_term_lets_requests_end_and_readiness_goes_first(photo: bytes) -> None:
    server = Server("--slots", "1", "--drain-delay", "60")
    picture = slow_picture()
    answers: list[Answer] = []
    server.wait_until_ready()
    threads = [
        threading.Thread(target=lambda: answers.append(server.post("/v1/detect", picture, timeout=120)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answers) + under_way(server) >= 3)
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: server.ask("GET", "/readyz").status != 200)
    not_ready = server.ask("GET", "/readyz")
    assert (not_ready.status, not_ready.json()["type"]) == (503, "/problems/not-ready")
    assert server.ask("GET", "/healthz").status == 200
    assert server.ask("GET", "/v2/health/ready").status == 503
    assert server.post("/v1/detect", photo).status == 200
    # A second one ends the delay, yet not what is under way.
    threads.append(threading.Thread(target=lambda: answers.append(server.post("/v1/detect", picture, timeout=120))))
    threads[-1].start()
    wait_until(lambda: len(answers) + under_way(server) >= 4)
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(120)
    assert [answer.status for answer in answers] == [200, 200, 200, 200]
    assert server.process.wait(60) == 0
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        server.ask("GET", "/healthz")
    server.end()


def test_term_ends_it_after_the_delay() -> None:
    server = Server("--drain-delay", "0.5")
    server.wait_until_ready()
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    assert time.monotonic() - start >= 0.5
    server.end()


def test_interrupt_ends_at_once() -> None:
    server = Server()
    server.wait_until_ready()
    assert server.end(signal.SIGINT) == 0
    assert "Traceback" not in "".join(server.lines)


def test_token(tmp_path: Path, photo: bytes) -> None:
    secret = "s3cret-and-long"
    file = tmp_path / "token"
    file.write_text(f"{secret}\n")
    server = Server("--token-file", str(file))
    try:
        server.wait_until_ready()
        body, kind = form(("a.jpg", photo))
        right = {"Authorization": f"Bearer {secret}"}
        for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {secret}"}):
            for method, path in (
                ("POST", "/v1/detect"),
                ("POST", "/v1/detect/batch"),
                ("GET", "/metrics"),
                ("GET", "/v2"),
            ):
                answer = server.ask(method, path, body, {"Content-Type": kind, **wrong})
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        for path in ("/", "/healthz", "/readyz", "/v1/limits", "/v2/health/live"):
            assert server.ask("GET", path).status == 200
        assert server.ask("POST", "/v1/detect", body, {"Content-Type": kind, **right}).status == 200
        assert server.ask("GET", "/metrics", headers=right).status == 200
        document = server.ask("GET", "/openapi.json").json()
        assert document["paths"]["/v1/detect"]["post"]["security"] == [{"token": []}]
        assert "security" not in document["paths"]["/healthz"]["get"]
        assert secret not in "".join(server.lines)
    finally:
        assert server.end() == 0


def test_several_processes_share_port_and_counters(photo: bytes) -> None:
    server = Server("--workers", "2", "--slots", "1")
    try:
        server.wait_until_ready()
        assert [server.post("/v1/detect", photo).status for _ in range(12)] == [200] * 12
        text = server.ask("GET", "/metrics").body.decode()
        assert "mtcnn_fast_images_total 12.0" in text
    finally:
        assert server.end() == 0


def test_an_address_that_others_reach_is_warned_of() -> None:
    # A host that others reach is not bound in tests: the warning is what tells the two apart.
    from mtcnn_fast.serving.server import is_loopback

    assert all(is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.2", "example.com"))


def test_warning_names_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    from mtcnn_fast.serving.options import ServiceOptions
    from mtcnn_fast.serving.server import Binding, announce

    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        announce(listener, ServiceOptions(), Binding("0.0.0.0"), said.append)
        announce(listener, ServiceOptions(token="long enough".replace(" ", "-")), Binding("0.0.0.0"), said.append)
        announce(listener, ServiceOptions(), Binding("127.0.0.1"), said.append)
    warnings = [text for text in said if text.startswith("warning")]
    assert "MTCNN_FAST_TOKEN" in warnings[0]
    assert "must carry the token" in warnings[1]
    assert len(warnings) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--slots", "0"], "slots"),
        (["--queue", "-1"], "queue"),
        (["--body-timeout", "0"], "body_timeout"),
        (["--workers", "0"], "workers"),
        (["--port", "70000"], "port"),
        (["--min-face-size", "0"], "min_face_size"),
        (["--host", "192.0.2.1", "--port", "0"], "192.0.2.1"),
        (["--token-file", "missing"], "cannot be read"),
        (["--num-threads", "2"], "No such option"),
    ],
)
def test_wrong_options(arguments: list[str], says: str) -> None:
    command = [sys.executable, "-m", "mtcnn_fast", "serve", *QUICK, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_short_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from mtcnn_fast import ConfigError
    from mtcnn_fast.serving import ServiceOptions

    with pytest.raises(ConfigError) as caught:
        ServiceOptions(token="hunter2")
    assert "hunter2" not in str(caught.value)
    assert "hunter2-hunter2" not in repr(ServiceOptions(token="hunter2-hunter2"))

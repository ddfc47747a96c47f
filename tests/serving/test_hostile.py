"""Uploads that mean harm are answered 4xx within the limits, and the server goes on."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import time
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image

from support.serving import Server, form, read_all

POST = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"


@pytest.fixture(scope="module", params=["httptools", "h11"])
def server(request: pytest.FixtureRequest, server: Server, plain_server: Server) -> Server:
    """The server with each reader of HTTP."""
    if request.param == "h11":
        return plain_server
    pytest.importorskip("httptools", reason="httptools is not installed (extra serve)")
    return server


@pytest.fixture(autouse=True)
def unharmed(server: Server, small: bytes) -> Iterator[None]:
    """The server answers afterwards, and holds no more than it did."""
    before = server.resident() if sys.platform == "linux" else 0
    yield
    assert server.post("/v1/detect", small).status == 200
    assert server.process.poll() is None
    if sys.platform == "linux":
        assert server.resident() < before + 150_000_000


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def encoded(form_name: str, size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, form_name, **options)
    return file.getvalue()


def test_bomb_of_pixels(server: Server) -> None:
    bomb = png(60_000, 60_000, zlib.compress(bytes(10_000_000)))
    answer = server.post("/v1/detect", bomb, "image/png")
    assert (answer.status, answer.json()["type"]) == (413, "/problems/too-many-pixels")


def test_bomb_of_text(server: Server) -> None:
    file = io.BytesIO(png(8, 8, zlib.compress(bytes(200))))
    content = file.getvalue()
    text = b"a\0\0" + zlib.compress(bytes(100_000_000))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    assert server.post("/v1/detect", content[:33] + chunk + content[33:], "image/png").status == 422


def test_bomb_of_scans(server: Server) -> None:
    plain = encoded("JPEG", (2000, 1900), progressive=True)
    # The last scan, again and again: each takes a pass over the whole picture.
    scan = plain[plain.rindex(b"\xff\xda") : -2]
    answer = server.post("/v1/detect", plain[:-2] + scan * (900_000 // len(scan)) + b"\xff\xd9")
    assert (answer.status, answer.json()["type"]) == (422, "/problems/too-many-scans")
    assert server.post("/v1/detect", plain).status == 200


def test_bomb_of_the_search(server: Server, photo: bytes) -> None:
    answer = server.post("/v1/detect?min_face_size=1", encoded("JPEG", (400, 400)))
    assert (answer.status, answer.json()["type"]) == (413, "/problems/search-too-large")
    assert server.post("/v1/detect?min_face_size=1", encoded("JPEG", (40, 40))).status == 200


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated(server: Server, kind: str) -> None:
    whole = encoded(kind, (200, 200))
    for length in (1, 10, len(whole) // 3, len(whole) * 2 // 3):
        assert server.post("/v1/detect", whole[:length]).status == 422


@pytest.mark.parametrize("kind", ["PPM", "PCX", "TGA", "ICO", "SGI"])
def test_formats_that_nobody_needs(server: Server, kind: str) -> None:
    answer = server.post("/v1/detect", encoded(kind, (32, 32)), "application/octet-stream")
    assert answer.status in (415, 422)


def test_too_long_by_its_own_word(server: Server) -> None:
    answer = server.raw(POST + b"Content-Length: 1000001\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in server.raw(POST + b"Expect: 100-continue\r\nContent-Length: 1000001\r\n\r\n")


@pytest.mark.parametrize("path", ["/v1/detect", "/v2/models/mtcnn/infer", "/v1/detect/batch"])
def test_endless(server: Server, path: str) -> None:
    """A body without a length is counted while it is read."""
    kind = b"multipart/form-data; boundary=b" if "batch" in path else b"image/jpeg"
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
    part = b'--b\r\nContent-Disposition: form-data; name="i"; filename="a"\r\n\r\n'
    with server.connected() as connection:
        connection.sendall(head % (path.encode(), kind) + b"%x\r\n%b\r\n" % (len(part), part))
        sent, chunk = 0, b"10000\r\n" + bytes(65536) + b"\r\n"
        with contextlib.suppress(ConnectionError, TimeoutError):
            while sent < 400:
                connection.sendall(chunk)
                sent += 1
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_shorter_than_its_word(server: Server) -> None:
    """The rest never comes."""
    start = time.monotonic()
    answer = server.raw(POST + b"Content-Length: 1000\r\n\r\n" + bytes(10))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - start < 20


def test_longer_than_its_word(server: Server, small: bytes) -> None:
    answer = server.raw(POST + b"Content-Length: %d\r\n\r\n" % len(small) + small + b"what is this")
    # What follows is the next request, and none: the connection ends with it, at the latest when it has been idle.
    assert answer[:13] in (b"HTTP/1.1 200 ", b"HTTP/1.1 400 ", b"HTTP/1.1 408 ")
    assert answer.count(b"HTTP/1.1 200 ") <= 1


def test_client_that_goes(server: Server) -> None:
    for _ in range(20):
        with server.connected() as connection:
            connection.sendall(POST + b"Content-Length: 1000\r\n\r\n" + bytes(10))


def test_slow_body(server: Server) -> None:
    with server.connected() as connection:
        connection.sendall(POST + b"Content-Length: 1000\r\n\r\n")
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - start < 3:
                connection.sendall(b"x")
                time.sleep(0.1)
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("first", [b"", POST[:30]])
def test_slow_head(server: Server, first: bytes) -> None:
    start = time.monotonic()
    assert server.raw(first).startswith(b"HTTP/1.1 408 ")
    assert 1.5 < time.monotonic() - start < 20


def test_slow_head_after_a_request(server: Server) -> None:
    with server.connected() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for letter in b"GET /healthz?slow=very_slow HTTP/1.1":
                connection.sendall(bytes([letter]))
                time.sleep(0.1)
        assert b"HTTP/1.1 408 " in read_all(connection)
        assert time.monotonic() - start < 20


def test_endless_head(server: Server) -> None:
    answer = server.raw(POST + b"X: " + b"y" * 3_000_000)
    assert answer[:13] in (b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"no colon\r\n\r\n",
    ],
)
def test_damaged_heads(server: Server, head: bytes) -> None:
    assert server.raw(POST + head).startswith(b"HTTP/1.1 4")


def test_no_http_at_all(server: Server) -> None:
    assert server.raw(b"\x16\x03\x01\x02\x00\x01\x00" + bytes(range(256))).startswith(b"HTTP/1.1 400 ")


def test_forms_that_mean_harm(server: Server, small: bytes) -> None:
    fields = b"".join(b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % i for i in range(5000))
    assert server.post("/v1/detect", fields + b"--b--\r\n", "multipart/form-data; boundary=b").status == 400
    long_head = b'--b\r\nContent-Disposition: form-data; name="' + b"n" * 500_000 + b'"\r\n\r\n1\r\n--b--\r\n'
    assert server.post("/v1/detect", long_head, "multipart/form-data; boundary=b").status in (400, 422)
    body, kind = form(("../../etc/passwd\\x00", small))
    assert server.post("/v1/detect", body, kind).status == 200


def test_bytes_of_other_people_stay_unknown(server: Server) -> None:
    """No answer repeats the body, whatever is wrong with it."""
    secret = b"a secret that nobody may read"
    for path in ("/v1/detect", "/v1/detect/batch", "/v2/models/mtcnn/infer"):
        for kind in ("image/jpeg", "multipart/form-data; boundary=b", "application/json", "text/plain"):
            assert secret not in server.post(path, secret * 10, kind).body
    assert "secret" not in "".join(server.lines)

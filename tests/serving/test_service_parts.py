"""Parts of the service on their own."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import threading
import time
from typing import Any

import pytest

from support.serving import form, skip_without_extra

skip_without_extra()

from mtcnn_fast.serving import ServiceOptions, create_app  # noqa: E402
from mtcnn_fast.serving.api import chosen_form  # noqa: E402
from mtcnn_fast.serving.guard import count_scans  # noqa: E402
from mtcnn_fast.serving.limits import Limits  # noqa: E402
from mtcnn_fast.serving.problems import ClientGoneError, ProblemError  # noqa: E402
from mtcnn_fast.serving.slots import Slots  # noqa: E402


async def never() -> Any:
    await asyncio.Event().wait()


async def gone() -> Any:
    return {"type": "http.disconnect"}


def test_a_job_of_a_client_that_has_gone_is_not_begun() -> None:
    begun: list[str] = []
    release = threading.Event()

    async def scene() -> None:
        slots = Slots(1, 4, 60)
        first = asyncio.ensure_future(slots.run(lambda _: release.wait(60), never))
        await asyncio.sleep(0.05)
        assert (slots.running, slots.waiting) == (1, 0)
        with pytest.raises(ClientGoneError):
            await slots.run(lambda _: begun.append("second"), gone)
        release.set()
        time.sleep(0.1)  # the thread goes on while the loop stands still
        assert await first
        assert await slots.run(lambda _: "third", never) == "third"
        assert slots.jobs == 0
        slots.close()

    asyncio.run(scene())
    assert begun == []


def test_a_failure_that_nobody_waits_for_is_not_reported() -> None:
    reports: list[Any] = []
    release = threading.Event()

    def fail(_waited: float) -> None:
        release.wait(60)
        raise ProblemError(422, "unreadable-image", "no matter")

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        slots = Slots(1, 4, 60)
        with pytest.raises(ClientGoneError):
            await slots.run(fail, gone_soon)
        release.set()
        await asyncio.to_thread(slots.close)
        gc.collect()
        await asyncio.sleep(0)

    async def gone_soon() -> Any:
        await asyncio.sleep(0.1)
        return {"type": "http.disconnect"}

    asyncio.run(scene())
    assert reports == []


def test_places_are_given_back() -> None:
    slots = Slots(1, 0, 1)
    for _ in range(3):
        with slots.admitted(), pytest.raises(ProblemError) as caught:
            slots.check_free()
        assert caught.value.status == 503
        assert slots.taken == 0
    slots.close()


def test_a_request_that_is_never_read_holds_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise ProblemError(422, "any", "any")

    async def scene() -> None:
        limits = Limits(app, ServiceOptions(max_body=10))

        async def receive() -> Any:
            return {"type": "http.request", "body": b"12345", "more_body": True}

        scope = {"type": "http", "path": "/v1/detect", "headers": []}
        with pytest.raises(ProblemError):
            await limits(scope, receive, never)
        assert limits.buffered == 0

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("data", "scans"),
    [
        (b"", 0),
        (b"\xff\xd8\xff\xda\x00\x02data\xff\x00\xff\xd3more\xff\xda\x00\x02\xff\xd9\xff\xda\x00\x02", 2),
        # Within a segment of the application there is no scan.
        (b"\xff\xd8\xff\xe1\x00\x08\xff\xda\xff\xda\xff\xda\xff\xda\x00\x02\xff\xd9", 1),
        (b"\xff\xda\x00\x00" * 50, 50),
        (b"\xff" * 1000, 0),
    ],
)
def test_scans_are_counted(data: bytes, scans: int) -> None:
    assert count_scans(data, 1000) == scans
    assert count_scans(data, 1) == min(scans, 1)


def test_accept_prefers_what_is_specific() -> None:
    assert chosen_form(None, "") == "json"
    assert chosen_form("blurred", "text/html") == "blurred"
    assert chosen_form(None, "image/jpeg;q=0.2, */*;q=0.1") == "drawn"
    with pytest.raises(ProblemError):
        chosen_form(None, "*/*;q=0")


def test_an_application_starts_again_after_its_end() -> None:
    app = create_app({"min_face_size": 40, "factor": 0.6, "device": "numpy"}, ServiceOptions(slots=1))

    async def scene() -> None:
        for _ in range(2):
            async with app.router.lifespan_context(app):
                while not app.state.service.ready:
                    await asyncio.sleep(0.01)
            assert not app.state.service.ready

    asyncio.run(scene())


def test_not_ready_until_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app({"device": "numpy"}, ServiceOptions(slots=1))
    service, release = app.state.service, threading.Event()
    warm_up = service.warm_up
    monkeypatch.setattr(service, "warm_up", lambda: (release.wait(60), warm_up()))

    async def scene() -> None:
        async with app.router.lifespan_context(app):
            assert await status_of(app, "/readyz") == 503
            assert await status_of(app, "/healthz") == 200
            release.set()
            while not service.ready:
                await asyncio.sleep(0.01)
            assert await status_of(app, "/readyz") == 200

    asyncio.run(scene())


def test_files_of_forms_never_reach_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_file: Any) -> None:
        raise AssertionError("a picture went to the disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", fail)
    app = create_app({"device": "numpy"}, ServiceOptions(slots=1))

    async def scene() -> int:
        async with app.router.lifespan_context(app):
            body, kind = form(("large.jpg", bytes(5_000_000)))
            return await status_of(app, "/v1/detect", body, kind)

    assert asyncio.run(scene()) == 422


async def status_of(app: Any, path: str, body: bytes = b"", kind: str = "") -> int:
    """Return the status of a GET, or of a POST with a body."""
    sent: list[Any] = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return parts.pop() if parts else await never()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST" if body else "GET", "path": path, "raw_path": path.encode()}
    headers = [(b"content-type", kind.encode())]
    more = {"query_string": b"", "scheme": "http", "server": ("x", 80), "root_path": "", "headers": headers}
    await app({**scope, **more}, receive, send)
    return int(sent[0]["status"])

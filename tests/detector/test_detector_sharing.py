"""The backend that a detector's threads share: when it is made, when it is closed, and after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

import pytest

from mtcnn_fast import BackendError, Faces
from mtcnn_fast.backends.base import Image
from mtcnn_fast.backends.shared import SharedBackend


class Recorder:
    """A backend that counts how often it is closed."""

    name = "recorder"
    closed = 0

    def detect(self, images: Sequence[Image], *, profile: bool = False, trace: bool = False) -> list[Faces]:
        assert not self.closed
        return [Faces.empty((1, 1)) for _ in images]

    def warmup(self) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed += 1


def test_made_once_when_first_lent() -> None:
    made: list[Recorder] = []

    def make() -> Recorder:
        made.append(Recorder())
        return made[-1]

    shared = SharedBackend(make)
    assert made == []
    assert shared.name is None
    with shared.lent() as one, shared.lent() as other:
        assert one is other
    assert made == [one]
    assert shared.name == "recorder"


def test_made_again_after_a_failure() -> None:
    answers = iter([BackendError("busy"), Recorder()])

    def make() -> Recorder:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    shared = SharedBackend(make)
    with pytest.raises(BackendError, match="busy"), shared.lent():
        pass
    with shared.lent() as backend:
        assert backend.name == "recorder"
    shared.close()
    assert backend.closed == 1  # type: ignore[attr-defined]


def test_closed_when_idle() -> None:
    backend = Recorder()
    shared = SharedBackend(lambda: backend)
    with shared.lent():
        pass
    assert not shared.closed
    shared.close()
    shared.close()
    assert shared.closed
    assert backend.closed == 1
    assert shared.name is None


def test_closing_what_was_never_made() -> None:
    made: list[Recorder] = []
    shared = SharedBackend(lambda: made.append(Recorder()) or made[0])  # type: ignore[func-returns-value]
    shared.close()
    with pytest.raises(BackendError, match="closed"), shared.lent():
        pass
    assert made == []


def test_closed_by_the_last_user_when_in_use() -> None:
    backend = Recorder()
    shared = SharedBackend(lambda: backend)
    inside, go_on = threading.Barrier(3), threading.Event()

    def use() -> None:
        with shared.lent() as lent:
            inside.wait(30)
            go_on.wait(30)
            lent.warmup()

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(30)
    shared.close()
    assert backend.closed == 0
    with pytest.raises(BackendError, match="closed"), shared.lent():
        pass
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert backend.closed == 1


def test_error_of_a_user_gives_the_backend_back() -> None:
    backend = Recorder()
    shared = SharedBackend(lambda: backend)
    with pytest.raises(ValueError, match="mine"), shared.lent():
        raise ValueError("mine")
    shared.close()
    assert backend.closed == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_child_of_a_fork_does_not_wait_for_threads_it_does_not_have() -> None:
    backend = Recorder()
    shared = SharedBackend(lambda: backend)
    with shared.lent():
        # As if another thread had just entered, or were counting, when this one forked.
        shared._lock.acquire()
        child = os.fork()
        if child == 0:
            # Nothing that a test runner holds may run in the child: it ends here, whatever happens.
            answer = 1
            try:
                with shared.lent() as lent:
                    lent.warmup()
                shared.close()
                answer = 0 if backend.closed == 1 else 2
            finally:
                os._exit(answer)
        shared._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

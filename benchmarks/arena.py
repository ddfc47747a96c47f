"""Takes turns: starts the contenders' processes, asks one at a time, and collects their times case by case."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import contenders

import mtcnn_fast

HERE = Path(__file__).resolve().parent

# Idle threads of OpenMP and of onnxruntime keep spinning for a while; the next one in turn starts when they sleep.
PAUSE = 0.03


class UnavailableError(Exception):
    """A contender that cannot run here, with the reason."""


@dataclasses.dataclass(eq=False)
class Case:
    """One contender on one piece of work: what to ask it, and the times that it took."""

    contender: str
    name: str
    request: dict
    seconds: list[float] = dataclasses.field(default_factory=list)
    extra: list[dict] = dataclasses.field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        return min(self.seconds)


class Arena:
    def __init__(self, python: str, rounds: int, count: int, budget: float) -> None:
        self.python = python
        self.rounds = rounds
        self.count = count
        self.budget = budget
        self.missing: dict[str, str] = {}
        self._workers: dict[tuple[str, object], subprocess.Popen] = {}

    def ask(self, contender: str, task: str, **arguments) -> dict:
        """Let a contender work once; raise `UnavailableError` if it cannot."""
        if contender in self.missing:
            raise UnavailableError(self.missing[contender])
        worker = self._worker(contender, arguments.get("threads"))
        try:
            worker.stdin.write(json.dumps({"task": task, "name": contender, "case": "", **arguments}) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"error": "its process ended"}
        time.sleep(PAUSE)
        if "error" in answer:
            self.missing[contender] = answer["error"].splitlines()[0]
            print(f"  left out: {contender} ({self.missing[contender]})", flush=True)
            raise UnavailableError(self.missing[contender])
        return answer

    def compete(self, cases: list[Case], between: Callable[[], None] | None = None) -> list[Case]:
        """Give every case a turn in each round, in rotating order; return those whose contenders took part."""
        cases = list(cases)
        for turn in range(self.rounds):
            first = turn * 5 % max(len(cases), 1)
            for case in cases[first:] + cases[:first]:
                with contextlib.suppress(UnavailableError):
                    request = {"count": self.count, "budget": self.budget, **case.request}
                    answer = self.ask(case.contender, case=f"{case.name} {case.request}", **request)
                    case.seconds += answer["seconds"]
                    case.extra.append(answer)
            if between:
                between()
        return [case for case in cases if case.seconds]

    def close(self) -> None:
        for worker in self._workers.values():
            worker.communicate()
        self._workers.clear()

    def _worker(self, contender: str, threads: object) -> subprocess.Popen:
        """Start the contender's process, or return it: ours with our Python, one a thread count where it matters."""
        key = (contender, threads if contender == "mtcnn" else None)
        if key not in self._workers:
            own = contender.startswith(contenders.OURS)
            python = sys.executable if own else self.python
            # The package as this process has it, be it installed or from the sources.
            package = Path(mtcnn_fast.__file__).parent.parent if python == sys.executable else HERE.parent / "python"
            paths = [str(HERE), *([] if package.name == "site-packages" else [str(package)])]
            paths += filter(None, [os.environ.get("PYTHONPATH")])
            environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "PYTHONPATH": os.pathsep.join(paths)}
            command = [python, "-W", "ignore", str(HERE / "worker.py")]
            self._workers[key] = subprocess.Popen(
                command,
                env=environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._workers[key]


@contextlib.contextmanager
def opened(arena: Arena) -> Iterator[Arena]:
    try:
        yield arena
    finally:
        arena.close()

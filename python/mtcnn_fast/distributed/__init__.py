"""Detections over millions of images: each input gets exactly one row, whatever dies on the way.

>>> from mtcnn_fast import distributed
>>> distributed.plan(["photos"], "results")
>>> distributed.run("results")
>>> distributed.finish("results")
>>> distributed.verify("results").problems
[]

`plan` lists the inputs once and cuts them into shards. `run` detects in the shards that have no part yet, so that
running again resumes. `finish` and `verify` prove that there is one row for each input. Needs the extra ``batch``; the
executor ``ray`` needs the extra ``ray``. See ``docs/scaling.md``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtcnn_fast.distributed.actors import FaceDetector
    from mtcnn_fast.distributed.checking import Verification, finish, verify
    from mtcnn_fast.distributed.planning import Plan, plan, read_plan
    from mtcnn_fast.distributed.running import RunReport, resume, run

__all__ = [
    "FaceDetector",
    "Plan",
    "RunReport",
    "Verification",
    "finish",
    "plan",
    "read_plan",
    "resume",
    "run",
    "verify",
]

_HOME = {
    "FaceDetector": "actors",
    "Plan": "planning",
    "RunReport": "running",
    "Verification": "checking",
    "finish": "checking",
    "plan": "planning",
    "read_plan": "planning",
    "resume": "running",
    "run": "running",
    "verify": "checking",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

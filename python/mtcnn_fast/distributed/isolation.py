"""A shard whose workers died: image by image in a process of its own, so that only the image at fault is lost."""

from __future__ import annotations

import time
from typing import Any

from mtcnn_fast.distributed.planning import read_planned
from mtcnn_fast.distributed.shard_work import ShardRunner, ShardSummary, Tell
from mtcnn_fast.distributed.tables import Row
from mtcnn_fast.distributed.worker_process import WorkerProcess
from mtcnn_fast.errors import DataError
from mtcnn_fast.faces import Faces

#: How often an image is tried: an earlier one may have done the damage that a process dies of.
TRIES = 2


def run_isolated(prefix: str, index: int, num_threads: int, tell: Tell = lambda images, errors: None) -> ShardSummary:
    """Detect in a shard in child processes and commit its part.

    An image on which a process dies is the first one of the next process. If that dies too, its row has the error
    ``worker died (signal 11)``, or what else ended it.

    Parameters
    ----------
    prefix : str
        Where the plan is.
    index : int
        The shard.
    num_threads : int
        Threads of the detector.
    tell : callable
        Told of each image.

    Returns
    -------
    ShardSummary

    Raises
    ------
    DataError
        If a process cannot even start, or the inputs' file system fails.
    CommitError
        If the part cannot be written.
    """
    began = time.perf_counter()
    runner = ShardRunner(prefix, num_threads)
    shard = read_planned(runner.store, index)
    rows: list[Row] = []
    tries = 0
    engine = "none"
    while len(rows) < len(shard):
        before = len(rows)
        worker = WorkerProcess(runner.store.url, num_threads)
        try:
            worker.order(shard=index, start=before)
            engine, ended = _collect(worker, rows, tell)
            if ended:
                break
            death = worker.death()
        finally:
            worker.close()
        tries = tries + 1 if len(rows) == before else 1
        if tries == TRIES:
            rows.append(Row(shard.paths[len(rows)], None, 0.0, death))
            tell(1, 1)
            tries = 0
    return runner.commit(index, rows, engine, began)


def _collect(worker: WorkerProcess, rows: list[Row], tell: Tell) -> tuple[str, bool]:
    """Take the rows of a worker; return what computed them, and whether it came to the end of the shard."""
    engine = None
    for report in worker.reports():
        if "ready" in report:
            engine = report["ready"]
        elif "row" in report:
            rows.append(_row(**report["row"]))
            tell(1, rows[-1].error is not None)
        elif "end" in report:
            return str(engine), True
        else:
            raise DataError(str(report.get("fatal") or report.get("failed")))
    if engine is None:
        raise DataError(f"a process for single images cannot start: {worker.death()}; standard error may say why")
    return engine, False


def _row(path: str, faces: dict[str, Any] | None, seconds: float, error: str | None) -> Row:
    return Row(path, None if faces is None else Faces.from_dict(faces), seconds, error)

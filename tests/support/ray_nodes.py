"""A Ray cluster on 127.0.0.1, in a process of its own, so that what it does to a process does not reach the tests'.

As a program (``python ray_nodes.py 3``) it starts that many nodes with a processor each, prints its address and the
processes of its nodes, and ends with its standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any

if __name__ != "__main__":
    from support.processes import children_of, command_line

#: Variables of the cluster and of the programs that use it. One keeps Ray from taking the machine's public address in
#: place of 127.0.0.1, one from giving way to all else that runs here.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_worker_niceness": "0",
}

#: Bytes of the shared memory of a node; Ray refuses less.
OBJECTS = 80_000_000


class RayNodes:
    """The cluster, seen from a test.

    Attributes
    ----------
    address : str
    raylets : list of int
        The process of each node, the head first.
    """

    def __init__(self, count: int, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(count)],
            env=os.environ | ENVIRONMENT | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = next((line for line in self._process.stdout if line.startswith("{")), "")
        assert line, "Ray does not start"
        self.address, self.raylets = json.loads(line).values()

    def __enter__(self) -> RayNodes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=120)

    def kill(self, number: int) -> None:
        """End a node as a power cut does."""
        children = self.workers(number)
        for pid in (self.raylets[number], *children):
            # A worker whose node is dead ends by itself.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def workers(self, number: int) -> list[int]:
        """Return the processes of a node that do tasks, or wait for some."""
        return [pid for pid in children_of(self.raylets[number]) if command_line(pid).startswith(b"ray::")]

    def busy(self, number: int) -> list[int]:
        """Return the processes of a node that do a shard."""
        return [pid for pid in self.workers(number) if b"_do_shard" in command_line(pid)]


def main() -> None:
    from ray.cluster_utils import Cluster

    options: dict[str, Any] = {"num_cpus": 1, "object_store_memory": OBJECTS, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
    nodes = [cluster.head_node, *(cluster.add_node(**options) for _ in range(int(sys.argv[1]) - 1))]
    raylets = [node.all_processes["raylet"][0].process.pid for node in nodes]
    print(json.dumps({"address": cluster.address, "raylets": raylets}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()

"""Load the service from another process on loopback, and compare with `detect` on files in process.

python benchmarks/serving.py                   the table of docs/serving.md
python benchmarks/serving.py --soak 600        memory at full load for ten minutes

The server is a process of its own, and so is this client, which speaks plain HTTP on keep-alive connections and costs
little. A client that is refused waits as long as Retry-After says, as clients should. In process the same files are
searched by as many threads as the server has slots, each with one thread of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scenes import Scene

from mtcnn_fast import Detector

SCENES = (Scene(6, 640, 480), Scene(1, 640, 480))
CONNECTIONS = (1, 8, 64, 256)
HEAD = b"POST /v1/detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
_STARTED = re.compile(r"http://127\.0\.0\.1:(\d+)/")


@dataclasses.dataclass
class Load:
    """What the clients of one run saw."""

    seconds: float = 0.0
    times: list[float] = dataclasses.field(default_factory=list)
    refused: int = 0
    failed: int = 0

    def row(self, connections: int) -> str:
        ordered = sorted(self.times) or [0.0]
        p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 for share in (0.5, 0.99))
        asked = len(self.times) + self.refused + self.failed
        rate = len(self.times) / self.seconds
        return f"| {connections} | {rate:.1f} | {p50:.0f} | {p99:.0f} | {self.refused} of {asked} | {self.failed} |"


class Service:
    """The command in a process of its own."""

    def __init__(self, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "mtcnn_fast", "serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        found = _STARTED.search(self.process.stderr.readline())
        assert found is not None, "the service did not start"
        self.port = int(found[1])

    def resident(self) -> float:
        """Return the megabytes in use."""
        assert self.process.poll() is None, f"the service has ended with {self.process.returncode}"
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def processor_seconds(self) -> float:
        """Return the time that the process had a processor."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(60) == 0
        assert self.process.stderr is not None
        self.process.stderr.close()


async def client(port: int, bodies: list[bytes], until: float, load: Load, offset: int) -> None:
    """Send one request after the other on one connection until the time is over."""
    reader = writer = None
    count = offset
    while time.perf_counter() < until:
        body = bodies[count % len(bodies)]
        count += 1
        if writer is None:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                load.failed += 1
                await asyncio.sleep(0.5)
                continue
        start = time.perf_counter()
        try:
            writer.write(HEAD % len(body) + body)
            await writer.drain()
            status, headers = await answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            load.failed += 1
            writer.close()
            writer = None
            continue
        if status == 200:
            load.times.append(time.perf_counter() - start)
        elif status == 503:
            load.refused += 1
            await asyncio.sleep(min(float(headers.get("retry-after", "1")), max(0.0, until - time.perf_counter())))
        else:
            load.failed += 1
        if headers.get("connection") == "close":
            writer.close()
            writer = None
    if writer is not None:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Read an answer; its body is not kept."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    await reader.readexactly(int(headers.get("content-length", 0)))
    return int(lines[0].split()[1]), headers


async def press(port: int, bodies: list[bytes], connections: int, seconds: float) -> Load:
    """Keep a number of connections busy."""
    load = Load()
    start = time.perf_counter()
    await asyncio.gather(*(client(port, bodies, start + seconds, load, i) for i in range(connections)))
    load.seconds = time.perf_counter() - start
    return load


def in_process(files: list[Path], threads: int, seconds: float) -> tuple[float, float]:
    """Return the files a second that `detect` searches on as many threads as slots, and the processor ms of each."""
    detector = Detector(num_threads=1)
    until = time.perf_counter() + seconds

    def search(offset: int) -> int:
        count = 0
        while time.perf_counter() < until:
            detector.detect(files[(offset + count) % len(files)])
            count += 1
        return count

    detector.detect(files[0])
    start, busy = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(search, range(threads)))
    return total / (time.perf_counter() - start), (time.process_time() - busy) / total * 1000


def write_files(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for scene in SCENES:
        path = folder / f"{scene.key}.jpg"
        scene.render().save(path, quality=90)
        found[scene.name] = [path]
    return found


def table(service: Service, files: list[Path], name: str, slots: int, seconds: float, rounds: int) -> None:
    """Print the table of a scene; in process and service alternate, as other programs share the machine."""
    bodies = [path.read_bytes() for path in files]
    asyncio.run(press(service.port, bodies, 2, 1))
    print(f"\n{name}, {len(bodies[0]):,} bytes, {slots} slots\n")
    rates, costs = [], []
    for _ in range(rounds):
        alone, alone_ms = in_process(files, slots, seconds)
        busy, own = service.processor_seconds(), time.process_time()
        load = asyncio.run(press(service.port, bodies, 8, seconds))
        count = len(load.times)
        served_ms = (service.processor_seconds() - busy) / count * 1000
        client_ms = (time.process_time() - own) / count * 1000
        served = count / load.seconds
        rates.append(served / alone)
        costs.append(alone_ms / served_ms)
        print(
            f"images/s: in process {alone:.1f}, service {served:.1f} ({served / alone:.0%}); processor ms an image: "
            f"in process {alone_ms:.1f}, service {served_ms:.1f} ({alone_ms / served_ms:.0%}), client {client_ms:.1f}",
            flush=True,
        )
    print(f"medians: {statistics.median(rates):.0%} of the rate, {statistics.median(costs):.0%} by processor time\n")
    print("| connections | images/s | p50 ms | p99 ms | refused | failed |\n|---|---|---|---|---|---|")
    for connections in CONNECTIONS:
        print(asyncio.run(press(service.port, bodies, connections, seconds)).row(connections), flush=True)


def soak(service: Service, files: list[Path], seconds: float) -> float:
    """Print the memory of the service each half minute at full load; return the slope in MB an hour."""
    bodies = [path.read_bytes() for path in files]
    points: list[tuple[float, float]] = []
    start = time.perf_counter()
    images = 0
    while time.perf_counter() - start < seconds:
        load = asyncio.run(press(service.port, bodies, 16, min(30, seconds)))
        images += len(load.times)
        points.append((time.perf_counter() - start, service.resident()))
        print(f"{points[-1][0]:6.0f} s {points[-1][1]:8.1f} MB {images:8d} images, {load.failed} failed", flush=True)
    # The first fifth fills caches and allocators.
    settled = points[len(points) // 5 :]
    slope = statistics.linear_regression(*zip(*settled, strict=True)).slope * 3600 if len(settled) > 1 else 0.0
    print(f"slope {slope:.1f} MB/hour over the last {len(settled)} points, {images} images")
    return slope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison with detect in process")
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="watch memory at full load instead")
    parser.add_argument("arguments", nargs="*", help="of mtcnn-fast serve, after --")
    given = parser.parse_args()
    service = Service(["--slots", str(given.slots), *given.arguments])
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = write_files(Path(folder))
            if given.soak:
                soak(service, [path for paths in files.values() for path in paths], given.soak)
                return
            for name, paths in files.items():
                table(service, paths, name, given.slots, given.seconds, given.rounds)
    finally:
        service.end()


if __name__ == "__main__":
    main()

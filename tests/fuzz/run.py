"""Fuzz one target: ``python tests/fuzz/run.py TARGET --seconds 3600 --findings FOLDER``.

With atheris (``pip install atheris``) the search is guided by coverage; without it, seeds are mutated at random. An
input that breaks a promise is kept in the folder of findings, once for each place in the code, and the search goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

try:
    import atheris
except ImportError:
    atheris = None


class Search:
    """Runs a target on inputs, counts them, and keeps those that fail.

    Parameters
    ----------
    name : str
    target : callable
    findings : Path
        Where inputs that fail are written.
    """

    def __init__(self, name: str, target: Callable[[bytes], None], findings: Path) -> None:
        self.name = name
        self.runs = 0
        self.failures: dict[str, int] = {}
        self._target = target
        self._findings = findings

    def __call__(self, data: bytes) -> None:
        """Run the target on one input."""
        self.runs += 1
        try:
            self._target(data)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:]]
            place = f"{type(error).__name__} at {' < '.join(reversed(places))}"
            if place not in self.failures:
                self._keep(data, place)
            self.failures[place] = self.failures.get(place, 0) + 1

    def _keep(self, data: bytes, place: str) -> None:
        self._findings.mkdir(parents=True, exist_ok=True)
        path = self._findings / f"{self.name}-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(traceback.format_exc())
        print(f"FOUND {place}: {path}", flush=True)

    def report(self) -> None:
        """Print the counts, as the guided search does by itself."""
        print(f"RUNS {self.name}: {self.runs} inputs, {len(self.failures)} kinds of failure", flush=True)
        for place, count in self.failures.items():
            print(f"  {count} x {place}", flush=True)


def main() -> int:
    """Run the command; the exit code tells whether an input failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--seed", type=int, default=0, help="0 takes another one each time")
    options = parser.parse_args()
    if atheris is None:
        from fuzz.targets import TARGETS

        search = Search(options.target, TARGETS[options.target], options.findings)
        _mutate(search, options.seconds, options.seed)
    else:
        with atheris.instrument_imports(include=["mtcnn_fast", "PIL"]):
            from fuzz.targets import TARGETS

            search = Search(options.target, TARGETS[options.target], options.findings)
            _try_seeds(search)
        _guided(search, options)
    return 1 if search.failures else 0


def _try_seeds(search: Search) -> None:
    """Run the seeds, so that everything is imported that is imported on first use."""
    from fuzz.fuzz_seeds import seeds

    for data in seeds(search.name):
        search(data)


def _mutate(search: Search, seconds: int, seed: int) -> None:
    from fuzz.fuzz_input import mutated
    from fuzz.fuzz_seeds import seeds

    generator = random.Random(seed or None)
    inputs = seeds(search.name)
    end = time.monotonic() + seconds
    _try_seeds(search)
    while time.monotonic() < end:
        search(mutated(generator.choice(inputs), inputs, generator))
    search.report()


def _guided(search: Search, options: argparse.Namespace) -> None:
    from fuzz.fuzz_seeds import seeds

    corpus = options.findings / f"corpus-{search.name}"
    corpus.mkdir(parents=True, exist_ok=True)
    for index, data in enumerate(seeds(search.name)):
        (corpus / f"seed-{index}").write_bytes(data)
    flags = [
        f"-max_total_time={options.seconds}",
        "-timeout=120",
        "-rss_limit_mb=3000",
        "-max_len=40000",
        "-verbosity=1",
    ]
    flags += [
        f"-artifact_prefix={options.findings}/",
        *([f"-seed={options.seed}"] if options.seed else []),
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *flags], search)
    atheris.Fuzz()


if __name__ == "__main__":
    raise SystemExit(main())

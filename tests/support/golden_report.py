"""The pooled table of the golden tests.

They run apart, perhaps in several processes; each attaches its counts to its report, and they are added up here. The
contract is about the sum: a run that contains every golden test of a backend fails if that falls short.
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from support.golden import LEAST_MATCHED, MOST_TIES, Tally

PROPERTY = "golden"
HEADER = "backend        file               faces  matched  ties  near t.  near i.  misses  extras         %"


def attach(record_property, backend: str, name: str, tests: int, tally: Tally) -> None:
    """Attach one test's counts for a golden file; `tests` is the number of tests that make up the backend's sum."""
    record_property(PROPERTY, json.dumps([backend, name, tests, dataclasses.asdict(tally)]))


def passes(tally: Tally) -> bool:
    """Tell whether pooled counts meet the contract."""
    return tally.share_matched >= LEAST_MATCHED and tally.share_ties <= MOST_TIES


def row(backend: str, name: str, tally: Tally) -> str:
    """Return a line of the table."""
    counts = f"{tally.faces:8}{tally.matched:9}{tally.ties:6}{tally.near_threshold:9}{tally.near_integer:9}"
    return f"{backend:15}{name:16}{counts}{len(tally.misses):8}{len(tally.extras):8}{100 * tally.share_matched:10.3f}"


def write(reporter: pytest.TerminalReporter) -> None:
    """Print the table, and every face that is not accounted for."""
    collected = _collect(reporter)
    if not collected:
        return
    reporter.section("agreement with reference detections")
    reporter.write_line(HEADER)
    for backend, (files, complete) in collected.items():
        for name, tally in files.items():
            reporter.write_line(row(backend, name, tally))
        total = sum(files.values(), Tally())
        verdict = "" if not complete else "  passes" if passes(total) else "  FAILS"
        reporter.write_line(row(backend, "all" if complete else "all that ran", total) + verdict)
        for problem in total.misses + total.extras:
            reporter.write_line(problem)


def failed(config: pytest.Config) -> bool:
    """Tell whether a backend whose golden tests all ran falls short."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return False
    collected = _collect(reporter).values()
    return any(complete and not passes(sum(files.values(), Tally())) for files, complete in collected)


def _collect(reporter: pytest.TerminalReporter) -> dict[str, tuple[dict[str, Tally], bool]]:
    """Return, by backend, the counts by file and whether every test has reported."""
    files: dict[str, dict[str, Tally]] = {}
    missing: dict[str, int] = {}
    for report in (*reporter.stats.get("passed", ()), *reporter.stats.get("failed", ())):
        for key, value in getattr(report, "user_properties", ()):
            if key == PROPERTY:
                backend, name, tests, counts = json.loads(value)
                tallies = files.setdefault(backend, {})
                tallies[name] = tallies.get(name, Tally()) + Tally(**counts)
                missing[backend] = missing.get(backend, tests) - 1
    return {backend: (tallies, missing[backend] == 0) for backend, tallies in files.items()}

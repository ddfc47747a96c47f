"""Which forms of a backend look at all the reference images."""

from __future__ import annotations

import pytest

from support.golden import BORDERS
from support.variants import ISAS, THREADS, parameters, variants

# Each instruction set, and each number of threads. That any number of threads gives the same bits is another test.
_ENGINES = [f"cpu[{isa},{THREADS[index % len(THREADS)]}]" for index, isa in enumerate(ISAS)]


@pytest.fixture(scope="session", params=parameters(name for name in variants() if "[" not in name or name in _ENGINES))
def backend_name(request: pytest.FixtureRequest) -> str:
    """Each backend that can be used here, and the engine once with each of its instruction sets."""
    return str(request.param)


#: One golden file for each border: those that the slow backends are compared with each time, the rest being long.
_QUICK = ("zero", "min_face_40")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes minutes: numpy and torch with golden files that hold no other border or size."""
    for item in items:
        if item.get_closest_marker("golden"):
            drawn = item.callspec.params if hasattr(item, "callspec") else {}
            slow = item.get_closest_marker("torch") or drawn.get("backend_name") == "numpy"
            if slow and drawn.get("name") in set(BORDERS) - set(_QUICK):
                item.add_marker(pytest.mark.long)

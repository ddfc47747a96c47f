"""Which forms of a backend look at all the reference images."""

from __future__ import annotations

import pytest

from support.variants import ISAS, THREADS, parameters, variants

# Each instruction set, and each number of threads. That any number of threads gives the same bits is another test.
_ENGINES = [f"cpu[{isa},{THREADS[index % len(THREADS)]}]" for index, isa in enumerate(ISAS)]


@pytest.fixture(scope="session", params=parameters(name for name in variants() if "[" not in name or name in _ENGINES))
def backend_name(request: pytest.FixtureRequest) -> str:
    """Each backend that can be used here, and the engine once with each of its instruction sets."""
    return str(request.param)

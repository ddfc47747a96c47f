"""Which public methods and arguments of a class the contract tests use, so that none is forgotten."""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

#: By class and method, the arguments that a test uses.
COVERED: dict[tuple[type, str], set[str]] = defaultdict(set)


def public_calls(kind: type) -> dict[str, set[str]]:
    """Return the public attributes of a class, with the arguments of those that are called."""
    found: dict[str, set[str]] = {}
    for name in dir(kind):
        if name.startswith("_"):
            continue
        value = getattr(kind, name)
        parameters = list(inspect.signature(value).parameters) if inspect.isroutine(value) else []
        static = inspect.getattr_static(kind, name)
        if not inspect.isroutine(static) or inspect.isdatadescriptor(static):
            parameters = []
        found[name] = set(parameters) - {"self"}
    return found


def missing(kind: type) -> list[str]:
    """List the public methods and arguments of a class that no test covers."""
    gaps = []
    for name, arguments in public_calls(kind).items():
        if (kind, name) not in COVERED:
            gaps.append(name)
        else:
            gaps += [f"{name}({argument})" for argument in sorted(arguments - COVERED[kind, name])]
    return gaps


def covers(kind: type, name: str, *arguments: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare that a test uses a method with these arguments; it fails if it does not.

    Attributes that are not called are named without arguments, and only declared.
    """
    COVERED[kind, name] |= set(arguments)
    static = inspect.getattr_static(kind, name)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        if not inspect.isfunction(static):
            return test

        @functools.wraps(test)
        def watched(*args: Any, **settings: Any) -> None:
            used: set[str] = set()
            with _watching(kind, name, static, used):
                test(*args, **settings)
            assert set(arguments) <= used, f"the test does not call {name} with {sorted(set(arguments) - used)}"

        return watched

    return decorate


def _watching(kind: type, name: str, function: Callable[..., Any], used: set[str]) -> Any:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def watcher(*args: Any, **settings: Any) -> Any:
        used.update(signature.bind(*args, **settings).arguments)
        return function(*args, **settings)

    return mock.patch.object(kind, name, watcher)


def own_gaps() -> Iterator[str]:
    """Yield what is declared and does not exist."""
    for (kind, name), arguments in COVERED.items():
        existing = public_calls(kind).get(name)
        if existing is None or not arguments <= existing:
            yield f"{kind.__name__}.{name}({sorted(arguments - (existing or set()))})"

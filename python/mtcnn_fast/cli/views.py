"""What of an image is searched, as options, made of the declarations in `Views`."""

from __future__ import annotations

from typing import Any

import click

from mtcnn_fast.checks import Count, Maybe, Setting, settings_of
from mtcnn_fast.cli.commands import Decorator, F, option
from mtcnn_fast.cli.settings import checked, gathered
from mtcnn_fast.views.settings import Region, TileSide, Views

SECTION = "What is searched"


class Degrees(click.ParamType):  # type: ignore[type-arg]
    """Whole numbers with commas between them."""

    name = "degrees"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a tuple of the numbers."""
        if not isinstance(value, str):
            return value
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not whole numbers with commas between them, such as 0,180", param, ctx)


class Pixels(click.ParamType):  # type: ignore[type-arg]
    """A whole number or a word."""

    name = "pixels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number where it is one."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value


def _declared(name: str, setting: Setting) -> Decorator:
    check = setting.check.check if isinstance(setting.check, Maybe) else setting.check
    kind: Any = Pixels() if isinstance(check, TileSide) else int if isinstance(check, Count) else Degrees()
    return option(
        f"--{name.replace('_', '-')}",
        type=float if isinstance(check, Region) else kind,
        nargs=4 if isinstance(check, Region) else 1,
        metavar=setting.metavar,
        help=f"{setting.help} [{check.accepted}]",
        callback=checked(check),
        section=SECTION,
    )


#: The options by the names of the detection's arguments.
OPTIONS: dict[str, Decorator] = {name: _declared(name, setting) for name, setting in settings_of(Views).items()}


def view_options(command: F) -> F:
    """Give a command the options; it receives one argument more: `views`, a dict of those that were given."""
    return gathered("views", OPTIONS)(command)

"""Groups and commands of click with sections of options, examples, lazy loading and suggestions."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

import click
from click.shell_completion import CompletionItem, shell_complete

from mtcnn_fast._paths import exists
from mtcnn_fast.cli.exit_codes import exit_code

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = "Options"


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """A command that is not loaded yet.

    Attributes
    ----------
    target : str
        Module and name, as in ``package.module:name``.
    help : str
        First sentence of its help.
    """

    target: str
    help: str


class Option(click.Option):
    """An option that the help shows in a section.

    Parameters
    ----------
    section : str
        Heading in the help.
    """

    def __init__(self, *args: Any, section: str = _OPTIONS, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section


class Decorator(Protocol):
    """Adds something to a command's function."""

    def __call__(self, function: F, /) -> F:
        """Return the function."""


def option(*names: str, **attributes: Any) -> Decorator:
    """Declare an option, as `click.option` does; the attributes are those of `Option`."""
    return click.option(*names, cls=Option, **attributes)


class Command(click.Command):
    """A command with sections of options and examples.

    Parameters
    ----------
    examples : str
        Command lines, one a line.
    """

    def __init__(self, *args: Any, examples: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; warnings of the package are printed on standard error with the command's name."""
        import logging

        logging.basicConfig(format="mtcnn-fast: %(message)s")
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of each section below its heading."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", _OPTIONS), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)


class Group(click.Group):
    """A group of commands with examples and suggestions for what is mistyped.

    Parameters
    ----------
    examples : str
        Command lines, one a line.
    """

    command_class = Command

    def __init__(self, *args: Any, examples: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a name, or suggest one."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            _refuse_name(ctx, self.list_commands(ctx), args[0])
        return super().resolve_command(ctx, args)


class App(Group):
    """The whole command: its commands are loaded when they are run, and every failure becomes an exit code.

    Parameters
    ----------
    summaries : mapping of str to Summary
        The commands by name, in the order of the help.
    """

    def __init__(self, *args: Any, summaries: Mapping[str, Summary], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command, or return None if there is none of this name."""
        if cmd_name not in self.summaries:
            return None
        module, _, name = self.summaries[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin as the text does, without loading the commands."""
        names = [name for name in self.summaries if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self.summaries[name].help) for name in names]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' names and first sentences without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary.help) for name, summary in self.summaries.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **attributes: Any,
    ) -> Any:
        """Run the command and, in standalone mode, end the process with its exit code.

        Click's own would answer Ctrl-C and closed pipes before `exit_code` can.
        """
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **attributes)
        name = prog_name or self.name or "mtcnn-fast"
        variable = complete_var or f"_{name.replace('-', '_').upper()}_COMPLETE"
        if os.environ.get(variable):
            sys.exit(shell_complete(self, attributes, name, variable, os.environ[variable]))
        given = sys.argv[1:] if args is None else list(args)

        def run() -> object:
            with self.make_context(name, given, **attributes) as ctx:
                return self.invoke(ctx)

        sys.exit(exit_code(run))


def write_examples(formatter: click.HelpFormatter, examples: str) -> None:
    """Write command lines as they are, however long."""
    if examples:
        formatter.write_paragraph()
        formatter.write("Examples:\n")
        for line in filter(None, examples.splitlines()):
            formatter.write(f"  {line}\n")


def _refuse_name(ctx: click.Context, names: list[str], given: str) -> NoReturn:
    looks_like_a_file = "." in given or "*" in given or os.sep in given or exists(given)
    close = difflib.get_close_matches(given, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    if "detect" in names and looks_like_a_file:
        hint = f" Did you mean '{ctx.command_path} detect {given}'?"
    ctx.fail(f"No such command '{given}'.{hint}")

"""The detector's settings as options, made of the declarations in `DetectorConfig`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from mtcnn_fast.backends import DEVICES
from mtcnn_fast.checks import Check, Choice, Count, Maybe, Setting, Tuple, settings_of
from mtcnn_fast.cli.commands import Decorator, F, option
from mtcnn_fast.config import DEFAULTS, PRESETS, WEIGHTS, DetectorConfig
from mtcnn_fast.errors import BackendUnavailableError, ConfigError, WeightsError

if TYPE_CHECKING:
    from mtcnn_fast.detector import Detector

SECTION = "Detection"


class Words(click.ParamType):  # type: ignore[type-arg]
    """Text that the shell completes; whether it is accepted is checked by the setting's own check."""

    name = "text"

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the words that begin as the text does."""
        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]


def choice(*names: str, options: tuple[str, ...], **attributes: Any) -> Decorator:
    """Declare an option with a few accepted words."""
    return option(
        *names,
        type=Words(options),
        metavar=attributes.pop("metavar", "|".join(options)),
        callback=checked(Choice(options)),
        **attributes,
    )


def checked(check: Check[Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Make a callback of a check: the parser refuses what it refuses, and names the option."""

    def call(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value is None:
            return None
        try:
            return check(param.name or "", value)
        except ConfigError as error:
            raise click.BadParameter(str(error), ctx, param) from error

    return call


def declared(name: str, setting: Setting, default: Any, section: str = SECTION) -> Decorator:
    """Make an option of a declared field of a dataclass, in a section of the help."""
    check = setting.check.check if isinstance(setting.check, Maybe) else setting.check
    facts = [] if default is None else [f"default {_as_typed(default)}"]
    if not isinstance(check, Choice):
        facts.insert(0, check.accepted)
    attributes: dict[str, Any] = {
        "default": default,
        "help": f"{setting.help} [{'; '.join(facts)}]" if facts else setting.help,
        "section": section,
    }
    flag = _flag(name)
    if isinstance(check, Choice):
        return choice(flag, options=check.options, **attributes)
    item = check.item if isinstance(check, Tuple) else check
    return option(
        flag,
        type=int if isinstance(item, Count) else float,
        nargs=check.length if isinstance(check, Tuple) else 1,
        metavar=setting.metavar,
        callback=checked(check),
        **attributes,
    )


def _as_typed(value: object) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return " ".join(str(int(v)) if isinstance(v, float) and v == int(v) else str(v) for v in values)


def _flag(setting: str) -> str:
    return f"--{setting.replace('_', '-')}"


#: The options by the names of the detector's parameters.
OPTIONS: dict[str, Decorator] = {
    "device": option(
        "--device",
        type=Words(DEVICES[:-1]),
        metavar="NAME",
        default="auto",
        help=f"One of {', '.join(DEVICES)}. [default auto]",
        section=SECTION,
    ),
    "preset": choice(
        "--preset",
        options=tuple(PRESETS),
        help="Settings chosen by measurement; options given beside it replace its own.",
        section=SECTION,
    ),
    **{name: declared(name, setting, getattr(DEFAULTS, name)) for name, setting in settings_of(DetectorConfig).items()},
    "weights": option(
        "--weights",
        type=click.Path(),
        metavar="NAME|PATH",
        help=f"Networks: {', '.join(WEIGHTS)}, or a folder or a safetensors file of your own. [default {WEIGHTS[0]}]",
        section=SECTION,
    ),
}


def detector_options(*names: str) -> Decorator:
    """Give a command options of the detector.

    Parameters
    ----------
    *names : str
        Which; all if none is named.

    Returns
    -------
    callable
        Decorator. The command receives one argument more: `settings`, a dict of the options that were given, with a
        preset's settings below them.
    """

    def with_preset(given: dict[str, Any]) -> dict[str, Any]:
        return {**PRESETS[given.pop("preset", "default")], **given}

    return gathered("settings", {name: OPTIONS[name] for name in names or OPTIONS}, with_preset)


def gathered(
    argument: str, options: Mapping[str, Decorator], made: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> Decorator:
    """Give a command options, of which it receives those that were given as one argument.

    Parameters
    ----------
    argument : str
        Name of the command's argument.
    options : mapping of str to callable
        By the names of their parameters.
    made : callable
        Makes the argument of a dict of the options that were given.
    """

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def with_options(**values: Any) -> Any:
            ctx = click.get_current_context()
            taken = {name: values.pop(name) for name in options}
            given = {
                name: value
                for name, value in taken.items()
                if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
            }
            return command(**values, **{argument: made(given)})

        decorated: Any = with_options
        for name in reversed(tuple(options)):
            decorated = options[name](decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def check_exclusive(asked: Mapping[str, bool]) -> None:
    """Refuse more than one of these options.

    Raises
    ------
    click.UsageError
        It names those that were given.
    """
    names = [name for name, wanted in asked.items() if wanted]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} exclude each other", click.get_current_context())


def make_detector(settings: dict[str, Any]) -> Detector:
    """Make the detector that the options describe.

    Raises
    ------
    click.BadParameter
        If one is not accepted; it names the option.
    """
    from mtcnn_fast.detector import Detector

    with naming_options():
        return Detector(**settings)


@contextmanager
def naming_options() -> Iterator[None]:
    """Turn errors of settings into errors of options.

    Raises
    ------
    click.BadParameter
        If such an error is raised inside; it names the option.
    """
    ctx = click.get_current_context()
    try:
        yield
    except ConfigError as error:
        # The message begins with the name of the setting, or of a variable of the environment.
        name = re.split(r"\W", str(error), maxsplit=1)[0]
        declared = {parameter.name for parameter in ctx.command.params}
        raise bad_option(str(error), _flag(name) if name in declared else name, ctx) from error
    except BackendUnavailableError as error:
        raise bad_option(str(error), "--device", ctx) from error
    except WeightsError as error:
        raise bad_option(str(error), "--weights", ctx) from error


def bad_option(message: str, name: str, ctx: click.Context | None = None) -> click.BadParameter:
    """Make the error of an option that is not accepted."""
    return click.BadParameter(message, ctx or click.get_current_context(), param_hint=f"'{name}'")

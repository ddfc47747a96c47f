"""The detector's settings as options, the same for every command that detects."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from mtcnn_fast.backends import DEVICES
from mtcnn_fast.config import DEFAULTS, PRECISIONS
from mtcnn_fast.detector import Detector
from mtcnn_fast.errors import BackendUnavailableError, ConfigError, WeightsError

PANEL = "Detection"


def _option(metavar: str, help_text: str) -> Any:
    return typer.Option(rich_help_panel=PANEL, metavar=metavar, help=help_text)


#: Type and default of each option; the names are those of the parameters of `Detector`.
OPTIONS: dict[str, tuple[Any, Any]] = {
    "device": (Annotated[str, _option("NAME", f"One of {', '.join(DEVICES)}.")], "auto"),
    "min_face_size": (
        Annotated[float, _option("PIXELS", "Side of the smallest face to look for.")],
        DEFAULTS.min_face_size,
    ),
    "max_face_size": (
        Annotated[float | None, _option("PIXELS", "Side of the largest face to look for.")],
        DEFAULTS.max_face_size,
    ),
    "thresholds": (
        Annotated[tuple[float, float, float], _option("P R O", "Least score after each of the three networks.")],
        DEFAULTS.thresholds,
    ),
    "factor": (Annotated[float, _option("RATIO", "Step between the scales searched.")], DEFAULTS.factor),
    "nms_thresholds": (
        Annotated[
            tuple[float, float, float, float],
            _option(
                "S A R O", "Overlap allowed within a scale, over all scales, after the second and the third network."
            ),
        ],
        DEFAULTS.nms_thresholds,
    ),
    "border": (
        Annotated[str, _option("zero|clip", "How faces cut by the image's edge are completed.")],
        DEFAULTS.border,
    ),
    "max_faces": (Annotated[int | None, _option("N", "Keep the N best faces of an image.")], DEFAULTS.max_faces),
    "max_pixels": (Annotated[int, _option("N", "Refuse images with more pixels.")], DEFAULTS.max_pixels),
    "num_threads": (
        Annotated[int | None, _option("N", "Threads of the cpu device; all cores if not given.")],
        DEFAULTS.num_threads,
    ),
    "precision": (
        Annotated[str, _option("NAME", f"Of the networks on torch:cpu and cuda: {', '.join(PRECISIONS)}.")],
        DEFAULTS.precision,
    ),
    "weights": (Annotated[Path | None, _option("PATH", "Networks of your own: a folder or a safetensors file.")], None),
}


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the detector; it receives their values as one argument, `settings`."""
    return _with_options(command, list(OPTIONS))


def takes_some_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command some of the options of the detector, as `takes_settings` gives it all."""
    return lambda command: _with_options(command, names)


def _with_options(command: Callable[..., None], names: Sequence[str]) -> Callable[..., None]:
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "settings"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in ((name, OPTIONS[name]) for name in names)
    ]

    @functools.wraps(command)
    def with_settings(**values: Any) -> None:
        settings = {name: values.pop(name) for name in names}
        command(**values, settings=settings)

    parameters = [*own, *added]
    with_settings.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_settings.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_settings


def make_detector(settings: dict[str, Any]) -> Detector:
    """Make the detector that the options describe.

    Raises
    ------
    typer.BadParameter
        If one is not accepted; it names the option.
    """
    with naming_options():
        return Detector(**settings)


@contextmanager
def naming_options() -> Iterator[None]:
    """Turn what is said of settings that are not accepted into what is said of options.

    Raises
    ------
    typer.BadParameter
        If such an error is raised inside; it names the option.
    """
    try:
        yield
    except ConfigError as error:
        # The message begins with the setting's name, which is also the option's.
        setting = re.split(r"\W", str(error), maxsplit=1)[0]
        raise typer.BadParameter(str(error), param_hint=f"--{setting.replace('_', '-')}") from error
    except BackendUnavailableError as error:
        raise typer.BadParameter(str(error), param_hint="--device") from error
    except WeightsError as error:
        raise typer.BadParameter(str(error), param_hint="--weights") from error

"""Fields of dataclasses that carry their check and their description."""

from __future__ import annotations

import dataclasses
from typing import Any

from mtcnn_fast.checks.values import Check

_KEY = "mtcnn_fast.setting"


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a field beside its name, its type and its default.

    Attributes
    ----------
    check : Check
        What it accepts.
    help : str
        What it is, in one sentence.
    metavar : str
        What stands for its value in a command's help, such as ``PIXELS``.
    """

    check: Check[Any]
    help: str = ""
    metavar: str = ""


def setting(default: Any, check: Check[Any], help: str = "", metavar: str = "") -> Any:
    """Declare a field: its default, its check and its description.

    Parameters
    ----------
    default : object
        A callable makes the default anew for each object.
    check : Check
    help, metavar : str
        See `Setting`.

    Returns
    -------
    dataclasses.Field
    """
    metadata = {_KEY: Setting(check, help, metavar)}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def settings_of(kind: type[Any]) -> dict[str, Setting]:
    """Return the declared fields of a dataclass by name, in their order."""
    return {field.name: field.metadata[_KEY] for field in dataclasses.fields(kind) if _KEY in field.metadata}


def check_settings(instance: Any) -> None:
    """Check every declared field of a dataclass, frozen or not, and put the checked value in its place.

    Raises
    ------
    ConfigError
        If a value is not accepted; the message names the field.
    """
    for name, declared in settings_of(type(instance)).items():
        object.__setattr__(instance, name, declared.check(name, getattr(instance, name)))

"""Declared checks: of numbers, choices and tuples in `values`, of fields in `settings`, of arrays in `arrays`.

`arrays` is imported by its own name, because it needs numpy and the command's help does not.
"""

from mtcnn_fast.checks.settings import Setting, check_settings, setting, settings_of
from mtcnn_fast.checks.values import Check, Choice, Count, Flag, Instance, Maybe, Number, Tuple, shown

__all__ = [
    "Check",
    "Choice",
    "Count",
    "Flag",
    "Instance",
    "Maybe",
    "Number",
    "Setting",
    "Tuple",
    "check_settings",
    "setting",
    "settings_of",
    "shown",
]

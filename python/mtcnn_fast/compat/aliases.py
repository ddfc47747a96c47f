"""`install`: other packages' names for the modules of this one."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mtcnn_fast.errors import ConfigError

#: Packages that have a stand-in here, under the names that programs import.
PACKAGES: tuple[str, ...] = ("facenet_pytorch", "mtcnn")

_HOME = "mtcnn_fast.compat."


class Aliases:
    """Finds the modules of other packages among those of this one, where each has the same path.

    Attributes
    ----------
    packages : set of str
        Packages that are answered for.
    """

    def __init__(self) -> None:
        self.packages: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer the import system: a spec for a module that has a stand-in, else None."""
        if name.partition(".")[0] not in self.packages:
            return None
        ours = importlib.util.find_spec(_HOME + name)
        if ours is None:
            return None
        loader: Any = self
        return ModuleSpec(name, loader, is_package=ours.submodule_search_locations is not None)

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system to make a module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the stand-in in the place of the module that was asked for."""
        sys.modules[module.__name__] = importlib.import_module(_HOME + module.__name__)


_ALIASES = Aliases()


def install(*packages: str) -> None:
    """Let ``import facenet_pytorch`` and ``import mtcnn`` find the modules of `mtcnn_fast.compat`.

    A module is loaded when it is first imported, so installing costs nothing, and ``facenet_pytorch`` needs torch only
    then. Installed aliases come before a package of that name in site-packages. Installing twice is allowed.

    Parameters
    ----------
    *packages : {"facenet_pytorch", "mtcnn"}
        What to stand in for; without any, all.

    Raises
    ------
    ConfigError
        If there is no stand-in for a package, or the real package is imported already: parts of the program would go on
        using it. Nothing is installed then.
    """
    wanted = packages or PACKAGES
    for name in wanted:
        if name not in PACKAGES:
            raise ConfigError(f"packages must be among {', '.join(map(repr, PACKAGES))}, got {name!r}")
        loaded = sys.modules.get(name)
        if loaded is not None and loaded is not sys.modules.get(_HOME + name):
            place = getattr(loaded, "__file__", None) or "an unknown place"
            raise ConfigError(
                f"{name!r} is imported already, from {place}; call mtcnn_fast.compat.install({name!r}) before it is"
            )
    _ALIASES.packages.update(wanted)
    if _ALIASES not in sys.meta_path:
        # First, since a real package may be installed too.
        sys.meta_path.insert(0, _ALIASES)

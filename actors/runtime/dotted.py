"""What a config names as ``package.module:name``: from a package that is installed, or from a
module beside the config file.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from .errors import StartError

MODULES = "CALLPOINT_MODULES"
"""Environment variable: directories where modules are looked for after all others."""


def find_modules_beside(config: Path) -> None:
    """From now on and in all processes that this one starts, if they call :func:`find_modules`.
    ``python -m`` looks into the working directory, an installed command does not, a service has
    another one: the config file is where it is.
    """
    beside = str(config.absolute().parent)
    os.environ[MODULES] = os.pathsep.join(filter(None, [os.environ.get(MODULES), beside]))
    find_modules()


def find_modules() -> None:
    """Find modules where :data:`MODULES` says. Last, so that they can stand before none of ours or
    of Python's own.
    """
    for directory in os.environ.get(MODULES, "").split(os.pathsep):
        if directory and directory not in sys.path:
            sys.path.append(directory)


def load_object(target: str) -> Any:
    """The object; raises :class:`StartError` when there is none, or its module does not load."""
    module_name, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as cause:
        raise StartError(
            f"cannot load {target}: {cause}",
            "it must be package.module:name, of an installed package or of a module beside the"
            " config file",
        ) from cause

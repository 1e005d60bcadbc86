"""Options that several commands have."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from actors.settings.dirs import RUNTIME_DIR, runtime_dir

Command = TypeVar("Command", bound=Callable[..., Any])


def with_runtime_dir(command: Command) -> Command:
    """``runtime_dir``: of the terminal that is meant; absolute."""
    return click.option(
        "--runtime-dir",
        metavar="DIR",
        callback=_resolve,
        help=f"Which terminal is meant. Else {RUNTIME_DIR}, else the default of this user.",
    )(command)


def with_json(command: Command) -> Command:
    """``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="For programs.")(command)


def _resolve(_ctx: click.Context, _option: click.Parameter, named: str | None) -> Path:
    return Path(named).absolute() if named else runtime_dir(os.environ)

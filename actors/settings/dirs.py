"""Where a terminal keeps its sockets and its history."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from .model import Settings
from .problems import Problem, SettingsError

RUNTIME_DIR = "CALLPOINT_RUNTIME_DIR"
STATE_DIR = "CALLPOINT_STATE_DIR"


def runtime_dir(environ: Mapping[str, str], configured: str = "") -> Path:
    """CALLPOINT_RUNTIME_DIR, else as configured, else the default of this user."""
    return Path(environ.get(RUNTIME_DIR) or configured or _default_runtime_dir(environ)).absolute()


def state_dir(environ: Mapping[str, str], configured: str = "") -> Path:
    """CALLPOINT_STATE_DIR, else as configured, else the default of this user.

    Raises :class:`SettingsError` when nothing is said and this user has no home.
    """
    return Path(environ.get(STATE_DIR) or configured or _default_state_dir(environ)).absolute()


def resolve_dirs(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The same settings with absolute ``runtime_dir``, ``state_dir`` and ``history.path``.

    Touches no file. The environment comes before the file, so that one config serves several
    terminals of a machine. Resolving again changes nothing. Raises as :func:`state_dir`.
    """
    state = state_dir(environ, settings.terminal.state_dir)
    terminal = msgspec.structs.replace(
        settings.terminal,
        runtime_dir=str(runtime_dir(environ, settings.terminal.runtime_dir)),
        state_dir=str(state),
    )
    path = settings.history.path or str(state / "history.sqlite3")
    history = msgspec.structs.replace(settings.history, path=path)
    return msgspec.structs.replace(settings, terminal=terminal, history=history)


def _default_runtime_dir(environ: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/run/callpoint"
    if base := environ.get("XDG_RUNTIME_DIR"):
        return f"{base}/callpoint"
    return f"/tmp/callpoint-{os.geteuid()}"  # noqa: S108  # made 0700, refused when not ours


def _default_state_dir(environ: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/callpoint"
    if base := environ.get("XDG_STATE_HOME"):
        return f"{base}/callpoint"
    try:
        return str(Path("~/.local/state/callpoint").expanduser())
    except RuntimeError:  # as in a container, whose users may be mere numbers
        what, remedy = "this user has no home directory", "set it, or [terminal] state_dir"
        raise SettingsError([Problem(STATE_DIR, 0, "", what, remedy)]) from None

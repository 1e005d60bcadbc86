"""``callpoint status``."""

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

import click

from .failures import EXPLAINED, exit_codes
from .options import with_json, with_runtime_dir
from .overview import as_dict, as_text, take

_EVERY_S = 1.0
_HOME_AND_CLEAR = "\x1b[H\x1b[2J"


@click.command(short_help="Session, agent, every process.", epilog=exit_codes(EXPLAINED))
@with_json
@click.option("--watch", is_flag=True, help="Again every second, until Ctrl-C.")
@with_runtime_dir
def status(as_json: bool, watch: bool, runtime_dir: Path) -> None:
    """Tell how the terminal is: the session, its agent, and every process.

    \b
    Examples:
      callpoint status --watch
      callpoint status --json | jq -r .agent.state
      kill -9 $(callpoint status --json | jq .actors.room.pid)   # and go on talking

    With --json: state, session, agent, actors, and more. What is not known, because the session
    is not up yet, is null or "unknown". With --watch, one object a line.
    """  # noqa: D301  # \b is click's mark
    with contextlib.suppress(KeyboardInterrupt):  # the way to end a watch
        _look(runtime_dir, as_json=as_json, watch=watch)


def _look(runtime_dir: Path, *, as_json: bool, watch: bool) -> None:
    while True:
        overview = asyncio.run(take(runtime_dir))
        if as_json:
            click.echo(json.dumps(as_dict(overview), indent=None if watch else 2))
        else:
            clear = _HOME_AND_CLEAR if watch and _is_terminal() else ""
            click.echo(clear + as_text(overview, runtime_dir))
        if not watch:
            return
        time.sleep(_EVERY_S)


def _is_terminal() -> bool:
    return sys.stdout.isatty()

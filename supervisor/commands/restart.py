"""``callpoint restart ACTOR``."""

import asyncio
from pathlib import Path

import click

from actors.messages import RestartActor
from actors.runtime.control import ask_supervisor

from .failures import EXPLAINED, exit_codes
from .options import with_runtime_dir

_READY_S = 60.0
"""To drain, to be killed if it does not, and to start again."""


@click.command(epilog=exit_codes(EXPLAINED))
@click.argument("actor")
@with_runtime_dir
def restart(actor: str, runtime_dir: Path) -> None:
    """Stop and start one ACTOR; the conversation goes on. Answers when it is Ready again.

    callpoint status lists the actors.
    """
    asyncio.run(ask_supervisor(runtime_dir, RestartActor(actor), _READY_S))

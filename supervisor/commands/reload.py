"""``callpoint reload``."""

import asyncio
from pathlib import Path

import click

from actors.messages import Reload, Reloaded
from actors.runtime.control import ask_supervisor

from .failures import EXPLAINED, exit_codes
from .options import with_runtime_dir

_DONE_S = 300.0
"""Everything may have changed, and each actor has its time to stop and to start."""


@click.command(
    short_help="Read the config again.",
    epilog=exit_codes(EXPLAINED),
)
@with_runtime_dir
def reload(runtime_dir: Path) -> None:
    """Have the running terminal read its config file again. What has changed is started, restarted
    or stopped, everything else goes on undisturbed. A file with anything wrong in it changes
    nothing; what is wrong is told as by callpoint check.
    """
    done = asyncio.run(ask_supervisor(runtime_dir, Reload(), _DONE_S))
    assert isinstance(done, Reloaded)
    for what, names in (
        ("stopped", done.stopped),
        ("started", done.started),
        ("restarted", done.restarted),
    ):
        if names:
            click.echo(f"{what}: {', '.join(names)}")
    if not (done.stopped or done.started or done.restarted):
        click.echo("nothing had to be restarted")

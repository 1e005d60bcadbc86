"""``callpoint demo``."""

import asyncio
import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from supervisor import exits

from ..failures import ORDER_FAILED, Failure, exit_codes
from .plan import Plan, configured, demo_directory, here, plan
from .screen import open_screen
from .sound import find_sound
from .story import Story

_CODES = {
    0: "ended, or talked through",
    ORDER_FAILED: "the agent heard nothing, or the conversation could not begin",
    exits.CONFIG: "the config or the command line is wrong",
    exits.CANNOT_START: exits.EXPLAINED[exits.CANNOT_START],
}


@click.command(
    short_help="Talk with a parrot: no server, no keys.",
    epilog="\b\nExamples:\n"
    "  callpoint demo\n"
    "  callpoint demo --seconds 20 < /dev/null    # in a script\n"
    "  callpoint demo --agent my-agent            # of the server that LIVEKIT_URL names\n"
    "  callpoint demo --config configs/kiosk.toml # a terminal of your own\n\n"
    + exit_codes(_CODES),
)
@click.option("--config", type=click.Path(path_type=Path), help="Talk as this config says.")
@click.option(
    "--agent", metavar="NAME", default="", help="Of a LiveKit server; keys from the environment."
)
@click.option("--no-kiosk", is_flag=True, help="Without the page.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so many seconds.")
@click.option("--runtime-dir", metavar="DIR", help="Else a new temporary one.")
def demo(
    config: Path | None,
    agent: str,
    no_kiosk: bool,
    seconds: float | None,
    runtime_dir: str | None,
) -> None:
    """Talk with a parrot: a whole terminal in a practice room, without server, network or keys;
    or with --agent in a room of the server that LIVEKIT_URL, LIVEKIT_API_KEY and
    LIVEKIT_API_SECRET name.

    Uses the sound card if there is one, else a spoken file for a microphone. What is said shows
    as it is understood; a typed line is sent as a message. Ctrl-D or Ctrl-C ends it. Without a
    keyboard it ends by itself when the file has been talked through.
    """
    from actors.settings.dirs import RUNTIME_DIR
    from actors.settings.obstacles import obstacles

    environ = {**os.environ, **({RUNTIME_DIR: runtime_dir} if runtime_dir else {})}
    if config and agent:
        raise click.UsageError("a config says itself which agent: --config or --agent, not both")
    settings = configured(config, environ) if config else here(find_sound(), agent)
    directory = demo_directory()
    chosen = plan(settings, directory, environ, kiosk=not no_kiosk)
    for finding in obstacles(chosen.settings, environ):
        raise Failure(finding.what, finding.remedy, exits.CONFIG)
    story, talked_through = Story(), False
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C before the loop runs
        _tell(chosen)
        talked_through = _talk(chosen, story, seconds)
    click.echo(story.summary())
    if talked_through and not story.heard:
        raise Failure("the agent heard nothing", f"the log says more: {chosen.log_file}")
    shutil.rmtree(directory, ignore_errors=True)


def _tell(chosen: Plan) -> None:
    settings = chosen.settings
    room = "practice room" if settings.livekit.backend == "practice" else settings.livekit.url
    microphone = settings.audio.input
    if microphone.startswith("file:"):
        microphone = f"a spoken file, {Path(microphone).name}"
    click.echo(f"room       {room or 'LiveKit'}")
    click.echo(f"microphone {microphone}")
    click.echo(f"log        {chosen.log_file}")
    click.echo(f"status     callpoint status --runtime-dir {chosen.runtime_dir}")
    if sys.stdin.isatty():
        click.echo("Type a line to send a message; Ctrl-D ends.")


def _talk(chosen: Plan, story: Story, seconds: float | None) -> bool:
    """Returns whether the file was talked through to its end."""
    from supervisor.rundir import RuntimeDirError
    from supervisor.tree import StartFailedError

    from .talk import Talk

    typed = sys.stdin.isatty()
    with _log_to(chosen.log_file), open_screen() as screen:
        talk = Talk(
            plan=chosen,
            story=story,
            screen=screen,
            keyboard=sys.stdin.fileno(),
            ends_with_keyboard=typed,
            seconds=seconds,
            ends_with_speech=not typed,
        )
        try:
            return asyncio.run(talk.run())
        except asyncio.CancelledError:  # Ctrl-C while it was still starting
            return False
        except RuntimeDirError as error:
            raise Failure(error.reason, error.remedy, exits.RUNTIME_DIR) from None
        except StartFailedError as error:
            remedy = error.remedy or f"the log says more: {chosen.log_file}"
            raise Failure(str(error), remedy, exits.CANNOT_START) from None


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """The supervisor's own log lines go where those of its children do."""
    from actors.runtime.logs import configure

    with path.open("a") as file:
        configure("supervisor")
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(file)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)

"""``callpoint start``, ``end``, ``say``, ``mute``, ``unmute``: orders to the session."""

import asyncio
import uuid
from pathlib import Path

import click

from actors.messages import (
    EndSession,
    KeepSound,
    Message,
    Said,
    Say,
    SetMuted,
    SetVolume,
    SoundKept,
    StartSession,
)
from actors.runtime.client import Client

from .failures import EXPLAINED, exit_codes
from .options import with_runtime_dir

SESSION, AUDIO = "session", "audio"

_CODES = exit_codes(EXPLAINED)


async def order(runtime_dir: Path, to: str, message: Message) -> Message:
    """Ask an actor of a running terminal. Raises ``OrderFailed``, ``NotRunning`` among them."""
    async with Client(runtime_dir) as client:
        return await client.insist(to, message)


@click.command(epilog=_CODES)
@with_runtime_dir
def start(runtime_dir: Path) -> None:
    """Begin a conversation.

    Answers as soon as the recorder really runs: what is said from now on reaches the agent, even
    if it comes only later. Does nothing when a conversation is on.
    """
    asyncio.run(order(runtime_dir, SESSION, StartSession()))


@click.command(epilog=_CODES)
@with_runtime_dir
def end(runtime_dir: Path) -> None:
    """End the conversation. Answers when the room has been left."""
    asyncio.run(order(runtime_dir, SESSION, EndSession()))


@click.command(
    short_help="Send the agent a message.",
    epilog="\b\nExample:\n  callpoint say two tickets, please\n\n" + _CODES,
)
@click.argument("text", nargs=-1, required=True)
@with_runtime_dir
def say(text: tuple[str, ...], runtime_dir: Path) -> None:
    """Send TEXT to the agent as a message and print the message's id."""
    if not (words := " ".join(text).strip()):
        raise click.UsageError("there is nothing to say in an empty text")
    said = asyncio.run(order(runtime_dir, SESSION, Say(words, str(uuid.uuid4()))))
    assert isinstance(said, Said)
    click.echo(said.message.id)
    if said.kept:
        click.echo("kept: it is sent when the connection to the room is back", err=True)


@click.command(short_help="How loud the agent is.", epilog=_CODES)
@click.argument("percent", type=click.IntRange(0, 100))
@with_runtime_dir
def volume(percent: int, runtime_dir: Path) -> None:
    """Set how loud the agent is, from 0 to 100 PERCENT. It stays so until a reboot."""
    asyncio.run(order(runtime_dir, AUDIO, SetVolume(percent)))


@click.command(short_help="Write the sound to files, for support.", epilog=_CODES)
@click.option(
    "--seconds", type=click.FloatRange(1, 600), default=60.0, show_default=True, help="At most."
)
@click.option("--stop", is_flag=True, help="End the recording that is under way.")
@with_runtime_dir
def record(seconds: float, stop: bool, runtime_dir: Path) -> None:
    """Write what is captured, what becomes of it and what is played to WAV files, print their
    names, and go on in the background until the time is over.

    Only conversations are written, and nothing that is said while the microphone is off. Page and
    status say that it is done. The files stay until somebody removes them.
    """
    kept = asyncio.run(order(runtime_dir, AUDIO, KeepSound(0.0 if stop else seconds)))
    assert isinstance(kept, SoundKept)
    click.echo("\n".join(kept.files) or "Nothing was being recorded.")


@click.command(short_help="Switch the microphone off.", epilog=_CODES)
@with_runtime_dir
def mute(runtime_dir: Path) -> None:
    """Switch the microphone off: nothing is recorded or sent until unmute."""
    asyncio.run(order(runtime_dir, SESSION, SetMuted(True)))


@click.command(epilog=_CODES)
@with_runtime_dir
def unmute(runtime_dir: Path) -> None:
    """Switch the microphone on again."""
    asyncio.run(order(runtime_dir, SESSION, SetMuted(False)))

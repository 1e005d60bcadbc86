"""``callpoint devices``: what sound devices there are, which are used, and are they well."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from actors.messages import (
    AudioLevel,
    Devices,
    DevicesChosen,
    GetLevel,
    ListDevices,
    SoundDevice,
    SoundTried,
    TrySound,
    UseDevices,
)
from actors.runtime.client import Client, NotRunning

from .failures import EXPLAINED, ORDER_FAILED, Failure, exit_codes
from .options import with_json, with_runtime_dir
from .table import columns

AUDIO = "audio"
_DEADLINE_S = 10.0
_CHOOSING_S = 30.0
"""The sound system may take 8 s to tell what there is, and again for each device that is tried."""
_EVERY_S = 0.2
_METER = 40
"""Characters, of a meter from -60 dBFS to full scale."""
_FOUND_WRONG = 2
_CODES = exit_codes(EXPLAINED | {_FOUND_WRONG: "something is wrong with the sound"})


@click.group(
    invoke_without_command=True,
    short_help="Sound devices: which are used, and are they well.",
    epilog=exit_codes(EXPLAINED),
)
@with_json
@click.option("--watch", is_flag=True, help="Then show the level, until Ctrl-C.")
@with_runtime_dir
@click.pass_context
def devices(ctx: click.Context, as_json: bool, watch: bool, runtime_dir: Path) -> None:
    """List sound devices, with those that a running terminal uses, and how loud it is.

    \b
    Examples:
      callpoint devices --watch
      callpoint devices test              speak, and hear yourself
      callpoint devices use --input usb   another microphone from now on

    [audio] input and output take a name, or an id: it stays the same after each plugging.
    """  # noqa: D301  # \b is click's mark
    if ctx.invoked_subcommand is not None:
        ctx.obj = runtime_dir
        return
    try:
        found, level = asyncio.run(_look(runtime_dir))
    except NotRunning:
        if watch:
            raise
        found, level = _ask_portaudio(), None
    if as_json:
        click.echo(json.dumps(_as_dict(found, level), indent=2))
    else:
        click.echo(_as_text(found, level))
    if watch:
        with contextlib.suppress(KeyboardInterrupt):  # the way to end a watch
            asyncio.run(_watch(runtime_dir))


@devices.command(short_help="Speak, hear yourself, be told what is wrong.", epilog=_CODES)
@with_json
@click.option(
    "--seconds", type=click.FloatRange(0.5, 10), default=3.0, show_default=True, help="To speak."
)
@click.pass_obj
def test(runtime_dir: Path, as_json: bool, seconds: float) -> None:
    """Speak to the running terminal: you hear a beep, then yourself, and are told what is wrong.

    What you say is kept in memory only, until you have heard it.
    """
    if not as_json:
        click.echo(f"Speak for {seconds:g} s, now.")
    tried = asyncio.run(_try(runtime_dir, seconds))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(_fields(tried)), indent=2))
    else:
        click.echo(_verdict(tried))
    if tried.wrong:
        raise click.exceptions.Exit(_FOUND_WRONG)


@devices.command(short_help="Another microphone or loudspeaker.", epilog=exit_codes(EXPLAINED))
@click.option("--input", "input_", metavar="NAME", help="The microphone.")
@click.option("--output", metavar="NAME", help="The loudspeaker.")
@click.option("--as-configured", is_flag=True, help="What the config says, for what is not named.")
@click.pass_obj
def use(runtime_dir: Path, input_: str | None, output: str | None, as_configured: bool) -> None:
    """Have the running terminal use other devices, until a reboot: NAME as in the config.

    A conversation goes on, less the part of a second until they are open. What cannot be opened is
    refused, and nothing has changed then.
    """
    if as_configured:
        input_, output = input_ or "", output or ""
    if input_ is None and output is None:
        raise click.UsageError("name a device: --input, --output, or --as-configured")
    chosen = asyncio.run(_use(runtime_dir, UseDevices(input_, output)))
    for what, name, asked in (
        ("microphone", chosen.input, input_), ("loudspeaker", chosen.output, output)
    ):  # fmt: skip
        if asked is not None:
            click.echo(f"{what}: {name or 'as configured'}")


async def _use(runtime_dir: Path, order: UseDevices) -> DevicesChosen:
    async with Client(runtime_dir) as client:
        chosen = await client.insist(AUDIO, order, _CHOOSING_S)
    assert isinstance(chosen, DevicesChosen)
    return chosen


async def _look(runtime_dir: Path) -> tuple[tuple[SoundDevice, ...], AudioLevel]:
    async with Client(runtime_dir) as client:
        found = await client.insist(AUDIO, ListDevices(), _DEADLINE_S)
        level = await client.insist(AUDIO, GetLevel())
    assert isinstance(found, Devices)
    assert isinstance(level, AudioLevel)
    return found.devices, level


async def _watch(runtime_dir: Path) -> None:
    async with Client(runtime_dir) as client:
        while True:
            level = await client.insist(AUDIO, GetLevel())
            assert isinstance(level, AudioLevel)
            click.echo(f"\r{_meter(level.input_dbfs)}", nl=False)
            await asyncio.sleep(_EVERY_S)


async def _try(runtime_dir: Path, seconds: float) -> SoundTried:
    async with Client(runtime_dir) as client:
        tried = await client.ask(AUDIO, TrySound(seconds), _DEADLINE_S + 3 * seconds)
    assert isinstance(tried, SoundTried)
    return tried


def _ask_portaudio() -> tuple[SoundDevice, ...]:
    """Without a terminal: in a process of its own, because PortAudio may hang or write."""
    began = time.monotonic()
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "actors.audio.probe", "list"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_DEADLINE_S,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=True,
        )
        return msgspec.json.decode(asked.stdout, type=tuple[SoundDevice, ...])
    except (subprocess.SubprocessError, msgspec.DecodeError):
        waited = time.monotonic() - began
        raise Failure(
            f"the sound system has not told its devices within {waited:.0f} s",
            "is PortAudio there (Debian: libportaudio2), and the sound server alive?",
            ORDER_FAILED,
        ) from None


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _as_dict(found: tuple[SoundDevice, ...], level: AudioLevel | None) -> dict[str, Any]:
    return {
        "devices": [_fields(device) for device in found],
        "level": _fields(level) if level is not None else None,
    }


def _as_text(found: tuple[SoundDevice, ...], level: AudioLevel | None) -> str:
    if not found:
        return "There are no sound devices."
    titles = ("", "NAME", "IN", "OUT", "HZ", "USED", "ID")
    rows = [
        (
            "*" if device.is_default else "",
            device.name,
            str(device.inputs or "-"),
            str(device.outputs or "-"),
            str(device.sample_rate or "-"),
            device.used or "-",
            device.id or "-",
        )
        for device in found
    ]
    text = columns([titles, *rows], right={2, 3, 4})
    return text if level is None else f"{text}\n\n{_meter(level.input_dbfs)}"


def _meter(dbfs: float) -> str:
    filled = round(_METER * min(1.0, max(0.0, (dbfs + 60) / 60)))
    return f"microphone [{'#' * filled:<{_METER}}] {dbfs:6.1f} dBFS"


def _verdict(tried: SoundTried) -> str:
    rows = [
        ("microphone", tried.input),
        ("loudspeaker", tried.output),
        ("speech", f"{tried.speech_dbfs:.0f} dBFS, at most {tried.peak_dbfs:.0f}"),
        ("noise", f"{tried.noise_dbfs:.0f} dBFS"),
        ("beep in the microphone", f"{tried.beep_dbfs:.0f} dBFS"),
    ]
    return "\n".join((columns(rows), "", *(tried.wrong or ("All is well.",))))

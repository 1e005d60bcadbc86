"""``python -m actors.audio.probe``: what only a new process can find out about the sound system.

PortAudio's list of devices is made when it is loaded, it starts threads, and a driver may hang it:
so it is asked in a process that lasts a moment. One line of JSON on standard output:

    list                    the devices
    input NAME RATE MS      tries the microphone: it opens, and hears
    listen NAME RATE MS     the same, but it may be silent
    output NAME RATE MS     tries the loudspeaker: it opens, and takes samples
"""

import asyncio
import contextlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from actors.runtime.realtime import run_as_others_do
from actors.settings.model import Audio

from .deaf import DEAF_S, WORDS, Ear
from .devices import Device, Direction
from .mixer import Mixer
from .playback import Playback
from .source import DeviceError, open_sink, open_source

ENOUGH = 5
"""Blocks that must come."""
DEADLINE_S = 8.0
"""PortAudio tries each sound system in turn; with a dead one that takes seconds."""


class Tried(msgspec.Struct, frozen=True):
    """The answer to a try."""

    error: str = ""
    """Why this device is of no use now; empty: it is well."""
    name: str = ""
    """Of the device that was opened."""


async def devices() -> list[Device]:
    """What is there now. Raises :class:`DeviceError`."""
    said = await _ask("list")
    try:
        return msgspec.json.decode(said, type=list[Device])
    except msgspec.DecodeError as cause:
        raise DeviceError("the sound system does not say what is there") from cause


async def attempt(
    direction: Direction, name: str, sample_rate: int, block_ms: int, *, may_be_silent: bool = False
) -> Tried:
    """Try one, under the name that a config would have."""
    what = "listen" if direction == "input" and may_be_silent else direction
    said = await _ask(what, name, str(sample_rate), str(block_ms))
    try:
        return msgspec.json.decode(said, type=Tried)
    except msgspec.DecodeError:
        return Tried("the sound system does not answer")


async def _ask(*words: str) -> bytes:
    """The last line that it says; empty: it failed or took too long."""
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    try:
        asked = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "actors.audio.probe",
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
    except OSError:  # no memory, too many processes: the next try may be luckier
        return b""
    try:
        async with asyncio.timeout(DEADLINE_S):
            said, _ = await asked.communicate()
    except TimeoutError:
        return b""
    finally:
        with contextlib.suppress(ProcessLookupError):
            asked.kill()
        await asked.wait()
    return said.strip().rpartition(b"\n")[2]  # a library may have said something before


# -- in the process that was asked -----------------------------------------------------------------


async def _input(
    name: str,
    rate: Literal[16000, 24000, 48000],
    block_ms: Literal[10, 20],
    *,
    may_be_silent: bool = False,
) -> Tried:
    ear, blocks = Ear(), 0
    done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(reason: str) -> None:
        if not done.done():
            done.set_result(reason)

    def on_block(pcm: bytes, _at: float) -> None:
        nonlocal blocks
        blocks += 1
        ear.block(pcm, block_ms / 1000)
        if may_be_silent and blocks >= ENOUGH:
            end("")
        elif ear.deaf is not None:
            end(f"{name} {WORDS[ear.deaf]}")
        elif blocks >= ENOUGH and (ear.hears or not (microphone and microphone.has_noise)):
            end("")

    microphone = open_source(
        name, Audio(sample_rate=rate, block_ms=block_ms), on_block, lambda: None, end
    )
    if microphone is None:
        return Tried(name=name)
    try:
        async with asyncio.timeout(DEAF_S + 1):
            return Tried(await done, microphone.name)
    except TimeoutError:
        return Tried(f"{name} {WORDS['stopped']}")
    finally:
        microphone.close()


async def _output(name: str, rate: int, block_ms: Literal[10, 20]) -> Tried:
    loop = asyncio.get_running_loop()
    blocks, done = 0, asyncio.Event()
    lost: list[str] = []

    def on_played(_pcm: bytes) -> None:
        nonlocal blocks
        blocks += 1
        if blocks == ENOUGH:
            loop.call_soon_threadsafe(done.set)

    def on_lost(reason: str) -> None:
        lost.append(reason)
        done.set()

    speaker = open_sink(
        name, Audio(block_ms=block_ms), Mixer(Playback(rate), 0), on_played, on_lost
    )
    if speaker is None:
        return Tried(name=name)
    try:
        async with asyncio.timeout(DEAF_S):
            await done.wait()
    except TimeoutError:
        return Tried(f"{name} takes no samples")
    finally:
        speaker.close()
    return Tried("".join(lost), speaker.name)


def _main(what: str, *words: str) -> None:
    if what == "list":
        from .device import list_devices

        answer = msgspec.json.encode(list_devices())
    else:
        name, rate, block_ms = words[0], int(words[1]), int(words[2])
        tries: dict[str, Any] = {
            "input": _input,
            "listen": partial(_input, may_be_silent=True),
            "output": _output,
        }
        try:
            tried = asyncio.run(tries[what](name, rate, block_ms))
        except DeviceError as refused:
            tried = Tried(refused.reason)
        answer = msgspec.json.encode(tried)
    sys.stdout.buffer.write(answer + b"\n")
    sys.stdout.flush()
    os._exit(0)  # whatever PortAudio still waits for


if __name__ == "__main__":
    run_as_others_do()
    _main(*sys.argv[1:])

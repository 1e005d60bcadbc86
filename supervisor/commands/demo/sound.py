"""Is there a sound card? Asked of PortAudio in a process of its own: it starts threads, writes to
standard error, and has been seen to hang, none of which may happen to the supervisor.
"""

import os
import subprocess
import sys
from dataclasses import dataclass

import msgspec

_ASK = """
import json
from actors.audio import device

def name(direction, check):
    for found in device.list_devices():
        if found.is_default and getattr(found, direction + "s"):
            check(channels=1, dtype="int16", samplerate=48000)
            return found.name
    return ""

def usable(direction, check):
    try:
        return name(direction, check)
    except Exception:  # listed, and cannot be opened: no better than none
        return ""

portaudio = device.sounddevice
print(json.dumps({
    "input": usable("input", portaudio.check_input_settings),
    "output": usable("output", portaudio.check_output_settings),
}))
"""
_DEADLINE_S = 8.0
"""PortAudio tries each sound system in turn; with a dead one that takes seconds."""


@dataclass(frozen=True)
class Sound:
    """Names of the default devices; empty: there is none."""

    input: str = ""
    output: str = ""


def find_sound(ask: str = _ASK, deadline_s: float = _DEADLINE_S) -> Sound:
    """The default devices of this machine; none when PortAudio cannot say."""
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ask],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=deadline_s,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=True,
        )
        return msgspec.json.decode(asked.stdout, type=Sound)
    except (subprocess.SubprocessError, msgspec.DecodeError):
        return Sound()

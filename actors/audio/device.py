"""PortAudio: the only module that knows sounddevice, which starts PortAudio when imported."""

import asyncio
import difflib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .playback import Playback
from .source import DeviceError, OnBlock, OnLost, OnPlayed, clock

try:
    import sounddevice
except Exception as cause:  # no library, or one that cannot start: its own error types are in it
    raise DeviceError(
        f"PortAudio cannot be used: {cause}",
        'install it (Debian: libportaudio2), or set [audio] input and output to "none"',
    ) from cause

_CLOSE_S = 1.0
"""PortAudio may wait for ever for a device that is gone; this process ends all the same."""


@dataclass(frozen=True)
class Device:
    """One device as PortAudio shows it."""

    index: int
    name: str
    inputs: int
    """Channels."""
    outputs: int
    is_default: bool


def list_devices() -> list[Device]:
    """All devices; empty without a sound card."""
    defaults = set(sounddevice.default.device)
    return [
        Device(
            found["index"],
            found["name"],
            found["max_input_channels"],
            found["max_output_channels"],
            found["index"] in defaults,
        )
        for found in sounddevice.query_devices()
    ]


def _find(wanted: str, direction: str) -> int | None:
    """Index of a device by index or name, None for the default. Raises :class:`DeviceError`."""
    fitting = [d for d in list_devices() if (d.inputs if direction == "input" else d.outputs)]
    if not fitting:
        raise DeviceError(
            f"there is no {direction} device at all",
            f'plug one in, start the sound system, or set [audio] {direction} = "none"',
        )
    if wanted == "default":
        return None
    for device in fitting:
        if wanted in (str(device.index), device.name):
            return device.index
    names = [device.name for device in fitting]
    containing = [device for device in fitting if wanted.lower() in device.name.lower()]
    if len(containing) == 1:
        return containing[0].index
    near = difflib.get_close_matches(wanted, names, n=1)
    there = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
    raise DeviceError(f"there is no {direction} device {wanted!r}", f"[audio] {direction}: {there}")


class Microphone:
    """An open input stream: blocks arrive in the loop, soon after PortAudio has them."""

    def __init__(
        self, wanted: str, sample_rate: int, block_ms: int, on_block: OnBlock, on_lost: OnLost
    ) -> None:
        """Open it. Raises :class:`DeviceError`."""
        self._loop = asyncio.get_running_loop()
        self._on_block = on_block
        self._on_lost = on_lost
        self._closing = threading.Event()
        self._block_s = block_ms / 1000
        self.latency_s = self._block_s
        """How old the first sample of a block is when it arrives, as the device says."""
        self.overflows = 0
        """Times that samples were lost because they were not fetched."""
        self._stream = _open(
            sounddevice.RawInputStream,
            "input",
            wanted,
            sample_rate,
            block_ms,
            self._callback,
            self._finished,
        )
        self.name = _name_of(self._stream)
        _start(self._stream, "input", wanted)

    def begin(self, spoken: int = 0) -> None:
        """A microphone is always where its speaker is."""

    def close(self) -> None:
        """Stop the stream and give the device back."""
        self._closing.set()
        _close(self._stream)

    def _callback(self, block: Any, _frames: int, times: Any, status: Any) -> None:
        # Some systems tell the age of the last sample here.
        self.latency_s = max(self._block_s, times.currentTime - times.inputBufferAdcTime)
        self.overflows += bool(status.input_overflow)
        self._loop.call_soon_threadsafe(self._on_block, bytes(block), clock())

    def _finished(self) -> None:
        if not self._closing.is_set():
            self._loop.call_soon_threadsafe(self._on_lost, f"{self.name} has stopped")


class Speaker:
    """An open output stream that plays what :class:`Playback` holds."""

    def __init__(
        self,
        wanted: str,
        sample_rate: int,
        block_ms: int,
        playback: Playback,
        on_played: OnPlayed,
        on_lost: OnLost,
    ) -> None:
        """Open it. Raises :class:`DeviceError`."""
        self._loop = asyncio.get_running_loop()
        self._playback = playback
        self._on_played = on_played
        self._on_lost = on_lost
        self._closing = threading.Event()
        self.latency_s = 0.0
        """Until what it has just taken is heard, as the device says."""
        self._stream = _open(
            sounddevice.RawOutputStream,
            "output",
            wanted,
            sample_rate,
            block_ms,
            self._callback,
            self._finished,
        )
        self.name = _name_of(self._stream)
        _start(self._stream, "output", wanted)

    def close(self) -> None:
        """Stop the stream and give the device back."""
        self._closing.set()
        _close(self._stream)

    def _callback(self, block: Any, frames: int, times: Any, _status: Any) -> None:
        self.latency_s = max(0.0, times.outputBufferDacTime - times.currentTime)
        pcm = self._playback.read(frames)
        block[:] = pcm
        self._on_played(pcm)

    def _finished(self) -> None:
        if not self._closing.is_set():
            self._loop.call_soon_threadsafe(self._on_lost, f"{self.name} has stopped")


def _open(
    kind: Any,
    direction: str,
    wanted: str,
    sample_rate: int,
    block_ms: int,
    callback: Any,
    finished: Any,
) -> Any:
    device = _find(wanted, direction)
    with _told(direction, wanted):
        return kind(
            samplerate=sample_rate,
            blocksize=sample_rate * block_ms // 1000,
            device=device,
            channels=1,
            dtype="int16",
            latency="low",
            callback=callback,
            finished_callback=finished,
        )


def _start(stream: Any, direction: str, wanted: str) -> None:
    with _told(direction, wanted):
        stream.start()


@contextmanager
def _told(direction: str, wanted: str) -> Iterator[None]:
    """What PortAudio refuses, as a :class:`DeviceError`."""
    try:
        yield
    except (sounddevice.PortAudioError, ValueError) as cause:
        raise DeviceError(
            f"the {direction} device {wanted!r} cannot be opened: {cause}",
            f'[audio] {direction}: another device, or "none"',
        ) from cause


def _close(stream: Any) -> None:
    closing = threading.Thread(target=stream.close, name="close", daemon=True)
    closing.start()
    closing.join(_CLOSE_S)


def _name_of(stream: Any) -> str:
    return str(sounddevice.query_devices(stream.device)["name"])

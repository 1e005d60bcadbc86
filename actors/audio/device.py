"""PortAudio: the only module that knows sounddevice, which starts PortAudio when imported."""

import asyncio
import difflib
import threading
from dataclasses import dataclass
from typing import Any

import sounddevice

from .playback import Playback
from .source import DeviceError, OnBlock, OnLost


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
    if wanted == "default":
        return None
    fitting = [d for d in list_devices() if (d.inputs if direction == "input" else d.outputs)]
    for device in fitting:
        if wanted in (str(device.index), device.name):
            return device.index
    names = [device.name for device in fitting]
    containing = [device for device in fitting if wanted.lower() in device.name.lower()]
    if len(containing) == 1:
        return containing[0].index
    near = difflib.get_close_matches(wanted, names, n=1)
    there = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
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
        self.overflows = 0
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
        self._closing = False
        self._stream.start()

    def begin(self) -> None:
        """A microphone is always at its beginning."""

    def close(self) -> None:
        """Stop the stream and give the device back."""
        self._closing = True
        self._stream.close()

    def _callback(self, block: Any, _frames: int, _time: Any, status: Any) -> None:
        self.overflows += bool(status.input_overflow)
        self._loop.call_soon_threadsafe(self._on_block, bytes(block))

    def _finished(self) -> None:
        if not self._closing:
            self._loop.call_soon_threadsafe(self._on_lost, f"{self.name} has stopped")


class Speaker:
    """An open output stream that plays what :class:`Playback` holds."""

    def __init__(
        self, wanted: str, sample_rate: int, block_ms: int, playback: Playback, on_lost: OnLost
    ) -> None:
        """Open it. Raises :class:`DeviceError`."""
        self._loop = asyncio.get_running_loop()
        self._playback = playback
        self._on_lost = on_lost
        self._closing = threading.Event()
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
        self._stream.start()

    def close(self) -> None:
        """Stop the stream and give the device back."""
        self._closing.set()
        self._stream.close()

    def _callback(self, block: Any, frames: int, _time: Any, _status: Any) -> None:
        block[:] = self._playback.read(frames)

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
    try:
        return kind(
            samplerate=sample_rate,
            blocksize=sample_rate * block_ms // 1000,
            device=_find(wanted, direction),
            channels=1,
            dtype="int16",
            latency="low",
            callback=callback,
            finished_callback=finished,
        )
    except (sounddevice.PortAudioError, ValueError) as cause:
        raise DeviceError(
            f"the {direction} device {wanted!r} cannot be opened: {cause}",
            f'[audio] {direction}: another device, or "none"',
        ) from cause


def _name_of(stream: Any) -> str:
    name = sounddevice.query_devices(stream.device)["name"]
    assert isinstance(name, str)
    return name

"""PortAudio: the only module that knows sounddevice, which starts PortAudio when imported."""

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from .breaks import Breaks
from .devices import Device, Direction, find, formats
from .format import FromCard, ToCard
from .identity import hardware_ids
from .mixer import Mixer
from .source import DeviceError, OnBlock, OnBreak, OnLost, OnPlayed, clock

try:
    import sounddevice
except Exception as cause:  # no library, or one that cannot start: its own error types are in it
    raise DeviceError(
        f"PortAudio cannot be used: {cause}",
        'install it (Debian: libportaudio2), or set [audio] input and output to "none"',
    ) from cause

_CLOSE_S = 1.0
"""PortAudio may wait for ever for a device that is gone; this process ends all the same."""
_NOT_SO = (-9997, -9998)
"""PortAudio's paInvalidSampleRate and paInvalidChannelCount: the card has others."""
_LATE_S = 0.1
"""More than a busy machine delays a callback whose samples were still enough."""


def list_devices() -> list[Device]:
    """All devices, as they were when this process loaded PortAudio; empty without a sound card."""
    defaults = set(sounddevice.default.device)
    devices = [
        Device(
            found["index"],
            found["name"],
            found["max_input_channels"],
            found["max_output_channels"],
            found["index"] in defaults,
            round(found["default_samplerate"]),
        )
        for found in sounddevice.query_devices()
    ]
    ids = hardware_ids([device.name for device in devices])
    return [replace(device, id=id_) for device, id_ in zip(devices, ids, strict=True)]


class Microphone:
    """An open input stream: blocks arrive in the loop, soon after PortAudio has them."""

    has_noise = True
    """A converter that works is never quite silent."""

    def __init__(
        self,
        wanted: str,
        sample_rate: int,
        block_ms: int,
        on_block: OnBlock,
        on_break: OnBreak,
        on_lost: OnLost,
    ) -> None:
        """Open it. Raises :class:`DeviceError`."""
        self._loop = asyncio.get_running_loop()
        self._on_block = on_block
        self._on_break = on_break
        self._on_lost = on_lost
        self._closing = threading.Event()
        self._block_s = block_ms / 1000
        self._rate = sample_rate
        self.latency_s = self._block_s
        """How old the first sample of a block is when it arrives, as the device says."""
        self.xruns = 0
        """Times that samples were lost because they were not fetched."""
        self._breaks = Breaks()
        self._format: FromCard | None = None
        self._stream, self.name, self.note = _open(
            sounddevice.RawInputStream,
            "input",
            wanted,
            sample_rate,
            block_ms,
            self._callback,
            self._finished,
        )
        rate, channels = round(self._stream.samplerate), self._stream.channels
        if (rate, channels) != (sample_rate, 1):
            self._format = FromCard(rate, channels, sample_rate, sample_rate * block_ms // 1000)
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
        overflowed = bool(status.input_overflow)
        self.xruns += overflowed
        now = clock()
        if self._breaks.block(now, time.monotonic(), overflowed=overflowed):
            self._loop.call_soon_threadsafe(self._on_break)
        if self._format is None:
            self._loop.call_soon_threadsafe(self._on_block, bytes(block), now)
            return
        blocks = self._format.push(bytes(block))
        for behind, pcm in zip(range(len(blocks) - 1, -1, -1), blocks, strict=True):
            waited_s = behind * self._block_s + self._format.waiting / self._rate
            self._loop.call_soon_threadsafe(self._on_block, pcm, now - waited_s)

    def _finished(self) -> None:
        if not self._closing.is_set():
            self._loop.call_soon_threadsafe(self._on_lost, f"{self.name} has stopped")


class Speaker:
    """An open output stream that plays what the mixer gives."""

    def __init__(
        self,
        wanted: str,
        sample_rate: int,
        block_ms: int,
        mixer: Mixer,
        on_played: OnPlayed,
        on_lost: OnLost,
    ) -> None:
        """Open it. Raises :class:`DeviceError`."""
        self._loop = asyncio.get_running_loop()
        self._mixer = mixer
        self._on_played = on_played
        self._on_lost = on_lost
        self._closing = threading.Event()
        self.latency_s = 0.0
        """Until what it has just taken is heard, as the device says."""
        self.xruns = 0
        """Times that the card has run out of samples, by its word or by the clock.

        ALSA's plugin for PulseAudio, for one, mostly says nothing of it.
        """
        self._lasts_until = math.inf
        self._format: ToCard | None = None
        self._ready = b""
        self._piece = sample_rate // 100
        self._stream, self.name, self.note = _open(
            sounddevice.RawOutputStream,
            "output",
            wanted,
            sample_rate,
            block_ms,
            self._callback,
            self._finished,
        )
        rate, channels = round(self._stream.samplerate), self._stream.channels
        if (rate, channels) != (sample_rate, 1):
            self._format = ToCard(sample_rate, rate, channels)
        _start(self._stream, "output", wanted)

    def close(self) -> None:
        """Stop the stream and give the device back."""
        self._closing.set()
        _close(self._stream)

    def _callback(self, block: Any, frames: int, times: Any, status: Any) -> None:
        self.latency_s = max(0.0, times.outputBufferDacTime - times.currentTime)
        now = clock()
        self.xruns += bool(status.output_underflow) or now > self._lasts_until + _LATE_S
        self._lasts_until = now + self.latency_s + frames / self._stream.samplerate
        if self._format is None:
            block[:] = self._take(frames)
            return
        size = len(block)
        while len(self._ready) < size:
            self._ready += self._format.push(self._take(self._piece))
        block[:], self._ready = self._ready[:size], self._ready[size:]

    def _take(self, frames: int) -> bytes:
        pcm = self._mixer.read(frames)
        self._on_played(pcm)
        return pcm

    def _finished(self) -> None:
        if not self._closing.is_set():
            self._loop.call_soon_threadsafe(self._on_lost, f"{self.name} has stopped")


def _open(
    kind: Any,
    direction: Direction,
    wanted: str,
    sample_rate: int,
    block_ms: int,
    callback: Any,
    finished: Any,
) -> tuple[Any, str, str]:
    """A stream in the best format that the card has, its name, and what to know of the choice."""
    device, note = find(wanted, list_devices(), direction)
    refused: Exception | None = None
    with _told(direction, wanted):
        for rate, channels in formats(device, direction, sample_rate):
            try:
                stream = kind(
                    samplerate=rate,
                    blocksize=rate * block_ms // 1000,
                    device=None if wanted == "default" else device.index,
                    channels=channels,
                    dtype="int16",
                    latency="low",
                    callback=callback,
                    finished_callback=finished,
                )
            except sounddevice.PortAudioError as error:
                if error.args[1:2] and error.args[1] in _NOT_SO:
                    refused = error
                    continue
                raise
            return stream, str(sounddevice.query_devices(stream.device)["name"]), note
        assert refused is not None
        raise refused


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

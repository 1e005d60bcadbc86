"""A WAV file as microphone: played in real time as if spoken, from the start of a conversation. Who
moves it away pulls the plug.
"""

import asyncio
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .source import DeviceError, OnBlock, OnLost, clock

MAX_BYTES = 64 * 1024 * 1024
"""11 minutes at 48 kHz; a file of another rate takes eight times its size while it is loaded."""
CATCH_UP = 50
"""Blocks in one turn of a loop that is late: a heartbeat must get through between them."""


def load(path: Path, sample_rate: int) -> bytes:
    """The file's samples as int16 mono at ``sample_rate``; of a file that is cut off, what there
    is. Raises :class:`DeviceError` for what is no WAV of 16-bit samples.
    """
    if not path.is_file():
        raise DeviceError(f"there is no file {path}", '[audio] input: "file:PATH.wav"')
    if path.stat().st_size > MAX_BYTES:
        raise DeviceError(f"{path} is larger than {MAX_BYTES >> 20} MiB", "take a shorter one")
    try:
        with wave.open(str(path)) as wav:
            rate, channels, width = wav.getframerate(), wav.getnchannels(), wav.getsampwidth()
            content = wav.readframes(wav.getnframes())
    except (OSError, EOFError, wave.Error) as cause:
        what = str(cause) or "it ends too early"
        raise DeviceError(
            f"{path} cannot be read as a WAV file: {what}", "convert it to 16-bit PCM"
        ) from cause
    if width != 2:
        raise DeviceError(f"{path} has {8 * width}-bit samples", "convert it to 16-bit PCM")
    if not rate:
        raise DeviceError(f"{path} has no sample rate", "convert it to 16-bit PCM")
    whole: bytes = content[: len(content) // (2 * channels) * 2 * channels]
    if (channels, rate) == (1, sample_rate):
        return whole
    samples = np.frombuffer(whole, dtype="<i2").reshape(-1, channels)
    mono = _resampled(samples.mean(axis=1, dtype=np.float32), rate, sample_rate)
    rounded: bytes = np.clip(np.rint(mono), -32768, 32767).astype("<i2").tobytes()
    return rounded


def _resampled(samples: "np.ndarray", rate: int, wanted: int) -> "np.ndarray":
    """Through the spectrum: exact for a whole file that is loaded once."""
    if rate == wanted or not samples.size:
        return samples
    count = max(1, round(samples.size * wanted / rate))
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, dtype=spectrum.dtype)
    shared = min(kept.size, spectrum.size)
    kept[:shared] = spectrum[:shared]
    return np.fft.irfft(kept, count) * (count / samples.size)


class FileSource:
    """Blocks by the loop's clock; silence before ``begin`` and after the end."""

    xruns = 0
    note = ""
    has_noise = False

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        block_ms: int,
        *,
        loop: bool,
        on_block: OnBlock,
        on_lost: OnLost,
        clock: Callable[[], float] = clock,
    ) -> None:
        """Load it. Raises :class:`DeviceError`."""
        self.name = f"file:{path}"
        self._path = path
        self.latency_s = block_ms / 1000
        self._pcm = load(path, sample_rate)
        self._bytes = 2 * sample_rate * block_ms // 1000
        self._period = block_ms / 1000
        self._repeat = loop and bool(self._pcm)
        self._on_block = on_block
        self._on_lost = on_lost
        self._clock = clock
        self._at: int | None = None
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + self._period
        self._timer = self._loop.call_at(self._due, self._tick)

    def begin(self, spoken: int = 0) -> None:
        """Speak it, from where its speaker is after so many samples."""
        self._at = 2 * spoken
        self._timer.cancel()
        self._due = self._loop.time() + self._period
        self._timer = self._loop.call_at(self._due, self._tick)

    def close(self) -> None:
        """Stop."""
        self._timer.cancel()

    def _tick(self) -> None:
        if not self._path.exists():
            self._on_lost(f"{self._path} is gone")
            return
        # Every block that is due, by the clock: a late loop catches up, nothing drifts.
        for _ in range(CATCH_UP):
            late = self._loop.time() - self._due
            if late < 0:
                break
            self._due += self._period
            self._on_block(self._next(), self._clock() - late)
        self._timer = self._loop.call_at(self._due, self._tick)

    def _next(self) -> bytes:
        if self._at is None:
            return bytes(self._bytes)
        at, self._at = self._at, self._at + self._bytes
        if not self._repeat:
            return self._pcm[at : at + self._bytes].ljust(self._bytes, b"\0")
        block = b""
        while len(block) < self._bytes:
            begin = (at + len(block)) % len(self._pcm)
            block += self._pcm[begin : begin + self._bytes - len(block)]
        return block

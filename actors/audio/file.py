"""A WAV file as microphone: played in real time as if spoken, from the start of a conversation."""

import asyncio
import wave
from pathlib import Path

import numpy as np

from .source import DeviceError, OnBlock

MAX_BYTES = 256 * 1024 * 1024


def load(path: Path, sample_rate: int) -> bytes:
    """The file's samples as int16 mono at ``sample_rate``.

    Raises :class:`DeviceError` for what is no WAV of 16-bit samples.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DeviceError(f"{path} is larger than {MAX_BYTES >> 20} MiB")
        with wave.open(str(path)) as wav:
            rate, channels, width = wav.getframerate(), wav.getnchannels(), wav.getsampwidth()
            content = wav.readframes(wav.getnframes())
    except (OSError, EOFError, wave.Error) as cause:
        raise DeviceError(f"{path} cannot be read as a WAV file: {cause}") from cause
    if width != 2:
        raise DeviceError(f"{path} has {8 * width}-bit samples", "convert it to 16 bit")
    samples = np.frombuffer(content, dtype="<i2").reshape(-1, channels).astype(np.float64)
    return _resampled(samples.mean(axis=1), rate, sample_rate).astype("<i2").tobytes()


def _resampled(samples: "np.ndarray", rate: int, wanted: int) -> "np.ndarray":
    """Through the spectrum: exact for a whole file that is loaded once."""
    if rate == wanted or not samples.size:
        return samples
    count = round(samples.size * wanted / rate)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, dtype=complex)
    shared = min(kept.size, spectrum.size)
    kept[:shared] = spectrum[:shared]
    return np.clip(np.fft.irfft(kept, count) * (count / samples.size), -32768, 32767)


class FileSource:
    """Blocks by the monotonic clock; silence before ``begin`` and after the end."""

    def __init__(
        self, path: Path, sample_rate: int, block_ms: int, *, loop: bool, on_block: OnBlock
    ) -> None:
        self.name = f"file:{path}"
        self._pcm = load(path, sample_rate)
        self._bytes = 2 * sample_rate * block_ms // 1000
        self._period = block_ms / 1000
        self._repeat = loop
        self._on_block = on_block
        self._at: int | None = None
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + self._period
        self._timer = self._loop.call_at(self._due, self._tick)

    def begin(self) -> None:
        """Speak it from the beginning."""
        self._at = 0

    def close(self) -> None:
        """Stop."""
        self._timer.cancel()

    def _tick(self) -> None:
        # Every block that is due, by the clock: a late loop catches up, nothing drifts.
        while self._due <= self._loop.time():
            self._due += self._period
            self._on_block(self._next())
        self._timer = self._loop.call_at(self._due, self._tick)

    def _next(self) -> bytes:
        if self._at is None:
            return bytes(self._bytes)
        block = self._pcm[self._at : self._at + self._bytes]
        self._at += self._bytes
        if len(block) < self._bytes:
            self._at = 0 if self._repeat and self._pcm else None
        return block + bytes(self._bytes - len(block))

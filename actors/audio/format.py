"""Between what a card has and what the terminal works with: int16 mono at one rate. Pure."""

import numpy as np

from .resampler import Resampler, Samples

SAMPLE = 2
"""Bytes."""


class FromCard:
    """A microphone's blocks, made mono, and of ``wanted`` Hz, in blocks of ``block`` samples."""

    def __init__(self, rate: int, channels: int, wanted: int, block: int) -> None:
        self._channels = channels
        self._resampler = Resampler(rate, wanted) if rate != wanted else None
        self._block = SAMPLE * block
        self._rest = b""

    @property
    def waiting(self) -> int:
        """Samples kept back until a block is full."""
        return len(self._rest) // SAMPLE

    def push(self, raw: bytes) -> list[bytes]:
        """Interleaved int16 samples of the card; returns the blocks that are full."""
        frames = np.frombuffer(raw, "<i2").reshape(-1, self._channels)
        mono: Samples = frames.mean(axis=1, dtype=np.float32)
        self._rest += _int16(self._resampler.push(mono) if self._resampler else mono)
        full = len(self._rest) // self._block * self._block
        blocks = [self._rest[at : at + self._block] for at in range(0, full, self._block)]
        self._rest = self._rest[full:]
        return blocks


class ToCard:
    """Samples of ``rate`` Hz for a loudspeaker that takes ``wanted`` Hz and so many channels."""

    def __init__(self, rate: int, wanted: int, channels: int) -> None:
        self._channels = channels
        self._resampler = Resampler(rate, wanted) if rate != wanted else None

    def push(self, pcm: bytes) -> bytes:
        """int16 mono; returns what can be made of it, interleaved."""
        mono = np.frombuffer(pcm, "<i2").astype(np.float32)
        made = self._resampler.push(mono) if self._resampler else mono
        return np.repeat(np.frombuffer(_int16(made), "<i2"), self._channels).tobytes()


def _int16(samples: Samples) -> bytes:
    rounded: bytes = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    return rounded

"""The parrot's voice: chirps for its own words, and the user's voice as a parrot has it. Pure."""

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from .vad import RATE, Samples

CHIRP_PEAK = 0.22
VOICE_PEAK = 0.6
"""Of full scale: what was said softly is said back audibly."""
FASTER = 1.2
"""And higher by as much: a parrot, and not an echo of the room."""
_LONGEST_WORD = 12
_FADE = RATE // 200

Wave = npt.NDArray[np.float64]
"""Samples on their way from one form to another."""


def chirp(word: str) -> Samples:
    """A word of the parrot's own: always the same sound for the same word, 0.1 to 0.3 s."""
    seconds = 0.08 + 0.015 * min(len(word.strip()), _LONGEST_WORD)
    time = np.arange(int(RATE * seconds)) / RATE
    key = zlib.crc32(word.strip().lower().encode())
    low, bend = 700.0 + key % 500, -0.25 + (key >> 9) % 100 / 100
    phase = 2 * np.pi * low * (time + bend * time * time / (2 * seconds))
    sound = np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
    rasp = 1.0 - 0.35 * (np.sin(2 * np.pi * 45.0 * time) > 0)
    spoken = _faded(sound * rasp / np.max(np.abs(sound)) * CHIRP_PEAK, 0, len(sound))
    return np.concatenate((spoken, np.zeros(RATE // 25, np.int16)))


def parroted(voice: Sequence[Samples]) -> Iterator[Samples]:
    """Somebody's voice, faster and higher, at a good loudness; piece by piece as ``voice`` has
    them: half a minute of it at once would be 60 MiB of numbers in between.
    """
    length = _length_at(FASTER, sum(len(piece) for piece in voice))
    peak = max((np.abs(piece.astype(np.int32)).max(initial=1) for piece in voice), default=1)
    gain = VOICE_PEAK / float(peak)
    start = 0
    for sound in _read_every(FASTER, voice):
        yield _faded(sound * gain, start, length)
        start += len(sound)


def resampled(pieces: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """From ``rate`` to ours, by straight lines between the samples: plain, but good for speech.
    ``pieces`` are of one sound, and so is what comes.
    """
    if rate == RATE:
        yield from pieces
        return
    for sound in _read_every(rate / RATE, pieces):
        yield sound.astype(np.int16)


def _length_at(step: float, samples: int) -> int:
    return round(samples / step)


def _read_every(step: float, pieces: Iterable[Samples]) -> Iterator[Wave]:
    """The sound at every ``step`` samples; ``step`` is 2 at the most."""
    given = read = 0
    rest: Samples = np.zeros(0, np.int16)
    for piece in pieces:
        rest = np.concatenate((rest, piece))
        given += len(piece)
        first = given - len(rest)
        # The last sample waits: what lies behind it is on a line to the next one.
        places = np.arange(read, max(read, math.ceil((given - 1) / step))) * step - first
        if len(places):
            yield np.interp(places, np.arange(len(rest)), rest)
            read += len(places)
            rest = rest[min(int(read * step) - first, len(rest) - 1) :]
    if (left := _length_at(step, given) - read) > 0:
        yield np.full(left, rest[-1], np.float64)


def _faded(sound: Wave, start: int, length: int) -> Samples:
    """To int16, faded at both ends of the whole so that they do not click. ``start``: where in a
    whole of ``length`` samples it lies.
    """
    fade = min(_FADE, length // 2)
    places = np.arange(start, start + len(sound))
    ramp = np.clip(np.minimum(places, length - 1 - places) / max(fade - 1, 1), 0.0, 1.0)
    samples: Samples = (np.clip(sound * ramp, -1.0, 1.0) * 32767).astype(np.int16)
    return samples

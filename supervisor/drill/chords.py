"""The chords of the coded signal, and which of them is heard when.

A chord has one tone of each of three bands: a number of three digits with an even sum. So a chord
that is read wrongly in one digit is none, or one that is not expected there. Where it is known from
before and after which one it must be, two of its digits are enough: a codec that prepares for a bad
line spoils tones (Opus moved one of 3 kHz by 75 Hz, after an outage) and nothing else is lost.
"""

import itertools
import operator
import random
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

DIGITS = 12
BANDS = 3
SPACING_HZ = 75
LOWEST_HZ = 450
"""Tones lie from 450 to 3075 Hz, which every telephone passes on."""
WINDOW_MS = 40
"""The tones are orthogonal over it, because 75 Hz is three whole turns more in 40 ms."""
HOP_MS = 5
MAX_BLOCKS: int = DIGITS**BANDS // 2
"""86.4 s: of all numbers those whose digits have an even sum, so most misreadings are no number."""
NOTHING, NOISE = -1, -2
"""Silence; sound that is no chord."""

_SILENT_BELOW = 0.01
"""Of the loud parts' amplitude: 40 dB down."""
_PURE_ABOVE = 0.25
"""Share of a window's power in its three strongest tones, below which it is no chord. Noise has
0.02; gain control that opens after silence clips so hard that 0.4 is left."""
_ENOUGH = BANDS - 1
"""Digits that tell a chord which is awaited."""
_WEAK_BELOW = 0.65
"""Of the power of the strongest tone: 2 dB down. Tones that Opus had moved had 0.1 to 0.6."""
_SILENCE_WINDOW_MS = 10
_PIECE_HOPS = 30_000 // HOP_MS
"""Half a minute is looked at in one go."""


def chords(blocks: int, seed: int) -> list[tuple[int, ...]]:
    """The first so many: indices of tones (:func:`frequencies`), every chord differing from the one
    before in all bands. Raises ValueError for more than there are.
    """
    if not 0 <= blocks <= MAX_BLOCKS:
        raise ValueError(f"at most {MAX_BLOCKS} blocks can be told apart, not {blocks}")
    return _all_chords(seed)[:blocks]


@cache
def _all_chords(seed: int) -> list[tuple[int, ...]]:
    digits = [d for d in itertools.product(range(DIGITS), repeat=BANDS) if sum(d) % 2 == 0]
    random.Random(seed).shuffle(digits)  # noqa: S311  # an order, no secret
    sequence: list[tuple[int, ...]] = []
    while digits:
        before = sequence[-1] if sequence else (-1,) * BANDS
        differs = (i for i, d in enumerate(digits) if not any(map(operator.eq, d, before)))
        # The last few may have no such follower; they differ in one band at least.
        sequence.append(digits.pop(next(differs, 0)))
    return [tuple(band * DIGITS + d for band, d in enumerate(chord)) for chord in sequence]


def frequencies() -> NDArray[np.float64]:
    """Of all tones in Hz. Shape (bands * digits,)."""
    return LOWEST_HZ + SPACING_HZ * np.arange(BANDS * DIGITS, dtype=np.float64)


class Sound:
    """What a recording (int16, shape (samples,)) sounds like, in hops of 5 ms."""

    def __init__(self, pcm: Pcm, rate: int, seed: int) -> None:
        hop = rate * HOP_MS // 1000
        hops = len(pcm) // hop
        pcm = pcm[: hops * hop]
        pieces = range(0, hops, _PIECE_HOPS)
        # Piece by piece: an hour of sound is not to be held as floating point numbers.
        loudness = np.concatenate(
            [
                np.zeros(0),
                *((_hops(pcm, hop, at, at + _PIECE_HOPS) ** 2).sum(axis=1) for at in pieces),
            ]
        )[:, None]
        energy = _windowed(loudness)[:, 0].real
        # Over a short window: a long one would hear a chord 20 ms before and after it.
        nearby = _windowed(loudness, _SILENCE_WINDOW_MS)[:, 0].real / _SILENCE_WINDOW_MS
        loudest = energy.max(initial=0.0) / WINDOW_MS
        self._silent = nearby <= loudest * _SILENT_BELOW**2
        self._digits = np.zeros((hops, BANDS), np.int8)
        """The strongest tone of each band."""
        self._weak = np.zeros((hops, BANDS), np.bool_)
        """Those that are so beside the others: a chord's tones are all as loud as each other."""
        pure = np.zeros(hops)
        for at in pieces:
            power = _tones(pcm, rate, at)
            piece = slice(at, at + len(power))
            strongest = power.max(axis=2)
            self._digits[piece] = power.argmax(axis=2)
            self._weak[piece] = strongest < _WEAK_BELOW * strongest.max(axis=1, keepdims=True)
            pure[piece] = strongest.sum(axis=1) / np.maximum(energy[piece], 1e-9)
        self._pure = pure > _PURE_ABOVE
        self._chords = np.array(chords(MAX_BLOCKS, seed)) % DIGITS

    def read(self) -> list[int]:
        """For every hop: the number of its block, or that it is silent, or that it is neither."""
        known = np.full((DIGITS,) * BANDS, NOISE)
        known[tuple(self._chords.T)] = np.arange(MAX_BLOCKS)
        found = np.where(self._pure, known[tuple(self._digits.T)], NOISE)
        return list(map(int, np.where(self._silent, NOTHING, found)))

    def read_as(self, awaited: Sequence[int], start: int, read: Sequence[int]) -> list[int]:
        """The hops from ``start`` on, which were ``read`` so, as one of the awaited blocks. Two of
        its digits are enough if the tone of the third is weak.
        """
        here = slice(start, start + len(read))
        numbers = np.array(awaited)
        alike = self._digits[here, None] == self._chords[None, numbers]
        count = np.where((alike | self._weak[here, None]).all(axis=2), alike.sum(axis=2), 0)
        is_it = self._pure[here] & ~self._silent[here] & (count.max(axis=1) >= _ENOUGH)
        return list(map(int, np.where(is_it, numbers[count.argmax(axis=1)], read)))


def _hops(pcm: Pcm, hop: int, start: int, end: int) -> NDArray[np.float64]:
    """Shape (hops, samples of a hop)."""
    return pcm[max(0, start) * hop : end * hop].reshape(-1, hop).astype(np.float64)


def _tones(pcm: Pcm, rate: int, at: int) -> NDArray[np.float64]:
    """Energy of every tone around each hop of a piece. Shape (hops, bands, digits)."""
    hop = rate * HOP_MS // 1000
    window = WINDOW_MS // HOP_MS
    start = max(0, at - window)
    samples = _hops(pcm, hop, start, at + _PIECE_HOPS + window)
    # Sums over one hop, with the phase of the piece's beginning, add up to sums over a window.
    within = np.exp(-2j * np.pi * np.outer(np.arange(hop), frequencies()) / rate)
    before = np.exp(-2j * np.pi * np.outer(np.arange(len(samples)) * hop, frequencies()) / rate)
    tones = _windowed((samples @ within) * before)[at - start :][:_PIECE_HOPS]
    # A tone of amplitude A over n samples: |sum| is A n / 2 and the energy A² n / 2.
    power = np.abs(tones) ** 2 * 2 / (hop * window)
    return np.asarray(power.reshape(-1, BANDS, DIGITS))


def _windowed(
    hops: NDArray[np.complex128] | NDArray[np.float64], window_ms: int = WINDOW_MS
) -> NDArray[np.complex128]:
    """Sums over a window around each hop. Shape stays (hops, columns)."""
    width = window_ms // HOP_MS
    padded = np.pad(hops, ((width // 2 + 1, width - width // 2 - 1), (0, 0)))
    total = np.cumsum(padded, axis=0, dtype=np.complex128)
    return np.asarray(total[width:] - total[:-width])

"""Short tones at known moments, and when each has been heard. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

RATE = 48_000
PITCHES_HZ = (600, 900, 1200, 1500, 1800, 2100)
"""One after the other, so that a click is not taken for the next one unless it is a second late."""
LENGTH_S = 0.04
EVERY_S = (0.16, 0.24)
"""At random within: blocks of 10 and 20 ms are met at any place of theirs."""
PEAK = 9000
NOISE = 60
"""Of a microphone: all the time, in int16 samples (root mean square)."""
LATEST_S = 0.9
"""Of a click; it counts as lost afterwards."""
_WINDOW = RATE // 200
"""Over which the loudness of a pitch is taken; the tones are orthogonal over twice that."""
_THRESHOLD = 0.3
"""Of the loudest: whatever is above it is a click."""


@dataclass(frozen=True)
class Click:
    """``at``: of its beginning; a sample or seconds, as it is said where it comes from."""

    pitch: int
    """Index in :data:`PITCHES_HZ`."""
    at: float


def make(seconds: float, seed: int, noise_rms: float = 0.0) -> Pcm:
    """Shape (samples,), with clicks all over."""
    chance = random.Random(seed)
    noise = np.random.default_rng(seed)
    pcm = noise_rms * noise.standard_normal(round(seconds * RATE))
    time = np.arange(round(LENGTH_S * RATE)) / RATE
    ramp = np.minimum(1.0, np.minimum(time, LENGTH_S - time) / 0.001)
    at, number = EVERY_S[1], 0
    while at < seconds - EVERY_S[1]:
        tone = np.sin(2 * np.pi * PITCHES_HZ[number % len(PITCHES_HZ)] * time) * ramp
        start = round(at * RATE)
        pcm[start : start + len(tone)] += PEAK * tone
        at += chance.uniform(*EVERY_S)
        number += 1
    return pcm.round().astype(np.int16)


def find(pcm: Pcm) -> list[Click]:
    """In the order of their beginnings, which are given as samples, to a millisecond or so."""
    if not len(pcm):
        return []
    place = np.arange(len(pcm))
    loudness = np.stack([_loudness(pcm, place, pitch) for pitch in PITCHES_HZ])
    total = loudness.max(axis=0)
    above = total > _THRESHOLD * np.quantile(total, 0.99)
    begins = np.flatnonzero(np.diff(above, prepend=False) & above)
    clicks: list[Click] = []
    for begin in begins:
        if clicks and begin - clicks[-1].at < EVERY_S[0] / 2 * RATE:
            continue
        body = slice(begin, begin + round(LENGTH_S / 2 * RATE))
        pitch = int(loudness[:, body].sum(axis=1).argmax())
        half = loudness[pitch, body].max() / 2
        earliest = max(0, begin - _WINDOW)
        start = earliest + int((loudness[pitch, earliest : body.stop] > half).argmax())
        clicks.append(Click(pitch, float(max(0, start))))
    return clicks


def _loudness(pcm: Pcm, place: NDArray[np.int64], pitch_hz: int) -> NDArray[np.float32]:
    """Of one pitch over the last 10 ms before each sample."""
    turned = pcm * np.exp(-2j * np.pi * pitch_hz / RATE * place)
    total = np.cumsum(np.concatenate([np.zeros(2 * _WINDOW), turned]))
    return np.abs(total[2 * _WINDOW :] - total[: -2 * _WINDOW]).astype(np.float32)


def delays(sent: Sequence[Click], heard: Sequence[Click]) -> tuple[list[float], int]:
    """Of each click that has been heard, and how many have not; ``at`` in seconds."""
    found: list[float] = []
    lost = 0
    for click in sent:
        late = (
            other.at - click.at
            for other in heard
            if other.pitch == click.pitch and -0.01 < other.at - click.at < LATEST_S
        )
        delay = next(late, None)
        if delay is None:
            lost += 1
        else:
            found.append(delay)
    return found, lost

"""A voice for measurements, made of noise."""

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
Signal = NDArray[np.float64]
"""Full scale is 1.0; shape (samples,)."""

WORDS = {"voice": "two tickets to the river, please", "wake-word": "okay nah boo"}
"""Spoken by espeak-ng, they begin a conversation."""


def speech_like(seconds: float, rate: int, seed: int) -> Signal:
    """Noise with the spectrum and the syllables of speech, at most 0.5 of full scale; the same at
    every rate.
    """
    rng = np.random.default_rng(seed)
    count = int(seconds * 16_000)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / 16_000)
    spectrum *= ((hertz > 100) & (hertz < 7000)) / np.maximum(hertz, 200)
    noise = np.fft.irfft(spectrum, int(seconds * rate))
    syllables = np.sin(2 * np.pi * 3.1 * np.arange(noise.size) / rate + rng.uniform(0, 6)).clip(0)
    return 0.5 * noise * syllables / np.abs(noise * syllables).max()


FIRST_S = 0.1
REST_S = 0.5
AUDIBLE = 800
"""Of an int16 sample: somebody has begun to speak."""


def first_sound(said: Pcm, heard: Pcm, rate: int) -> float:
    """How much the first tenth of a second of what was said is like what was heard there, 0 to 1;
    where that is, is told by the half second after it.
    """
    onset = int(np.flatnonzero(np.abs(said) > AUDIBLE)[0])
    first = round(FIRST_S * rate)
    rest = said[onset + first : onset + first + round(REST_S * rate)].astype(float)
    there = np.concatenate([np.zeros(onset + first), heard.astype(float)])
    size = len(rest) + len(there)
    product = np.fft.irfft(np.fft.rfft(there, size) * np.conj(np.fft.rfft(rest, size)), size)
    at = int(product[first : len(there) - len(rest)].argmax())
    wanted, found = said[onset : onset + first].astype(float), there[at : at + first]
    return float(found @ wanted / (np.linalg.norm(found) * np.linalg.norm(wanted) + 1e-9))

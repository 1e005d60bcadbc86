"""A voice for measurements, made of noise."""

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
"""Full scale is 1.0; shape (samples,)."""


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

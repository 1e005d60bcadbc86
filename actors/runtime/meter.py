"""How loud it is. Pure."""

import math

import numpy as np

SILENCE_DBFS = -120.0


def rms_dbfs(pcm: bytes) -> float:
    """Root mean square of int16 samples, in dB below full scale; -120 for silence or nothing. An
    odd byte at the end is no sample.
    """
    samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2).astype(np.float32)
    energy = float(np.dot(samples, samples))  # a quarter of the time that a mean of squares takes
    if not energy:
        return SILENCE_DBFS
    return max(SILENCE_DBFS, 10 * math.log10(energy / samples.size / 32768**2))

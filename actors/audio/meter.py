"""How loud it is. Pure."""

import math

import numpy as np

SILENCE_DBFS = -120.0


def rms_dbfs(pcm: bytes) -> float:
    """Root mean square of int16 samples, in dB below full scale; -120 for silence or nothing. An
    odd byte at the end is no sample.
    """
    samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)
    if not samples.size:
        return SILENCE_DBFS
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return max(SILENCE_DBFS, 20 * math.log10(rms / 32768)) if rms else SILENCE_DBFS

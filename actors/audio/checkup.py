"""What is wrong with a microphone and a loudspeaker, from what they gave and took. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.runtime.meter import SILENCE_DBFS, rms_dbfs

from .deaf import judge

BEEP_HZ = 1000
BEEP_S = 0.5
BEEP_DBFS = -15.0
_BLOCK_S = 0.02
_QUIET_DBFS = -45.0
"""Speech at a kiosk is louder."""
_NOISY_DBFS = -40.0
_APART_DB = 12.0
"""Speech above noise, below which recognition suffers."""
_CLIPPED = 0.001
_OFFSET = 0.02
"""Of full scale."""
_ECHO_DB = 10.0
"""The beep above the noise: the loudspeaker is heard."""
_COMPLETE = 0.9


@dataclass(frozen=True)
class Checkup:
    """Levels in dB below full scale."""

    speech_dbfs: float
    noise_dbfs: float
    peak_dbfs: float
    beep_dbfs: float
    wrong: tuple[str, ...]


def beep(rate: int) -> bytes:
    """A tone of :data:`BEEP_S` that begins and ends softly; int16 mono."""
    time = np.arange(round(BEEP_S * rate)) / rate
    soft = np.minimum(1.0, np.minimum(time, BEEP_S - time) / 0.02)
    wave = 10 ** (BEEP_DBFS / 20) * np.sqrt(2) * np.sin(2 * np.pi * BEEP_HZ * time) * soft
    tone: bytes = (32767 * wave).astype("<i2").tobytes()
    return tone


def check(
    said: bytes, echo: bytes, rate: int, *, seconds: float, cancels: bool, has_speaker: bool
) -> Checkup:
    """``said``: the microphone while somebody spoke for ``seconds``; ``echo``: while the beep was
    played. int16 mono. ``cancels``: the terminal cancels echoes.
    """
    samples = np.frombuffer(said, "<i2").astype(np.float64) / 32768
    levels = _levels(said, rate)
    loud, quiet = np.percentile(levels, (90, 10)) if levels else (SILENCE_DBFS, SILENCE_DBFS)
    peak = float(np.abs(samples).max()) if samples.size else 0.0
    peak_dbfs = max(SILENCE_DBFS, float(20 * np.log10(peak))) if peak else SILENCE_DBFS
    heard = _tone_dbfs(echo, rate)
    found = [*_of_microphone(said, samples, rate, seconds, float(loud), float(quiet))]
    if has_speaker and not found:
        is_heard = heard > _tone_dbfs(said, rate) + _ECHO_DB
        if is_heard and not cancels:
            found.append("the agent hears itself: set [audio] echo_cancellation = true")
        if not is_heard and not cancels:
            found.append("the beep was not heard: is the loudspeaker on? (a headset is not heard)")
    return Checkup(float(loud), float(quiet), peak_dbfs, heard, tuple(found))


def _of_microphone(
    said: bytes,
    samples: NDArray[np.float64],
    rate: int,
    seconds: float,
    loud: float,
    quiet: float,
) -> list[str]:
    if samples.size < _COMPLETE * seconds * rate:
        had = samples.size / rate
        return [f"the microphone gave {had:.1f} s of sound in {seconds:.1f} s"]
    if (kind := judge(said)) == "silence":
        return ["the microphone gives only zeros: is it muted at its switch, or not connected?"]
    if kind == "stuck":
        return ["the microphone gives the same value all the time"]
    found = []
    if np.mean(np.abs(samples) >= 32_700 / 32_768) > _CLIPPED:
        found.append("the microphone is too loud and clips: turn its gain down")
    elif loud < _QUIET_DBFS:
        found.append("nobody was heard: speak, turn the gain up, or is it another microphone?")
    elif quiet > _NOISY_DBFS:
        found.append("it is loud here also while nobody speaks: set noise_suppression = true")
    elif loud - quiet < _APART_DB:
        found.append("speech is hardly louder than the noise: come closer, or turn the gain up")
    if abs(float(samples.mean())) > _OFFSET:
        found.append("the microphone has an offset: its supply or its card is at fault")
    return found


def _levels(pcm: bytes, rate: int) -> list[float]:
    size = 2 * round(_BLOCK_S * rate)
    return [rms_dbfs(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]


def _tone_dbfs(pcm: bytes, rate: int) -> float:
    """The beep's part in the loudest 0.1 s of it."""
    size = round(0.1 * rate)
    samples = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
    if samples.size < size:
        return SILENCE_DBFS
    wave = np.exp(-2j * np.pi * BEEP_HZ * np.arange(size) / rate) * np.sqrt(2) / size
    pieces = samples[: samples.size // size * size].reshape(-1, size)
    loudest = float(np.abs(pieces @ wave).max())
    return max(SILENCE_DBFS, float(20 * np.log10(loudest))) if loudest else SILENCE_DBFS

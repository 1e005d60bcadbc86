"""The parrot's voice: chirps for its own words, and the user's voice as a parrot has it. Pure."""

import zlib

import numpy as np

from .vad import RATE, Samples

CHIRP_PEAK = 0.22
VOICE_PEAK = 0.6
"""Of full scale: what was said softly is said back audibly."""
FASTER = 1.2
"""And higher by as much: a parrot, and not an echo of the room."""
_LONGEST_WORD = 12
_FADE = RATE // 200


def chirp(word: str) -> Samples:
    """A word of the parrot's own: always the same sound for the same word, 0.1 to 0.3 s."""
    seconds = 0.08 + 0.015 * min(len(word.strip()), _LONGEST_WORD)
    time = np.arange(int(RATE * seconds)) / RATE
    key = zlib.crc32(word.strip().lower().encode())
    low, bend = 700.0 + key % 500, -0.25 + (key >> 9) % 100 / 100
    phase = 2 * np.pi * low * (time + bend * time * time / (2 * seconds))
    sound = np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
    rasp = 1.0 - 0.35 * (np.sin(2 * np.pi * 45.0 * time) > 0)
    spoken = _faded(sound * rasp / np.max(np.abs(sound)) * CHIRP_PEAK)
    return np.concatenate((spoken, np.zeros(RATE // 25, np.int16)))


def parroted(voice: Samples) -> Samples:
    """Somebody's voice, faster and higher, at a good loudness."""
    if not len(voice):
        return voice
    places = np.arange(0, len(voice) - 1, FASTER)
    sound = np.interp(places, np.arange(len(voice)), voice.astype(np.float64))
    peak = float(np.max(np.abs(sound), initial=1.0))
    return _faded(sound / peak * VOICE_PEAK)


def resampled(samples: Samples, rate: int) -> Samples:
    """From ``rate`` to ours, by straight lines between the samples: plain, but good for speech."""
    if rate == RATE or not len(samples):
        return samples
    places = np.arange(round(len(samples) * RATE / rate)) * (rate / RATE)
    sound = np.interp(places, np.arange(len(samples)), samples.astype(np.float64))
    played: Samples = sound.astype(np.int16)
    return played


def _faded(sound: "np.typing.NDArray[np.float64]") -> Samples:
    """To int16, its ends faded so that they do not click."""
    length = min(_FADE, len(sound) // 2)
    ramp = np.linspace(0.0, 1.0, length)
    sound = sound.copy()
    sound[:length] *= ramp
    sound[len(sound) - length :] *= ramp[::-1]
    samples: Samples = (np.clip(sound, -1.0, 1.0) * 32767).astype(np.int16)
    return samples

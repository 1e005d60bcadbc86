"""One utterance of the parrot, played in real time: which word and which frame is due. Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .vad import FRAME, FRAME_S, Samples

LATEST_S = 0.2
"""Held up for longer, the rest is played later rather than all at once."""


@dataclass(frozen=True)
class Word:
    """A part of the text, said as its frame is played."""

    text: str


@dataclass(frozen=True)
class Sound:
    """20 ms of int16 mono at 48 kHz."""

    pcm: bytes


class Speech:
    """``parts``: each a text and its sound. Begins at ``at`` (monotonic seconds)."""

    def __init__(self, parts: Iterable[tuple[str, Samples]], at: float) -> None:
        sounds: list[Samples] = []
        self._words: deque[tuple[int, str]] = deque()
        length = 0
        for text, sound in parts:
            if text:
                self._words.append((length // FRAME, text))
            sounds.append(sound)
            length += len(sound)
        padding = np.zeros(-length % FRAME, np.int16)
        self._pcm = np.concatenate((*sounds, padding)).astype("<i2").tobytes()
        self._frames = len(self._pcm) // (2 * FRAME)
        self._next = 0
        self._from = at

    def due(self, now: float) -> list[Word | Sound]:
        """What has its turn by now. Frame n is due at exactly n times 20 ms: nothing drifts."""
        late = now - self.due_at
        if late > LATEST_S:
            self._from += late
        played: list[Word | Sound] = []
        while not self.is_over and self.due_at <= now:
            while self._words and self._words[0][0] <= self._next:
                played.append(Word(self._words.popleft()[1]))
            at = self._next * 2 * FRAME
            played.append(Sound(self._pcm[at : at + 2 * FRAME]))
            self._next += 1
        return played

    @property
    def due_at(self) -> float:
        """When the next frame is due."""
        return self._from + self._next * FRAME_S

    @property
    def is_over(self) -> bool:
        """All is played."""
        return self._next >= self._frames

"""One utterance of the parrot, played in real time: which word and which frame is due. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .vad import FRAME, FRAME_S, Samples

Part = tuple[str, Iterable[Samples]]
"""A text and the sound of it, in pieces."""

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
    """``parts``: each a text and its sound in pieces, made as their turn comes. Begins at ``at``
    (monotonic seconds).
    """

    def __init__(self, parts: Iterable[Part], at: float) -> None:
        self._frames = _frames(parts)
        self._coming = next(self._frames, None)
        self._played = 0
        self._from = at

    def due(self, now: float) -> list[Word | Sound]:
        """What has its turn by now. Frame n is due at exactly n times 20 ms: nothing drifts."""
        late = now - self.due_at
        if late > LATEST_S:
            self._from += late
        played: list[Word | Sound] = []
        while self._coming is not None and self.due_at <= now:
            played += self._coming
            self._coming = next(self._frames, None)
            self._played += 1
        return played

    @property
    def due_at(self) -> float:
        """When the next frame is due."""
        return self._from + self._played * FRAME_S

    @property
    def is_over(self) -> bool:
        """All is played."""
        return self._coming is None


def _frames(parts: Iterable[Part]) -> Iterator[list[Word | Sound]]:
    """Each frame behind the words that begin in it; the last one is filled up with silence."""
    words: list[Word | Sound] = []
    rest = np.zeros(0, np.int16)
    for text, sound in parts:
        if text:
            words.append(Word(text))
        for piece in sound:
            rest = np.concatenate((rest, piece))
            while len(rest) >= FRAME:
                yield [*words, _sound(rest[:FRAME])]
                words, rest = [], rest[FRAME:]
    if words or len(rest):
        yield [*words, _sound(np.concatenate((rest, np.zeros(FRAME - len(rest), np.int16))))]


def _sound(frame: Samples) -> Sound:
    return Sound(frame.astype("<i2").tobytes())

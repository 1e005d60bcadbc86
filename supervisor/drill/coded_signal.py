"""Speech that tells which part of it was not heard: every 100 ms another chord.

A chord has one tone of each of three bands, so it codes a number of three digits, and its place in
the sequence is known from the chord alone. At a border between a chord and its successor the place
in the signal is known to a few milliseconds; from border to border the decoder tells what was lost,
doubled or pushed in between, through codecs, gain control and any sample rate of 8 kHz or more.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .chords import (
    BANDS,
    HOP_MS,
    MAX_BLOCKS,
    NOISE,
    NOTHING,
    WINDOW_MS,
    Pcm,
    Sound,
    chords,
    frequencies,
)

BLOCK_MS = 100
RAMP_MS = 3
"""Chords fade in and out, so that their borders do not click into the other bands."""

_SETTLED_MS = 20
"""Shorter runs are the window passing over a border, not something heard."""
_HEARD_MS = 50
"""A block of which less arrived counts as missing."""
_TOLERANCE_MS = 15
"""How exactly a border is found after a codec; smaller seams are not reported."""
_AWAITED = 3
"""Where the signal goes on with the same block or one of so many after it, what is between is most
likely of these."""
_DOUBTED = 0.2
"""A block that was read stays what it is, unless a smaller share of its hops than this does."""

_SURE_MS = 60.0
"""A piece of a block that is longer was said. Seen made up: 50 ms."""


@dataclass(frozen=True)
class Seam:
    """A place where the signal did not go on as it was sent."""

    at_ms: float
    """Where, in the recording."""
    after_block: int
    before_block: int
    lost_ms: float
    """Signal that is not there; 0 when something was repeated."""
    repeated_ms: float
    """Signal that is there a second time; 0 when something was lost. Within one block it may be a
    jitter buffer that has stretched it to bridge a delay: see :attr:`goes_back`."""
    silence_ms: float
    """What was pushed in between and is not the signal."""
    concealed_ms: float = 0.0
    """How much longer than a block the last one before it is: a jitter buffer goes on with what it
    heard last when nothing more comes."""

    @property
    def goes_back(self) -> bool:
        """To an earlier block: this was said again, for no receiver has kept so much."""
        return self.before_block < self.after_block


@dataclass(frozen=True)
class Run:
    """A block as it was heard, once."""

    block: int
    start_ms: float
    end_ms: float

    @property
    def length_ms(self) -> float:
        """How much of it; 100 when it is whole."""
        return self.end_ms - self.start_ms


@dataclass(frozen=True)
class Heard:
    """What a recording holds of a coded signal."""

    runs: tuple[Run, ...]
    """In the order in which they were heard."""
    seams: tuple[Seam, ...]

    @cached_property
    def blocks(self) -> tuple[int, ...]:
        """Numbers of the blocks in the order in which they were heard."""
        return tuple(run.block for run in self.runs)

    @cached_property
    def lost_ms(self) -> float:
        """Lost inside: between the first and the last block that were heard."""
        return sum(seam.lost_ms for seam in self.seams)

    @cached_property
    def repeated_ms(self) -> float:
        """Heard twice, be it that it was said again or that a jitter buffer has stretched it."""
        return sum(seam.repeated_ms for seam in self.seams)

    @cached_property
    def said_again_ms(self) -> float:
        """Of that, what was said again for certain. A packet late by 20 ms stretches a block by as
        much, and on a busy machine ten such outweigh the repetition after a fault.
        """
        return sum(seam.repeated_ms for seam in self.seams if seam.goes_back)

    @cached_property
    def silence_ms(self) -> float:
        """Pushed in between the first and the last block."""
        return sum(seam.silence_ms for seam in self.seams)

    @cached_property
    def concealed_ms(self) -> float:
        """Made up by the receiver, between the first and the last block."""
        return sum(seam.concealed_ms for seam in self.seams)

    @cached_property
    def in_order(self) -> bool:
        """No block was heard before one of a smaller number, apart from what was repeated. A lone
        piece of little more than half a block tells nothing: at the end of a track it may be what a
        jitter buffer has made up.
        """
        sure = {run.block for run in self.runs if run.length_ms > _SURE_MS}
        heard = (block for block in dict.fromkeys(self.blocks) if block in sure)
        return all(a <= b for a, b in itertools.pairwise(heard))

    def missing(self, blocks: int | Iterable[int]) -> tuple[int, ...]:
        """Which of the first so many (or of these) blocks were heard for less than half.

        What was heard of a block in pieces is added up.
        """
        total: dict[int, float] = {}
        for run in self.runs:
            total[run.block] = total.get(run.block, 0.0) + run.length_ms
        wanted = range(blocks) if isinstance(blocks, int) else blocks
        return tuple(block for block in wanted if total.get(block, 0.0) < _HEARD_MS)


@dataclass(frozen=True)
class _Fix:
    """A moment of the recording at which the place in the signal is known."""

    run: int
    """The run that ends there (of the last fix: that begins there)."""
    at_ms: float
    place_ms: float


def generate(
    blocks: int,
    rate: int,
    *,
    seed: int = 0,
    lead_ms: int = 0,
    tail_ms: int = 0,
    peak: float = 0.5,
) -> Pcm:
    """So many blocks of 100 ms.

    Args:
        blocks: at most 864.
        rate: samples a second, a multiple of 100 and at least 8000.
        seed: another order of the chords. The decoder must be told the same.
        lead_ms: silence before.
        tail_ms: silence after.
        peak: the greatest amplitude, 1.0 being full scale.

    Returns:
        int16, shape (samples,), mono.

    """
    length = rate * BLOCK_MS // 1000
    place = np.arange(length)
    ramp = np.minimum(1.0, (np.minimum(place, length - 1 - place) + 0.5) / (rate * RAMP_MS / 1000))
    tones = np.sin(2 * np.pi * np.outer(frequencies(), place) / rate) * ramp
    said = [tones[list(chord)].sum(axis=0) for chord in chords(blocks, seed)]
    speech = np.concatenate([np.zeros(0), *said]) * (peak / BANDS * 32767)
    lead, tail = (np.zeros(rate * ms // 1000) for ms in (lead_ms, tail_ms))
    return np.concatenate([lead, speech, tail]).round().astype(np.int16)


def decode(pcm: Pcm, rate: int, *, seed: int = 0, looped: bool = False) -> Heard:
    """Tell what of the signal is in a recording.

    Args:
        pcm: int16, shape (samples,), mono.
        rate: samples a second, a multiple of 200 and at least 8000.
        seed: the one it was generated with.
        looped: all 864 blocks were said again and again; numbers go on after the last one. Losses
            and repetitions of less than 43 s are told from the next round.

    """
    sound = Sound(pcm, rate, seed)
    spans = _settle(_as_awaited(sound, sound.read()))
    runs = tuple(_read_well([span for span in spans if span.block >= 0]))
    if looped:
        runs = tuple(_unrolled(runs))
    silences = [span for span in spans if span.block == NOTHING]
    return Heard(runs, tuple(_find_seams(runs, silences)))


def _as_awaited(sound: Sound, labels: list[int]) -> list[int]:
    """Read again where it is known which blocks it can be: a codec may have spoilt one of their
    tones.
    """
    runs = [span for span in _settle(labels) if span.block >= 0]
    # One step back is none: it may be a misreading for the block after next.
    sure = list(itertools.compress(runs, _beside(runs, range(2))))
    for before, after in itertools.pairwise(sure):
        ahead = _ahead(after, before)
        if not 0 <= ahead <= _AWAITED:
            continue
        awaited = [(before.block + each) % MAX_BLOCKS for each in range(ahead + 1)]
        at, stop = round(before.end_ms / HOP_MS), round(after.start_ms / HOP_MS)
        for label, group in itertools.groupby(labels[at:stop]):
            start, at = at, at + len(list(group))
            if label == NOISE and (at - start) * HOP_MS <= WINDOW_MS:
                continue  # the window passing over a border
            again = sound.read_as(awaited, start, labels[start:at])
            if label == NOISE or again.count(label) < _DOUBTED * len(again):
                labels[start:at] = again
    return labels


def _read_well(runs: Sequence[Run]) -> Iterator[Run]:
    """All but what a jitter buffer has made up and looks like a block: far from what was heard
    before and after; and too short to count as heard, or less than a block where the signal goes on
    behind it.
    """
    near = _beside(runs, range(-1, 2))
    neighbours = zip(runs, [None, *runs], [*runs[1:], None], near, strict=False)
    for run, before, after, is_near in neighbours:
        goes_on = before is not None and after is not None and 0 <= _ahead(after, before) <= 2
        enough_ms = BLOCK_MS - _TOLERANCE_MS if goes_on else _HEARD_MS
        if run.length_ms >= enough_ms or is_near:
            yield run


def _beside(runs: Sequence[Run], steps: range) -> list[bool]:
    """For each whether it is one of so many steps in the signal from the one before it to it, or
    from it to the one behind it.
    """
    fits = [_ahead(after, before) in steps for before, after in itertools.pairwise(runs)]
    return [a or b for a, b in zip([False, *fits], [*fits, False], strict=True)][: len(runs)]


def _ahead(run: Run, other: Run) -> int:
    """By how many blocks, of a signal that may be looped."""
    return unrolled(run.block, other.block) - other.block


def unrolled(block: int, near: int) -> int:
    """The number of a block of a looped signal: that one which is nearest to ``near``."""
    off = (block - near + MAX_BLOCKS // 2) % MAX_BLOCKS
    return near + off - MAX_BLOCKS // 2


def _unrolled(runs: Sequence[Run]) -> Iterator[Run]:
    expected = 0
    for run in runs:
        block = unrolled(run.block, expected)
        expected = block + 1
        yield replace(run, block=block)


def _settle(labels: Sequence[int]) -> list[Run]:
    """Spans of equal labels, also silent ones; what is between two settled ones is halved."""
    spans: list[Run] = []
    at = 0
    for label, group in itertools.groupby(labels):
        start, at = at, at + HOP_MS * len(list(group))
        if label == NOISE or at - start < _SETTLED_MS:
            continue
        if spans and spans[-1].block == label and start - spans[-1].end_ms < _SETTLED_MS:
            spans[-1] = replace(spans[-1], end_ms=at)
        else:
            spans.append(Run(label, start, at))
    for i, (a, b) in enumerate(itertools.pairwise(spans)):
        if 0 < b.start_ms - a.end_ms <= WINDOW_MS:
            middle = (a.end_ms + b.start_ms) / 2
            spans[i], spans[i + 1] = replace(spans[i], end_ms=middle), replace(b, start_ms=middle)
    return spans


def _find_seams(runs: Sequence[Run], silences: Sequence[Run]) -> Iterator[Seam]:
    """Compare the way from fix to fix in the recording with that in the signal."""
    for a, b in itertools.pairwise(_find_fixes(runs)):
        if a.run == b.run:
            continue
        silence = sum(s.length_ms for s in silences if a.at_ms <= s.start_ms < b.at_ms)
        jump = (b.place_ms - a.place_ms) - (b.at_ms - a.at_ms - silence)
        if abs(jump) <= _TOLERANCE_MS and silence <= _TOLERANCE_MS:
            continue
        # Where it goes back, or else where the order breaks first; when it does not, a block inside
        # has the wrong length.
        gaps = [k for k in range(a.run, b.run) if not _is_border(runs[k], runs[k + 1])]
        back = (k for k in gaps if runs[k + 1].block < runs[k].block)
        broken = next(back, gaps[0] if gaps else None)
        before, after = (b.run, b.run) if broken is None else (broken, broken + 1)
        # No block is sent for longer than its length, so what is over was made by the receiver.
        longer = runs[before].length_ms - BLOCK_MS
        over = longer if broken is not None and longer > _TOLERANCE_MS else 0.0
        yield Seam(
            at_ms=runs[before].end_ms,
            after_block=runs[before].block,
            before_block=runs[after].block,
            lost_ms=max(0.0, jump + over),
            repeated_ms=max(0.0, -jump - over),
            silence_ms=silence,
            concealed_ms=over,
        )


def _find_fixes(runs: Sequence[Run]) -> list[_Fix]:
    """Where a block ends that is whole or followed by its successor; and both ends."""
    if not runs:
        return []
    inner = range(1, len(runs) - 1)
    ends = [0, *(k for k in inner if _is_border(runs[k], runs[k + 1]) or _is_whole(runs[k]))]
    fixes = [_Fix(k, runs[k].end_ms, (runs[k].block + 1) * BLOCK_MS) for k in ends]
    last = runs[-1]
    return [*fixes, _Fix(len(runs) - 1, last.start_ms, last.block * BLOCK_MS)]


def _is_border(a: Run, b: Run) -> bool:
    return b.block == a.block + 1 and b.start_ms - a.end_ms < HOP_MS


def _is_whole(run: Run) -> bool:
    return abs(run.length_ms - BLOCK_MS) <= _TOLERANCE_MS

"""What a drill has cost: words, messages, time, memory. Pure: told what was heard and kept."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from .coded_signal import BLOCK_MS, Heard
from .plan import Blow

_AROUND_MS = 500
"""Around such a time, because signal and clock are not in step to the block."""
_GROWN = 1.05
_GROWN_MIB = 4.0
"""By less a process does not grow, it breathes."""
_GROWN_COUNT = 2
_NAMED = 5
"""Lost ones in a line."""


@dataclass(frozen=True)
class Struck:
    """One fault that was done."""

    blow: Blow
    at_ms: float
    """Since the coded speech began."""
    until_ms: float
    """When the terminal was itself again, or was given up."""
    recovery_s: float | None
    """From the fault to the terminal being itself again; of a fault that lasts, from its end. None:
    not within the deadline."""
    trouble: str = ""
    """What was wrong, if it did not recover."""
    deaf: bool = False
    """Whether whoever holds the microphone was to be replaced: nobody hears meanwhile."""


@dataclass(frozen=True)
class Words:
    """What became of the coded speech."""

    said: int
    """Blocks of 100 ms."""
    lost: tuple[int, ...]
    """Numbers of the blocks that were never heard, and should have been."""
    unheard: tuple[int, ...]
    """Those that nobody could hear, because the microphone's process was being replaced."""
    repeated_ms: float
    in_order: bool
    """Leaving out repetitions: what a network has swallowed is said again, with all that followed
    it, and what was under way at a kill may be heard twice."""


@dataclass(frozen=True)
class Cost:
    """What one fault has cost."""

    lost: int = 0
    """Blocks that were said since then, and before the next fault, and were lost."""
    unheard: int = 0
    """Those that nobody could hear."""
    repeated_ms: float = 0.0


@dataclass(frozen=True)
class Mail:
    """What became of the messages that were accepted."""

    sent: int
    lost: tuple[str, ...] = ()
    """Texts that are not in the history."""
    doubled: tuple[str, ...] = ()
    """Texts that are there more than once."""
    in_order: bool = True
    refused: int = 0
    """Messages that were not accepted, which their sender was told."""


@dataclass(frozen=True)
class Look:
    """What a process uses at one moment."""

    mib: float
    """Memory of its own that is resident, without files that it maps."""
    fds: int
    threads: int


@dataclass(frozen=True)
class Growth:
    """How large it became in the first and in the last third of the time."""

    first: Look
    last: Look

    @property
    def grown(self) -> bool:
        """More than by breathing."""
        first, last = self.first, self.last
        memory = last.mib > max(first.mib * _GROWN, first.mib + _GROWN_MIB)
        counts = ((first.fds, last.fds), (first.threads, last.threads))
        return memory or any(after > before + _GROWN_COUNT for before, after in counts)


@dataclass(frozen=True, repr=False)
class Report:
    """A whole drill; its ``repr`` is a line that tells what is wrong, for a failing test."""

    words: Words
    mail: Mail
    struck: tuple[Struck, ...] = ()
    costs: tuple[Cost, ...] = ()
    """Of each of them."""
    not_done: Mapping[str, str] = field(default_factory=dict)
    """Faults that could not be done here, with the reason."""
    growth: Mapping[str, Growth] = field(default_factory=dict)
    """By process; empty when it was too short to tell."""

    def __repr__(self) -> str:
        return f"<Report: {'; '.join(self._ills()) or 'nothing was lost'}>"

    def _ills(self) -> Iterator[str]:
        words, mail = self.words, self.mail
        for struck in self.struck:
            if struck.recovery_s is None:
                yield f"{struck.blow} not recovered: {struck.trouble}"
        for what, named in (
            (f"of {words.said} words of 100 ms lost", words.lost),
            (f"of {mail.sent} messages lost", mail.lost),
            (f"of {mail.sent} messages doubled", mail.doubled),
        ):
            if named:
                more = ", ..." if len(named) > _NAMED else ""
                yield f"{len(named)} {what}: {', '.join(map(str, named[:_NAMED]))}{more}"
        if not words.in_order:
            yield "words out of order"
        if not mail.in_order:
            yield "messages out of order"

    @property
    def words_lost(self) -> int:
        """Blocks of 100 ms that were not heard and should have been."""
        return len(self.words.lost)

    @property
    def lost_nothing(self) -> bool:
        """Every word was heard that somebody could hear, in order, and every message is kept once,
        in order. What nobody could hear is in ``words.unheard``.
        """
        words, mail = self.words, self.mail
        whole = not (words.lost or mail.lost or mail.doubled)
        return whole and words.in_order and mail.in_order

    @property
    def recovered(self) -> bool:
        """From every fault."""
        return all(struck.recovery_s is not None for struck in self.struck)

    @property
    def grown(self) -> tuple[str, ...]:
        """Processes that use more in the end than in the beginning."""
        return tuple(name for name, growth in self.growth.items() if growth.grown)


def judge_words(
    heard: Heard, said: int, struck: Sequence[Struck] = (), gaps_ms: Sequence[float] = ()
) -> Words:
    """Of the first ``said`` blocks. ``gaps_ms``: lengths of the gaps that the terminal itself has
    told of. They excuse as much as they are long, while the microphone's process was being
    replaced, and nothing else.
    """
    missing = heard.missing(said)
    deaf = [
        range(math.floor((each.at_ms - _AROUND_MS) / BLOCK_MS), math.ceil(_end(each) / BLOCK_MS))
        for each in struck
        if each.deaf
    ]
    # A gap that begins or ends within a block takes more than half of it or leaves it.
    excused = sum(math.ceil(gap / BLOCK_MS) for gap in gaps_ms)
    near = [block for block in missing if any(block in time for time in deaf)]
    unheard = tuple(near[:excused])
    return Words(
        said=said,
        lost=tuple(block for block in missing if block not in set(unheard)),
        unheard=unheard,
        repeated_ms=heard.repeated_ms,
        in_order=_holds_in_order(heard.blocks),
    )


def _holds_in_order(blocks: Sequence[int]) -> bool:
    """All that was heard can be followed in its order, leaving out what was said a second time."""
    further = iter(blocks)
    return all(block in further for block in sorted(set(blocks)))  # goes on where it has stopped


def _end(struck: Struck) -> float:
    return struck.until_ms + _AROUND_MS


def judge_faults(heard: Heard, words: Words, struck: Sequence[Struck]) -> tuple[Cost, ...]:
    """What each fault has cost; what was lost before the first one is in no fault's account."""
    begins = [each.at_ms - _AROUND_MS for each in struck]

    def whose(at_ms: float) -> int:
        """The last fault that had begun."""
        return bisect_right(begins, at_ms) - 1

    lost = Counter(whose(block * BLOCK_MS) for block in words.lost)
    unheard = Counter(whose(block * BLOCK_MS) for block in words.unheard)
    repeated: Counter[int] = Counter()
    for seam in heard.seams:
        # Said again from the last word that was heard before on.
        repeated[whose(seam.after_block * BLOCK_MS)] += round(seam.repeated_ms)
    return tuple(Cost(lost[n], unheard[n], repeated[n]) for n in range(len(struck)))


def judge_mail(sent: Sequence[str], kept: Sequence[str], refused: int = 0) -> Mail:
    """``sent``: texts in the order in which they were accepted, each different. ``kept``: texts of
    the history, in its order; what was not sent by the drill is none of its business.
    """
    wanted = set(sent)
    ours = [text for text in kept if text in wanted]
    first = list(dict.fromkeys(ours))
    order = [text for text in sent if text in set(ours)]
    return Mail(
        sent=len(sent),
        lost=tuple(text for text in sent if text not in set(ours)),
        doubled=tuple(text for text in first if ours.count(text) > 1),
        in_order=first == order,
        refused=refused,
    )


def judge_growth(
    looks: Mapping[str, Sequence[tuple[float, Look]]], least: int = 3
) -> dict[str, Growth]:
    """``looks``: for each process moments (seconds) and what it used then. Those with fewer than
    ``least`` looks in the first or in the last third of the time are left out.
    """
    times = [at for seen in looks.values() for at, _ in seen]
    if not times:
        return {}
    start, third = min(times), (max(times) - min(times)) / 3
    found = {}
    for name, seen in looks.items():
        first = [look for at, look in seen if at <= start + third]
        last = [look for at, look in seen if at >= start + 2 * third]
        if min(len(first), len(last)) >= least:
            found[name] = Growth(_grown_up(first), _grown_up(last))
    return found


def _grown_up(looks: Collection[Look]) -> Look:
    """The ninth decile of each: a process that is killed now and then is young and small for a
    part of the time, and its median tells how often that was.
    """
    return Look(
        round(_ninth_decile(look.mib for look in looks), 1),
        round(_ninth_decile(look.fds for look in looks)),
        round(_ninth_decile(look.threads for look in looks)),
    )


def _ninth_decile(values: Iterable[float]) -> float:
    return quantiles(values, n=10, method="inclusive")[-1]

"""Which fault hits whom, and when: pure, and the same again for the same seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

REST_S = (1.0, 3.0)
"""Least and longest time from one recovery to the next fault."""


@dataclass(frozen=True, order=True)
class Blow:
    """One fault and whom it hits."""

    fault: str
    target: str

    def __str__(self) -> str:
        return f"{self.fault}:{self.target}"


@dataclass(frozen=True)
class Step:
    """A blow, so many seconds after the terminal has recovered from the one before."""

    after_s: float
    blow: Blow


def once_each(blows: Sequence[Blow], seed: int) -> Iterator[Step]:
    """Every blow once, in an order of chance."""
    chance = random.Random(seed)  # noqa: S311  # chance, no secret
    order = sorted(blows)
    chance.shuffle(order)
    for blow in order:
        yield Step(chance.uniform(*REST_S), blow)


def for_ever(blows: Sequence[Blow], seed: int) -> Iterator[Step]:
    """Every fault as often as another, whomever it can hit; without an end. Nothing: no blow."""
    chance = random.Random(seed)  # noqa: S311
    targets: dict[str, list[str]] = {}
    for blow in sorted(blows):
        targets.setdefault(blow.fault, []).append(blow.target)
    while targets:
        fault = chance.choice(sorted(targets))
        target = chance.choice(targets[fault])
        yield Step(chance.uniform(*REST_S), Blow(fault, target))

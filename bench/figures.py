"""Measured figures and what is made of them. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """Least, median and greatest of several rounds."""

    least: float
    median: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one value or more."""
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Row:
    """One thing that was measured, once a round."""

    name: str
    unit: str
    values: tuple[float, ...]
    beside: "Row | None" = None
    """Measured in the same rounds: what is shown is also the ratio to it, round by round, because
    what else the machine did meanwhile slowed both."""
    aim: float | None = None
    """The median should not be above it."""
    ratio_aim: float | None = None
    """The median of the ratios should not be above it (or, below 1, not above it either)."""

    @property
    def spread(self) -> Spread:
        """Of the values."""
        return Spread.of(self.values)

    @property
    def ratio(self) -> Spread | None:
        """Of the ratios."""
        if self.beside is None:
            return None
        pairs = zip(self.values, self.beside.values, strict=True)
        return Spread.of([own / other for own, other in pairs])

    @property
    def verdict(self) -> str:
        """The aim, and whether it is met; empty without one."""
        if self.aim is not None:
            met = self.spread.median <= self.aim
            return f"{'met' if met else 'MISSED'}: at most {self.aim:g} {self.unit}"
        if self.ratio_aim is not None and self.ratio is not None:
            met = self.ratio.median <= self.ratio_aim
            return f"{'met' if met else 'MISSED'}: at most {self.ratio_aim:g} x"
        return ""

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        plain: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit,
            "values": [round(value, 4) for value in self.values],
            "median": round(self.spread.median, 4),
        }
        if self.beside is not None and self.ratio is not None:
            ratio = self.ratio
            plain["ratio_to"] = self.beside.name
            plain["ratio"] = [round(x, 4) for x in (ratio.least, ratio.median, ratio.greatest)]
        if self.verdict:
            plain["aim"] = self.verdict
        return plain


@dataclass(frozen=True)
class Table:
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]
    note: str = ""

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "title": self.title,
            "note": self.note,
            "rows": [row.to_plain() for row in self.rows],
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of all lie at or below; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

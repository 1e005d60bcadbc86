"""A report for people and for programs. Pure."""

from dataclasses import asdict
from typing import Any

from supervisor.commands.table import columns

from .coded_signal import BLOCK_MS
from .judge import Growth, Report

_SHOWN = 12
"""Lost ones that are named."""


def as_dict(report: Report, seed: int) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "seed": seed,
        "lost_nothing": report.lost_nothing,
        "recovered": report.recovered,
        "words": asdict(report.words),
        "messages": asdict(report.mail),
        "faults": [
            {
                "fault": struck.blow.fault,
                "target": struck.blow.target,
                "at_s": round(struck.at_ms / 1000, 2),
                "recovery_s": struck.recovery_s,
                "trouble": struck.trouble,
                **asdict(cost),
            }
            for struck, cost in zip(report.struck, report.costs, strict=True)
        ],
        "not_done": dict(report.not_done),
        "growth": {
            name: {**asdict(growth), "grown": growth.grown}
            for name, growth in report.growth.items()
        },
    }


def as_text(report: Report, seed: int) -> str:
    """A few tables."""
    parts = [_struck(report), _costs(report)]
    if report.growth:
        parts.append(_growth(report))
    parts.append(f"the same again: --seed {seed}")
    return "\n\n".join(part for part in parts if part)


def _struck(report: Report) -> str:
    rows = [("FAULT", "TARGET", "AT", "LOST", "AWAY", "REPEATED", "RECOVERED IN")]
    for struck, cost in zip(report.struck, report.costs, strict=True):
        took = struck.recovery_s
        words = f"not at all: {struck.trouble}" if took is None else f"{took:.2f} s"
        costs = (str(cost.lost), seconds_of(cost.unheard), f"{cost.repeated_ms:.0f} ms")
        at = f"{struck.at_ms / 1000:.1f} s"
        rows.append((struck.blow.fault, struck.blow.target, at, *costs, words))
    for name, why in report.not_done.items():
        fault, _, target = name.partition(":")
        rows.append((fault, target, "-", "-", "-", "-", f"not done: {why}"))
    return columns(rows, right={2, 3, 4, 5}) if len(rows) > 1 else ""


def _costs(report: Report) -> str:
    words, mail = report.words, report.mail
    rows = [
        ("words said", f"{words.said} of 100 ms each"),
        ("words lost", _some(len(words.lost), words.lost)),
        ("while the microphone was away", _away(len(words.unheard))),
        ("repeated", f"{words.repeated_ms:.0f} ms{_of_faults(report)}"),
        ("messages sent", str(mail.sent)),
        ("messages lost", _some(len(mail.lost), mail.lost)),
        ("messages doubled", _some(len(mail.doubled), mail.doubled)),
    ]
    if mail.refused:
        rows.append(("messages refused", f"{mail.refused}, as their sender was told"))
    if not words.in_order:
        rows.append(("words in order", "no"))
    if not mail.in_order:
        rows.append(("messages in order", "no"))
    return columns(rows)


def seconds_of(blocks: int) -> str:
    """So long they are."""
    return f"{blocks * BLOCK_MS / 1000:.1f} s"


def _away(unheard: int) -> str:
    return f"{unheard}, or {seconds_of(unheard)}, which nobody could hear" if unheard else "0"


def _of_faults(report: Report) -> str:
    count = len(report.struck)
    return f", {report.words.repeated_ms / count:.0f} ms a fault" if count else ""


def _some(count: int, named: tuple[object, ...]) -> str:
    if not count:
        return "0"
    more = ", ..." if count > _SHOWN else ""
    return f"{count}: {', '.join(map(str, named[:_SHOWN]))}{more}"


def _growth(report: Report) -> str:
    titles = ("PROCESS", "MIB", "THEN", "FDS", "THEN", "THREADS", "THEN", "")
    rows = [_grown(name, growth) for name, growth in report.growth.items()]
    return columns([titles, *rows], right=set(range(1, 7)))


def _grown(name: str, growth: Growth) -> tuple[str, ...]:
    first, last = growth.first, growth.last
    return (
        name,
        f"{first.mib:.1f}",
        f"{last.mib:.1f}",
        str(first.fds),
        str(last.fds),
        str(first.threads),
        str(last.threads),
        "has grown" if growth.grown else "",
    )

"""What the Agent API has to do, statement by statement, with the tests that show it."""

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
TESTS = HERE.parent
TABLE = HERE / "README.md"

_HEAD = """# The Agent API, statement by statement

Made from `statements.toml` by `python -m tests.conformance`; a test holds it up to date, and
refuses a statement without a test and a test that does not exist.

Over `both` rooms: tests that run in the practice room with its parrot, and with the real server and
a real agent worker. Where a statement is shown over one of them or without any, it says why.
"""

Room = Literal["practice", "LiveKit"]


@dataclass(frozen=True)
class Statement:
    """One of them. ``shown_by``: ``folder/file.py::function`` below ``tests``."""

    number: int
    chapter: str
    says: str
    shown_by: tuple[str, ...]
    over: frozenset[Room]
    """The rooms that its tests run in."""
    alone: str
    """Why these are not both."""


def statements() -> list[Statement]:
    """All, numbered in their order."""
    found = tomllib.loads((HERE / "statements.toml").read_text())
    rooms = {test: name for name, tests in found["rooms"].items() for test in tests}
    return [
        Statement(
            number,
            one["chapter"],
            one["says"],
            tuple(one["shown_by"]),
            frozenset(room for test in one["shown_by"] for room in _rooms_of(test, rooms)),
            one.get("alone", ""),
        )
        for number, one in enumerate(found["statement"], start=1)
    ]


def _rooms_of(test: str, rooms: dict[str, str]) -> tuple[Room, ...]:
    match rooms.get(test) or rooms.get(test.partition("::")[0]):
        case "both":
            return "practice", "LiveKit"
        case "practice":
            return ("practice",)
        case "livekit":
            return ("LiveKit",)
    return ()


@cache
def tests_in(path: Path) -> frozenset[str]:
    """Names of the test functions of a file."""
    functions = ast.walk(ast.parse(path.read_text()))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(each.name for each in functions if isinstance(each, kinds))


def exists(test: str) -> bool:
    """Whether there is such a test."""
    path, _, name = test.partition("::")
    return (TESTS / path).is_file() and name in tests_in(TESTS / path)


def _over(one: Statement) -> str:
    if len(one.over) == 2:
        return "both"
    return ": ".join((*one.over, one.alone))


def table() -> str:
    """The whole page."""
    lines, chapter = [_HEAD], ""
    for one in statements():
        if one.chapter != chapter:
            chapter = one.chapter
            head = "| | it says | over | shown by |"
            lines += [f"\n## {chapter}\n", head, "|---|---|---|---|"]
        shown = "<br>".join(f"`{test}`" for test in one.shown_by)
        lines.append(f"| {one.number} | {one.says} | {_over(one)} | {shown} |")
    return "\n".join(lines) + "\n"

"""What the Agent API has to do, statement by statement, with the tests that show it."""

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent
TABLE = HERE / "README.md"

_HEAD = """# The Agent API, statement by statement

Made from `statements.toml` by `python -m tests.conformance`; a test holds it up to date, and
refuses a statement without a test and a test that does not exist.
"""


@dataclass(frozen=True)
class Statement:
    """One of them. ``shown_by``: ``folder/file.py::function`` below ``tests``."""

    number: int
    chapter: str
    says: str
    shown_by: tuple[str, ...]


def statements() -> list[Statement]:
    """All, numbered in their order."""
    found = tomllib.loads((HERE / "statements.toml").read_text())["statement"]
    return [
        Statement(number, one["chapter"], one["says"], tuple(one["shown_by"]))
        for number, one in enumerate(found, start=1)
    ]


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


def table() -> str:
    """The whole page."""
    lines, chapter = [_HEAD], ""
    for one in statements():
        if one.chapter != chapter:
            chapter = one.chapter
            lines += [f"\n## {chapter}\n", "| | it says | shown by |", "|---|---|---|"]
        shown = "<br>".join(f"`{test}`" for test in one.shown_by)
        lines.append(f"| {one.number} | {one.says} | {shown} |")
    return "\n".join(lines) + "\n"

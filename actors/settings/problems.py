"""What is wrong with a config, in words that let an operator mend it."""

import re
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Way to a value: keys, and indexes of arrays."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: Path) -> str:
    """``("actors", "a b", 0)`` as TOML would write it: ``actors."a b"[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else '"' + part.replace('"', '\\"') + '"'
            text += f".{key}" if text else key
    return printable(text)


def printable(text: str, limit: int = 200) -> str:
    """Cut, and without control characters: a config may hold anything, a terminal obeys some."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Finding:
    """Something wrong, before it is known where it stands in the file."""

    path: Path
    what: str
    remedy: str = ""
    """What to do; empty when ``what`` says it all."""


@dataclass(frozen=True)
class Problem:
    """Something wrong at a place that an editor can jump to."""

    file: str
    line: int
    """Counted from 1; 0: the whole file."""
    path: str
    """Dotted; empty when the file could not be read that far."""
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [part for part in (place, self.path, self.what) if part]
        return ": ".join(parts) + (f"; {self.remedy}" if self.remedy else "")


class SettingsError(Exception):
    """A config was refused. ``problems`` has all of them, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(str(problem) for problem in self.problems))

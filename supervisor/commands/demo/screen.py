"""Showing the story: in place where there is a terminal, line by line where there is none."""

import os
import shutil
import sys
import termios
import tty
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TextIO

from .story import ERROR, STATE, Line

_LABEL = 10
_METER = " ▁▂▃▄▅▆▇█"
_QUIET_DBFS = -60.0
_STYLES = {STATE: "2", ERROR: "31", "agent": "1;36", "you said": "1;32", "you wrote": "1;33"}
"""SGR parameters of the labels: dim, red, and a bold colour for each who speaks."""


class Screen(Protocol):
    """Where lines go."""

    def show(self, lines: Sequence[Line], live: Sequence[Line], prompt: str) -> None:
        """Add complete ``lines``; ``live`` ones and the prompt are as they are now."""

    def close(self) -> None:
        """Nothing more will be shown."""


class PlainScreen:
    """Complete lines only, for files and pipes."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def show(self, lines: Sequence[Line], live: Sequence[Line], prompt: str) -> None:
        """Write the lines."""
        for line in lines:
            self._write(f"{line.label:<{_LABEL}} {line.text}\n")

    def close(self) -> None:
        """Nothing to do."""


class LiveScreen:
    """Complete lines scroll away above; below, what still grows and the prompt are drawn again
    in place. Only the rows of that lower part are ever touched.
    """

    def __init__(
        self, write: Callable[[str], object], width: Callable[[], int], *, colour: bool
    ) -> None:
        self._write = write
        self._width = width
        self._colour = colour
        self._rows = 0
        self._drawn: tuple[Sequence[Line], str, int] | None = None

    def show(self, lines: Sequence[Line], live: Sequence[Line], prompt: str) -> None:
        """Draw what has changed."""
        width = max(20, self._width())
        now = (tuple(live), prompt, width)
        if not lines and now == self._drawn:
            return
        self._drawn = now
        room = width - 1  # a full row would let some terminals wrap
        above = "".join(self._label(line) + line.text + "\n" for line in lines)
        rows = [self._label(line) + tail(line.text, room - _LABEL - 1) for line in live]
        rows.append(tail(prompt, room))
        self._write(self._erased() + above + "\n".join(rows))
        self._rows = len(rows)

    def close(self) -> None:
        """Erase the lower part; the lines stay."""
        self._write(self._erased())
        self._rows = 0
        self._drawn = None

    def _erased(self) -> str:
        up = f"\x1b[{self._rows - 1}A" if self._rows > 1 else ""
        return f"\r{up}\x1b[J"

    def _label(self, line: Line) -> str:
        label = f"{line.label:<{_LABEL}} "
        style = _STYLES.get(line.label)
        return f"\x1b[{style}m{label}\x1b[0m" if style and self._colour else label


def tail(text: str, cells: int) -> str:
    """The end of a text that fits into so many cells, with a mark when its beginning does not."""
    if cells_of(text) <= cells:
        return text
    free, kept = cells - 1, 0
    for char in reversed(text):
        if (free := free - cells_of(char)) < 0:
            break
        kept += 1
    return "\N{HORIZONTAL ELLIPSIS}" + (text[-kept:] if kept else "")


def cells_of(text: str) -> int:
    """Columns that a text takes (Unicode's East Asian widths; combining marks take none)."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def meter(dbfs: float) -> str:
    """One character that is the higher, the louder it is."""
    share = 1 - min(max(dbfs, _QUIET_DBFS), 0.0) / _QUIET_DBFS
    return _METER[round(share * (len(_METER) - 1))]


@contextmanager
def open_screen() -> Iterator[Screen]:
    """In place where both ends are a terminal, else line by line."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield PlainScreen(_writer(sys.stdout))
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd, termios.TCSADRAIN)  # keys one by one and not echoed; Ctrl-C still signals
    try:
        yield LiveScreen(
            _writer(sys.stdout),
            lambda: shutil.get_terminal_size().columns,
            colour="NO_COLOR" not in os.environ,
        )
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _writer(stream: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write

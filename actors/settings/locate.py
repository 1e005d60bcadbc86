"""Where each value of a TOML document stands. The parser of the standard library does not tell.

Works on text that ``tomllib`` has accepted, so that nothing is checked here a second time.
"""

import re
import tomllib

from .problems import Path

Lines = dict[Path, int]
"""Line, counted from 1, of each key, table and array element. A table that was never written
out (``a`` in ``[a.b]``) stands where it is first mentioned."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def line_of(lines: Lines, path: Path) -> int:
    """Line of a path, or of the innermost thing around it that is in the file; else 0."""
    return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 0)


def locate(text: str) -> Lines:
    """The lines of everything in a valid TOML document."""
    scan = _Scan(text.replace("\r\n", "\n"))
    while scan.more():
        if scan.ahead("["):
            scan.header()
        else:
            scan.pair(scan.table)
    return scan.lines


class _Scan:
    """One reading of a document, from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._lengths: dict[Path, int] = {}
        """Of each array of tables so far."""
        self.lines: Lines = {}
        self.table: Path = ()
        """The one that keys go into at present."""

    def more(self) -> bool:
        self._skip(_BLANK)
        return self._at < len(self._text)

    def ahead(self, token: str) -> bool:
        return self._text.startswith(token, self._at)

    def header(self) -> None:
        array = self.ahead("[[")
        line = self._here()
        self._at += 2 if array else 1
        *parents, last = self._key()
        self._at += 2 if array else 1
        path = self._within((), parents, line)
        path = (*path, last) if array else self._step(path, last)
        if array:
            self.lines.setdefault(path, line)
            index = self._lengths.get(path, 0)
            self._lengths[path] = index + 1
            path = (*path, index)
        self.lines[path] = line
        self.table = path

    def pair(self, table: Path) -> None:
        line = self._here()
        *parents, last = self._key()
        self._at += 1  # the equals sign
        path = (*self._within(table, parents, line), last)
        self.lines[path] = line
        self._skip(_SPACE)
        self._value(path)

    def _within(self, path: Path, keys: list[str], line: int) -> Path:
        for key in keys:
            path = self._step(path, key)
            self.lines.setdefault(path, line)
        return path

    def _step(self, path: Path, key: str) -> Path:
        """Into ``key``; of an array of tables, into its last one so far."""
        path = (*path, key)
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _key(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            if self._text[self._at] in "\"'":
                keys.append(str(tomllib.loads("key = " + self._skip(_STRING))["key"]))
            else:
                keys.append(self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if not self.ahead("."):
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        if self.ahead("["):
            self._array(path)
        elif self.ahead("{"):
            self._inline_table(path)
        elif not self._skip(_STRING):
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._inside("]"):
            self.lines[*path, index] = self._here()
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while self._inside("}"):
            self.pair(path)

    def _inside(self, closing: str) -> bool:
        """To the next element, past a comma; False past the closing bracket."""
        self._skip(_BLANK)
        if self.ahead(","):
            self._at += 1
            self._skip(_BLANK)
        if not self.ahead(closing):
            return True
        self._at += 1
        return False

    def _skip(self, pattern: re.Pattern[str]) -> str:
        if (match := pattern.match(self._text, self._at)) is None:
            return ""
        self._at = match.end()
        return match[0]

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

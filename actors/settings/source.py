"""A config file as plain data with the line of everything in it."""

import errno
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .files import NotRegular, read_regular
from .locate import Lines, line_of, locate
from .problems import Finding, Problem, SettingsError, dotted, printable

MAX_BYTES = 1024 * 1024
"""A config has a few KB; what is larger is some other file."""

YAML_SUFFIXES = (".yaml", ".yml")

Parse = Callable[[str], tuple[dict[str, Any], Lines]]


@dataclass(frozen=True)
class Document:
    """What a config file says."""

    file: str
    """As the operator named it."""
    plain: dict[str, Any] = field(repr=False)
    lines: Lines = field(repr=False)

    def problems(self, findings: list[Finding]) -> list[Problem]:
        """The findings with their places in the file."""
        return [
            Problem(
                self.file,
                line_of(self.lines, finding.path),
                dotted(finding.path),
                finding.what,
                finding.remedy,
            )
            for finding in findings
        ]


class SyntaxProblem(ValueError):
    """The text is not TOML or YAML; ``line`` counts from 1, 0 when it is not known."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


def read_document(path: Path) -> Document:
    """Read and parse; by suffix .yaml or .yml as YAML, else as TOML.

    Raises :class:`SettingsError`: missing, unreadable, not a regular file, larger than
    ``MAX_BYTES``, not UTF-8, not in the syntax.
    """
    file = printable(str(path))
    parse: Parse = parse_toml
    if path.suffix.lower() in YAML_SUFFIXES:
        from .yaml_source import parse_yaml  # its import costs more than all of a status

        parse = parse_yaml
    try:
        plain, lines = parse(_read(path))
    except SyntaxProblem as problem:
        raise SettingsError([Problem(file, problem.line, "", str(problem))]) from None
    except RecursionError:
        raise SettingsError([Problem(file, 0, "", "nested too deeply")]) from None
    except NotRegular:
        raise SettingsError([Problem(file, 0, "", "not a regular file")]) from None
    except OSError as error:
        raise SettingsError([_unreadable(file, error)]) from None
    return Document(file, plain, lines)


def parse_toml(text: str) -> tuple[dict[str, Any], Lines]:
    """Plain data and lines. Raises :class:`SyntaxProblem`."""
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _toml_problem(str(error), text) from None
    except ValueError as error:  # a date that is none, a number past Python's digit limit
        raise SyntaxProblem(f"not TOML: {printable(str(error))}", 0) from None
    return plain, locate(text)


_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def _toml_problem(message: str, text: str) -> SyntaxProblem:
    match = _PLACE.search(message)
    what = printable(message[: match.start()] if match else message)
    line = int(match[1]) if match and match[1] else max(1, len(text.splitlines()))
    hint = "" if "=" in _line(text, line) or not what.startswith("Expected '='") else _NO_EQUALS
    return SyntaxProblem(f"not TOML: {what}{hint}", line)


_NO_EQUALS = ' (a line is: key = value, and text stands in "quotes")'


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1] if number <= len(lines) else ""


def _read(path: Path) -> str:
    # Not blocking: opening a FIFO must not wait for a writer.
    content = read_regular(path, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SyntaxProblem(f"larger than {MAX_BYTES} bytes: this is no config", 0)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SyntaxProblem("not UTF-8 text", content[: error.start].count(b"\n") + 1) from None


def _unreadable(file: str, error: OSError) -> Problem:
    remedies = {
        errno.ENOENT: "callpoint demo needs none; configs/terminal.toml has every key",
        errno.EACCES: "give the user that runs callpoint the right to read it",
    }
    what = (
        "there is no such file"
        if error.errno == errno.ENOENT
        else f"cannot be read: {error.strerror}"
    )
    return Problem(file, 0, "", what, remedies.get(error.errno or 0, ""))

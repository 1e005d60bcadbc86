"""Lines of a TOML document: what ``tomllib`` does not tell."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.settings.locate import line_of, locate

pytestmark = pytest.mark.unit

DOCUMENT = '''\
# a comment with [brackets] and "quotes
title = "top" # not = a key

[audio]
input = "file:a # b.wav"
"sample rate" = 1
nested.deep.key = true

[actors.door]
options = { pin = 17, "on 'time'" = [1, 2], inner = { a = 1, b = "}]," } }
list = [
  "one", # ], still inside
  { x = 1 },

  [3, 4],
]
text = """
[not.a.table]
key = 1
"""
after_text = \'\'\'a
b\'\'\'
last = 1979-05-27T07:32:00Z

[[program]]
name = "first"
[program.probe]
port = 1
[[program]]
name = "second"
[[program.arg]]
value = 1
[[program.arg]]
value = 2
[program.probe]
port = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("audio",), 4),
        (("audio", "input"), 5),
        (("audio", "sample rate"), 6),
        (("audio", "nested", "deep"), 7),
        (("audio", "nested", "deep", "key"), 7),
        (("actors",), 9),
        (("actors", "door", "options", "pin"), 10),
        (("actors", "door", "options", "on 'time'", 1), 10),
        (("actors", "door", "options", "inner", "b"), 10),
        (("actors", "door", "list", 0), 12),
        (("actors", "door", "list", 1, "x"), 13),
        (("actors", "door", "list", 2, 1), 15),
        (("actors", "door", "text"), 17),
        (("actors", "door", "after_text"), 21),
        (("actors", "door", "last"), 23),
        (("program",), 25),
        (("program", 0, "name"), 26),
        (("program", 0, "probe", "port"), 28),
        (("program", 1), 29),
        (("program", 1, "arg", 0, "value"), 32),
        (("program", 1, "arg", 1), 33),
        (("program", 1, "probe"), 35),
        (("program", 1, "probe", "port"), 36),
    ],
)
def test_everything_has_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert locate(DOCUMENT)[path] == line


def test_lines_are_the_same_with_windows_line_ends() -> None:
    assert locate(DOCUMENT.replace("\n", "\r\n")) == locate(DOCUMENT)


def test_a_table_stands_where_its_own_header_is() -> None:
    lines = locate("[a.b]\n[a]\nx = 1\n")
    assert lines["a",] == 2
    assert lines["a", "b"] == 1


def test_what_is_missing_stands_where_the_thing_around_it_does() -> None:
    lines = locate("\n[audio]\ninput = 1\n")
    assert line_of(lines, ("audio", "output")) == 2
    assert line_of(lines, ("kiosk", "port")) == 0


@pytest.mark.parametrize(
    "text",
    ["", "\n\n# only\n", 'a = """"x"""""', "a = ''''x'''''", "a=[[],[[]],]", "a={}", 'a = "\\""'],
)
def test_odd_corners_are_read_to_the_end(text: str) -> None:
    assert set(locate(text)) >= {(key,) for key in tomllib.loads(text)}


# -- any document --------------------------------------------------------------------------------

KEYS = st.text(st.sampled_from("ab.-_ \"'#=[]é\\"), max_size=4)
SCALARS = st.one_of(
    st.integers(-99, 99),
    st.booleans(),
    st.text(st.sampled_from("a\n\"'#]},= \\é"), max_size=6),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
SECTIONS = st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3)


def _quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
    return '"' + "".join(escapes.get(c, c) for c in text) + '"'


class _Writer:
    """Writes a document and notes on which line each thing went."""

    def __init__(self, draw: Any) -> None:
        self.text = ""
        self.lines: dict[tuple[str | int, ...], int] = {}
        self._draw = draw

    def document(self, sections: dict[str, dict[str, Any]]) -> None:
        for name, keys in sections.items():
            self._blank()
            self._note((name,))
            self.text += f"[ {_quoted(name)} ]  # [x]\n"
            for key, value in keys.items():
                self._blank()
                self._pair((name, key), key, value)
                self.text += "\n"

    def _pair(self, path: tuple[str | int, ...], key: str, value: Any) -> None:
        self._note(path)
        self.text += f"{_quoted(key)} = "
        self._value(path, value)

    def _value(self, path: tuple[str | int, ...], value: Any) -> None:
        match value:
            case bool():
                self.text += str(value).lower()
            case int():
                self.text += str(value)
            case str() if "\n" in value and self._draw(st.booleans()):
                body = value.replace("\\", "\\\\").replace('"', '\\"')
                self.text += f'"""\n{body}"""'
            case str():
                self.text += _quoted(value)
            case list():
                self.text += "["
                for index, element in enumerate(value):
                    self._blank()
                    self._note((*path, index))
                    self._value((*path, index), element)
                    self.text += ","
                self.text += "]"
            case dict():
                self.text += "{"
                for number, (key, inner) in enumerate(value.items()):
                    self.text += ", " if number else " "
                    self._pair((*path, key), key, inner)
                self.text += "}"

    def _blank(self) -> None:
        self.text += self._draw(st.sampled_from(["", "\n", "# [c] = '\n", "\n \n"]))

    def _note(self, path: tuple[str | int, ...]) -> None:
        self.lines[path] = self.text.count("\n") + 1


@given(SECTIONS, st.data())
def test_any_document_is_located_as_it_was_written(
    sections: dict[str, dict[str, Any]], data: st.DataObject
) -> None:
    writer = _Writer(data.draw)
    writer.document(sections)
    assert tomllib.loads(writer.text) == sections
    assert locate(writer.text) == writer.lines

"""The commented example with every key and its default; made from the model."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, get_args, get_origin

import msgspec

from .describe import describe
from .docs import field_docs
from .model import Settings
from .section import Section
from .supervision import ActorSettings, Group, ProgramSettings

_WIDTH = 96

_HEAD = """\
#:schema ./callpoint.schema.json
# Every key of a callpoint config with its default. Take away a "#" right before a key to change
# it; a whole config may be empty. Check one with: callpoint check FILE
# Paths count from the directory of this file. Secrets are refused here: LIVEKIT_API_KEY,
# LIVEKIT_API_SECRET and others come from the environment, or from the file that
# CALLPOINT_CREDENTIALS_FILE names (KEY=VALUE lines, mode 600).
"""


def example() -> str:
    """The text of ``configs/terminal.toml``."""
    return _HEAD + "".join(f"\n{part}" for part in _parts())


_NAMED: tuple[tuple[str, type[Section], dict[str, Any]], ...] = (
    ("supervisor.groups.sound", Group, {"strategy": "rest_for_one"}),
    ("actors.door", ActorSettings, {"target": "mypackage.door:Door", "options": {"pin": 17}}),
    (
        "programs.browser",
        ProgramSettings,
        {
            "command": ["chromium", "--kiosk", "http://127.0.0.1:8040/"],
            "environment": {"DISPLAY": ":0"},
        },
    ),
)
"""Tables that an operator names, with values that are worth showing."""


def _parts() -> Iterator[str]:
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.type, type) and issubclass(field.type, Section):
            yield f"{_comment(field.type)}[{field.encode_name}]\n{_keys(field.type)}"
    for place, section, values in _NAMED:
        yield f"{_comment(section)}#[{place}]\n{_keys(section, values)}"


def _comment(section: type[Section]) -> str:
    return _wrapped((section.__doc__ or "").strip())


def _keys(section: type[Section], shown: Mapping[str, Any] = MappingProxyType({})) -> str:
    """All keys with their defaults, or with what is ``shown`` instead."""
    docs = field_docs(section)
    own = section.__annotations__  # what all of a kind have in common comes last
    blocks = []
    for field in sorted(msgspec.structs.fields(section), key=lambda field: field.name not in own):
        if _is_named(field.type):
            continue  # it has tables of its own
        takes = describe(field.type)
        text = docs[field.encode_name]
        if not isinstance(field.default, bool) and takes not in _OBVIOUS:
            text = f"{text} Takes {takes}."
        value = shown.get(field.encode_name, _default(field))
        blocks.append(f"{_wrapped(text)}#{field.encode_name} = {_toml(value)}\n")
    return "\n".join(blocks)


def _default(field: Any) -> Any:
    made = field.default_factory is not msgspec.NODEFAULT
    return field.default_factory() if made else field.default


_OBVIOUS = ('a text in "quotes"', 'a text in "quotes" that is not empty', "a table")


def _is_named(type_: Any) -> bool:
    entry = get_args(type_)[-1] if get_origin(type_) is dict else None
    return isinstance(entry, type) and issubclass(entry, Section)


def _wrapped(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(" ".join(text.split()), _WIDTH))


def _toml(value: Any) -> str:
    """As TOML writes it; JSON's texts, numbers, arrays and truth values are TOML's."""
    if isinstance(value, dict):
        if not value:
            return "{}"
        return "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
    return json.dumps(value)

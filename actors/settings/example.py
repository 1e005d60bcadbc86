"""The commented example with every key and its default; made from the model."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from .describe import describe
from .docs import field_docs
from .model import ActorSettings, Section, Settings

_WIDTH = 96

_HEAD = """\
#:schema ./callpoint.schema.json
# Every key of a callpoint config with its default. Take away a "#" right before a key to change
# it; a whole config may be empty. Check one with: callpoint check FILE
# Paths count from the directory of this file. Secrets are refused here: LIVEKIT_API_KEY and
# LIVEKIT_API_SECRET come from the environment, or from the file that CALLPOINT_CREDENTIALS_FILE
# names (KEY=VALUE lines, mode 600).
"""


def example() -> str:
    """The text of ``configs/terminal.toml``."""
    return _HEAD + "".join(f"\n{part}" for part in _parts())


def _parts() -> Iterator[str]:
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.type, type) and issubclass(field.type, Section):
            yield f"{_comment(field.type)}[{field.encode_name}]\n{_keys(field.type)}"
    yield _comment(ActorSettings) + _actor()


def _comment(section: type[Section]) -> str:
    return _wrapped((section.__doc__ or "").strip())


def _keys(section: type[Section]) -> str:
    docs = field_docs(section)
    blocks = []
    for field in msgspec.structs.fields(section):
        takes = describe(field.type)
        text = docs[field.encode_name]
        if not isinstance(field.default, bool) and not takes.startswith("a text"):
            text = f"{text} Takes {takes}."
        blocks.append(f"{_wrapped(text)}#{field.encode_name} = {_toml(field.default)}\n")
    return "\n".join(blocks)


def _actor() -> str:
    docs = field_docs(ActorSettings)
    return (
        "#[actors.door]\n"
        f'{_wrapped(docs["target"])}#target = "mypackage.door:Door"\n'
        f"\n{_wrapped(docs['options'])}#options = {{ pin = 17 }}\n"
    )


def _wrapped(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(" ".join(text.split()), _WIDTH))


def _toml(value: Any) -> str:
    """A default as TOML writes it; JSON's texts, numbers and truth values are TOML's."""
    return json.dumps(value)

"""The JSON Schema of a config, for editors; made from the model, never by hand."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from .docs import field_docs
from .model import Settings
from .section import Section

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema, with every field's docstring as its description."""
    made = msgspec.json.schema(Settings)
    definitions = made["$defs"]
    for section in _sections(Section):
        if section.__name__ not in definitions:
            continue  # a base of others
        docs = field_docs(section)
        for name, described in definitions[section.__name__]["properties"].items():
            if name in docs:
                described["description"] = docs[name]
    return {"$schema": _DIALECT, "title": "callpoint", **made}


def schema_text() -> str:
    """The schema as the file ``configs/callpoint.schema.json`` has it."""
    return json.dumps(schema(), indent=2) + "\n"


def _sections(base: type[Section]) -> Iterator[type[Section]]:
    for section in base.__subclasses__():
        yield section
        yield from _sections(section)

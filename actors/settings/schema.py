"""The JSON Schema of a config, for editors; made from the model, never by hand."""

import json
from typing import Any

import msgspec

from .docs import field_docs
from .model import Section, Settings

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema, with every field's docstring as its description."""
    made = msgspec.json.schema(Settings)
    definitions = made["$defs"]
    for section in _sections():
        docs = field_docs(section)
        for name, described in definitions[section.__name__]["properties"].items():
            if name in docs:
                described["description"] = docs[name]
    return {"$schema": _DIALECT, "title": "callpoint", **made}


def schema_text() -> str:
    """The schema as the file ``configs/callpoint.schema.json`` has it."""
    return json.dumps(schema(), indent=2) + "\n"


def _sections() -> list[type[Section]]:
    return list(Section.__subclasses__())

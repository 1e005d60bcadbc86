"""What a field takes, in an operator's words, from its type."""

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec.inspect as inspect


def describe(type_: Any) -> str:
    """``a whole number from 0 to 65535``, ``"manual" or "boot"`` and so on."""
    if get_origin(type_) in (Union, UnionType):
        return " or ".join(describe(one) for one in get_args(type_))
    if get_origin(type_) is Literal:
        return _either([f'"{v}"' if isinstance(v, str) else str(v) for v in get_args(type_)])
    return _describe(inspect.type_info(type_))


def choices(type_: Any) -> tuple[str, ...]:
    """The words that a field takes, when it takes only certain words."""
    if get_origin(type_) in (Union, UnionType):
        return tuple(word for one in get_args(type_) for word in choices(one))
    if get_origin(type_) is Literal:
        return tuple(value for value in get_args(type_) if isinstance(value, str))
    return ()


def _describe(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner):
            return _describe(inner)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number" + _bounds(info)
        case inspect.FloatType():
            return "a number" + _bounds(info)
        case inspect.StrType():
            return 'a text in "quotes"' + (" that is not empty" if info.min_length else "")
        case inspect.DictType() | inspect.StructType():
            return "a table"
        case inspect.ListType(item_type=texts) | inspect.VarTupleType(item_type=texts) if (
            isinstance(texts, inspect.StrType | inspect.Metadata)
        ):
            return 'an array of texts, ["like", "this"]'
    return "another type"


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    if info.ge is not None and info.le is not None:
        return f" from {info.ge:g} to {info.le:g}"
    if info.ge is not None:
        return f" not below {info.ge:g}"
    return f" above {info.gt:g}" if info.gt is not None else ""


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]

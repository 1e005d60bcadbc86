"""Plain data against the model: everything that is wrong with it, not only the first thing."""

import math
from typing import Any, get_args, get_origin

import msgspec

from .describe import choices, describe
from .model import Settings
from .problems import Finding, Path, dotted, printable
from .secrecy import LIVEKIT_REMEDY, REMEDY, is_secret
from .section import Section
from .suggest import did_you_mean, nearest


def validate(plain: dict[str, Any]) -> tuple[Settings, list[Finding]]:
    """The settings as far as they are valid (defaults for the rest), and what is wrong."""
    findings: list[Finding] = []
    valid = _section(plain, Settings, (), findings)
    return Settings.from_plain(valid), findings


def _section(
    plain: dict[str, Any], section: type[Section], path: Path, findings: list[Finding]
) -> dict[str, Any]:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(section)}
    valid = {}
    for key, value in plain.items():
        here = (*path, key)
        if key not in fields:
            findings.append(_unknown(key, value, here, tuple(fields)))
        elif (taken := _value(value, fields[key], here, findings)) is not _REFUSED:
            valid[key] = taken
    return valid


_REFUSED = object()


def _value(value: Any, type_: Any, path: Path, findings: list[Finding]) -> Any:
    if isinstance(type_, type) and issubclass(type_, Section):
        if isinstance(value, dict):
            return _section(value, type_, path, findings)
        findings.append(_wrong(value, type_, path))
        return _REFUSED
    if get_origin(type_) is dict and isinstance(value, dict):
        name_type, entry_type = get_args(type_)
        if isinstance(entry_type, type) and issubclass(entry_type, Section):
            return _entries(value, name_type, entry_type, path, findings)
        findings += _secrets(value, path)
    try:
        taken = msgspec.convert(value, type_)
    except msgspec.ValidationError:
        findings.append(_wrong(value, type_, path))
        return _REFUSED
    if isinstance(taken, float) and not math.isfinite(taken):
        findings.append(_wrong(value, type_, path))
        return _REFUSED
    texts = taken if isinstance(taken, list | tuple) else (taken,)
    if any(isinstance(text, str) and "\0" in text for text in texts):
        findings.append(Finding(path, "a zero byte can be in no path and in no argument"))
        return _REFUSED
    return taken


def _entries(
    entries: dict[str, Any],
    name_type: Any,
    entry_type: type[Section],
    path: Path,
    findings: list[Finding],
) -> dict[str, Any]:
    valid = {}
    for name, entry in entries.items():
        here = (*path, name)
        try:
            msgspec.convert(name, name_type)
        except msgspec.ValidationError:
            what = "a name is up to 31 lower-case letters, digits, - and _, a letter first"
            findings.append(Finding(here, what))
            continue
        if (taken := _value(entry, entry_type, here, findings)) is not _REFUSED:
            valid[name] = taken
    return valid


def _secrets(options: Any, path: Path) -> list[Finding]:
    """Secret-looking keys at any depth of the options of an actor of one's own."""
    found: list[Finding] = []
    if isinstance(options, list):
        for index, element in enumerate(options):
            found += _secrets(element, (*path, index))
    elif isinstance(options, dict):
        for key, value in options.items():
            if is_secret(key) and isinstance(value, str):
                found.append(Finding((*path, key), "secrets do not belong in a config", REMEDY))
            else:
                found += _secrets(value, (*path, key))
    return found


def _unknown(key: str, value: Any, path: Path, known: tuple[str, ...]) -> Finding:
    if is_secret(key):
        remedy = LIVEKIT_REMEDY if path[0] == "livekit" or len(path) == 1 else REMEDY
        return Finding(path, "secrets do not belong in a config", remedy)
    is_section = len(path) == 1 and isinstance(value, dict)
    what = "no such section" if is_section else "no such key"
    if remedy := did_you_mean(key, known):
        return Finding(path, what, remedy)
    if home := _home_of(key, path):
        return Finding(path, what, f'did you mean "{home}"?')
    return Finding(path, what, "there are: " + ", ".join(known))


def _home_of(key: str, path: Path) -> str:
    """Where a key that stands in the wrong section belongs."""
    homes = {
        field.encode_name: dotted((section.encode_name, field.encode_name))
        for section in msgspec.structs.fields(Settings)
        if isinstance(section.type, type) and issubclass(section.type, Section)
        for field in msgspec.structs.fields(section.type)
        if section.encode_name != path[0]
    }
    return homes.get(nearest(key, homes), "")


def _wrong(value: Any, type_: Any, path: Path) -> Finding:
    if isinstance(value, str) and get_origin(type_) in (dict, list, tuple):
        # A whole command or environment may be in it, with secrets; and the log has this.
        return Finding(path, f"must be {describe(type_)}, not a text")
    what = f"must be {describe(type_)}, not {_shown(value)}"
    if isinstance(value, str) and (words := choices(type_)):
        return Finding(path, what, did_you_mean(value, words))
    return Finding(path, what)


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{printable(value, 40)}"'
        case int() | float():
            return printable(f"{value}", 40)
        case dict():
            return "a table"
        case list():
            return "an array"
        case None:
            return "nothing"
    return f"a {type(value).__name__}"

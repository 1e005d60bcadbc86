"""YAML configs: the same model, read safely, with lines from PyYAML's own marks."""

from typing import Any

import yaml

from .locate import Lines
from .problems import Path, printable
from .source import SyntaxProblem


def parse_yaml(text: str) -> tuple[dict[str, Any], Lines]:
    """Plain data and lines. Raises ``SyntaxProblem``.

    Aliases are refused: a few bytes of them can stand for gigabytes. So are keys that are no
    text (``on:`` is a truth value in YAML) and keys that come twice, of which PyYAML would
    silently take the last.
    """
    try:
        _refuse_aliases(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return {}, {}
        if not isinstance(root, yaml.MappingNode):
            raise SyntaxProblem("must be a mapping of sections", _line(root))
        lines: Lines = {}
        _walk(root, (), lines)
        plain = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = printable(error.problem or error.context or "cannot be read")
        raise SyntaxProblem(f"not YAML: {what}", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        what = printable(str(error).splitlines()[0])
        raise SyntaxProblem(f"not YAML: {what}", 0) from None
    except ValueError as error:  # a date that is none; SyntaxProblem is one too
        if isinstance(error, SyntaxProblem):
            raise
        raise SyntaxProblem(f"not YAML: {printable(str(error))}", 0) from None
    assert isinstance(plain, dict)
    return plain, lines


def _refuse_aliases(text: str) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise SyntaxProblem("aliases are not taken here: write the value out", line)


def _walk(node: yaml.Node, path: Path, lines: Lines) -> None:
    if isinstance(node, yaml.SequenceNode):
        for index, element in enumerate(node.value):
            lines[*path, index] = _line(element)
            _walk(element, (*path, index), lines)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = _name(key)
            if name in seen:
                raise SyntaxProblem(f"the key {printable(name)} is here twice", _line(key))
            seen.add(name)
            lines[*path, name] = _line(key)
            _walk(value, (*path, name), lines)


def _name(key: yaml.Node) -> str:
    if isinstance(key, yaml.ScalarNode) and key.tag == "tag:yaml.org,2002:str":
        return str(key.value)
    raise SyntaxProblem(
        'a key must be text (YAML takes some words for values: "quote" it)', _line(key)
    )


def _line(node: yaml.Node) -> int:
    assert node.start_mark is not None  # only nodes made by hand have none
    return node.start_mark.line + 1

"""The docstrings of a model's fields, which Python itself does not keep."""

import ast
import inspect
import textwrap

from .section import Section


def field_docs(section: type[Section]) -> dict[str, str]:
    """For each field, the string literal that follows it in the source, as one line.

    Raises ``OSError`` when the source is not there.
    """
    docs: dict[str, str] = {}
    for cls in reversed(section.__mro__):
        if issubclass(cls, Section):
            docs |= _own_docs(cls)
    return docs


def _own_docs(section: type[Section]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(section)))
    (cls,) = tree.body
    assert isinstance(cls, ast.ClassDef)
    docs = {}
    for field, after in zip(cls.body, cls.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match after:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    docs[field.target.id] = " ".join(text.split())
    return docs

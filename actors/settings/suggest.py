"""The nearest right name."""

import difflib
from collections.abc import Iterable

_CUTOFF = 0.6
"""difflib's own threshold: ``inptu`` finds ``input`` (0.8), ``volume`` does not find ``output``."""


def nearest(word: str, names: Iterable[str]) -> str:
    """The name most like ``word``, ignoring case and ``-`` against ``_``; empty: none is."""
    folded = {_fold(name): name for name in names}
    found = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=_CUTOFF)
    return folded[found[0]] if found else ""


def did_you_mean(word: str, names: Iterable[str], otherwise: str = "") -> str:
    """A remedy: the nearest name as a question, or ``otherwise``."""
    found = nearest(word, names)
    return f'did you mean "{found}"?' if found else otherwise


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_")

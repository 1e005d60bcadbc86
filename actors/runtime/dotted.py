"""What a config names as ``package.module:name``."""

import importlib
from typing import Any

from .errors import StartError


def load_object(target: str) -> Any:
    """The object; raises :class:`StartError` when there is none, or its module does not load."""
    module_name, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as cause:
        raise StartError(
            f"cannot load {target}: {cause}", "it must be an importable package.module:name"
        ) from cause

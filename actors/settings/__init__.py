"""The operator's settings."""

from .model import Settings

__all__ = ["Settings"]

"""The operator's settings: the model, how a file becomes one, and what is said when it cannot."""

from .model import Settings
from .problems import Finding, Problem, SettingsError

__all__ = ["Finding", "Problem", "Settings", "SettingsError"]

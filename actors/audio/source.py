"""Where samples come from and go to, whatever it is."""

from collections.abc import Callable
from typing import Protocol

OnBlock = Callable[[bytes], None]
"""Called in the loop with each block: int16 mono at the terminal's rate."""

OnLost = Callable[[str], None]
"""Called in the loop, once, when the device is gone, with the reason."""


class DeviceError(Exception):
    """A device cannot be opened. ``reason`` and ``remedy`` are for the operator."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class Source(Protocol):
    """A microphone."""

    @property
    def name(self) -> str:
        """For status and page."""

    def begin(self) -> None:
        """A conversation begins: whatever can start from its beginning does."""

    def close(self) -> None:
        """No block any more."""

"""The microphone's switch, where it outlives the machine: a file that is there while it is off.

The tape knows it too, and is gone after a reboot. Off is off if either says so.
"""

import contextlib
from pathlib import Path


class Switch:
    """``folder``: the terminal's state directory; None: nothing outlives the tape."""

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / "muted" if folder is not None else None

    @property
    def is_off(self) -> bool:
        """Somebody has switched the microphone off, and nobody on again."""
        return self._file is not None and self._file.exists()

    def set(self, *, off: bool) -> None:
        """Remember. Where that cannot be written, the tape still does."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            if off:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file.touch(mode=0o600)
            else:
                self._file.unlink(missing_ok=True)

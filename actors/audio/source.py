"""Where samples come from and go to, whatever it is."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from actors.settings.model import Audio

from .playback import RATE, Playback

OnBlock = Callable[[bytes, float], None]
"""Called in the loop with each block, int16 mono at the terminal's rate, and when the device gave
it, however late the loop is: seconds of :func:`clock`."""

OnPlayed = Callable[[bytes], None]
"""Called in the device's thread with all that it has taken, its silence included."""

OnLost = Callable[[str], None]
"""Called in the loop, once, when the device is gone, with the reason."""


def clock() -> float:
    """CLOCK_BOOTTIME: it goes on while the machine sleeps, and across processes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_FILE = "file:"
_NONE = "none"


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

    @property
    def latency_s(self) -> float:
        """How old the first sample of a block is when the block arrives, in seconds."""

    def begin(self, spoken: int = 0) -> None:
        """A conversation begins, or began so many samples ago: whatever can start from its
        beginning does.
        """

    def close(self) -> None:
        """No block any more."""


class Sink(Protocol):
    """A loudspeaker."""

    @property
    def name(self) -> str:
        """For status and page."""

    @property
    def latency_s(self) -> float:
        """Until what it has taken is heard, in seconds."""

    def close(self) -> None:
        """Silence."""


def open_source(audio: Audio, on_block: OnBlock, on_lost: OnLost) -> Source | None:
    """The microphone of these settings; None for "none". Raises :class:`DeviceError`."""
    if audio.input == _NONE:
        return None
    if audio.input.startswith(_FILE):
        from .file import FileSource

        path = Path(audio.input.removeprefix(_FILE)).expanduser()
        return FileSource(
            path, audio.sample_rate, audio.block_ms, loop=audio.loop, on_block=on_block
        )
    from .device import Microphone

    return Microphone(audio.input, audio.sample_rate, audio.block_ms, on_block, on_lost)


def open_sink(
    audio: Audio, playback: Playback, on_played: OnPlayed, on_lost: OnLost
) -> Sink | None:
    """The loudspeaker of these settings; None for "none". Raises :class:`DeviceError`."""
    if audio.output == _NONE:
        return None
    from .device import Speaker

    return Speaker(audio.output, RATE, audio.block_ms, playback, on_played, on_lost)

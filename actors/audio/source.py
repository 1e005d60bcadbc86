"""Where samples come from and go to, whatever it is."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from actors.settings.model import Audio

from .mixer import Mixer
from .playback import RATE

if TYPE_CHECKING:
    from .processing import Processing

OnBlock = Callable[[bytes, float], None]
"""Called in the loop with each block, int16 mono at the terminal's rate, and when the device gave
it, however late the loop is: seconds of :func:`clock`."""

OnBreak = Callable[[], None]
"""Called in the loop before a block when samples before it were lost: the device says so, or the
machine has slept."""

OnPlayed = Callable[[bytes], None]
"""Called in the device's thread with all that it has taken, its silence included."""

OnLost = Callable[[str], None]
"""Called in the loop, once, when the device is gone, with the reason."""


def clock() -> float:
    """CLOCK_BOOTTIME: it goes on while the machine sleeps, and across processes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_FILE = "file:"
NONE = "none"


def is_device(wanted: str) -> bool:
    """It names a device, and is neither a file nor a word for whichever there is, or none."""
    return wanted not in ("default", NONE) and not wanted.startswith(_FILE)


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

    @property
    def xruns(self) -> int:
        """Times that samples were lost because they were not fetched."""

    @property
    def note(self) -> str:
        """What an operator should know about the choice of it; empty: nothing."""

    @property
    def has_noise(self) -> bool:
        """It is never quite silent while it works."""

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

    @property
    def xruns(self) -> int:
        """Times that it has run out of samples."""

    @property
    def note(self) -> str:
        """What an operator should know about the choice of it; empty: nothing."""

    def close(self) -> None:
        """Silence."""


def open_source(
    wanted: str, audio: Audio, on_block: OnBlock, on_break: OnBreak, on_lost: OnLost
) -> Source | None:
    """The microphone of this name; None for "none". Raises :class:`DeviceError`."""
    if wanted == NONE:
        return None
    if wanted.startswith(_FILE):
        from .file import FileSource

        path = Path(wanted.removeprefix(_FILE)).expanduser()
        return FileSource(
            path,
            audio.sample_rate,
            audio.block_ms,
            loop=audio.loop,
            on_block=on_block,
            on_lost=on_lost,
        )
    from .device import Microphone

    return Microphone(wanted, audio.sample_rate, audio.block_ms, on_block, on_break, on_lost)


def open_sink(
    wanted: str, audio: Audio, mixer: Mixer, on_played: OnPlayed, on_lost: OnLost
) -> Sink | None:
    """The loudspeaker of this name; None for "none". Raises :class:`DeviceError`."""
    if wanted == NONE:
        return None
    from .device import Speaker

    return Speaker(wanted, RATE, audio.block_ms, mixer, on_played, on_lost)


def open_processing(audio: Audio) -> "Processing | None":
    """Echo, noise and gain of these settings; None when all are off. Raises :class:`DeviceError`
    where the native client cannot be loaded.
    """
    if not (audio.echo_cancellation or audio.noise_suppression or audio.auto_gain):
        return None
    try:
        from .processing import Processing
    except ImportError as cause:
        raise DeviceError(
            f"LiveKit's audio processing cannot be loaded: {cause}",
            "set [audio] echo_cancellation, noise_suppression and auto_gain to false",
        ) from cause
    return Processing(
        audio.sample_rate,
        echo_cancellation=audio.echo_cancellation,
        noise_suppression=audio.noise_suppression,
        auto_gain=audio.auto_gain,
    )

"""Devices that somebody has chosen while the terminal ran, before those of the config. Told the
time; what was chosen outlives the process, in a file.
"""

from pathlib import Path

import msgspec

from actors.settings.model import Audio

from .bequest import bequeath


class Chosen(msgspec.Struct, frozen=True):
    """Empty: as the config says."""

    input: str = ""
    output: str = ""
    times: tuple[float, ...] = ()
    """Seconds of :func:`.source.clock` at which it was changed, the last ones."""


class Choice:
    """``memory``: the file. ``most`` changes are made within ``period_s``: each ends a process, and
    whose processes end too often is given up.
    """

    def __init__(self, memory: Path, most: int, period_s: float) -> None:
        self._memory = memory
        self._most = most
        self._period_s = period_s
        self.reread()

    def reread(self) -> None:
        """What was taken is used by this process already."""
        self.chosen = _read(self._memory)

    def over(self, audio: Audio) -> Audio:
        """The config with the choice before it."""
        return msgspec.structs.replace(
            audio,
            input=self.chosen.input or audio.input,
            input_fallbacks=_behind(self.chosen.input, audio.input, audio.input_fallbacks),
            output=self.chosen.output or audio.output,
            output_fallbacks=_behind(self.chosen.output, audio.output, audio.output_fallbacks),
        )

    def may_change(self, now: float) -> bool:
        """It was not changed too often of late."""
        return len(self._lately(now)) < self._most

    def take(self, input_: str, output: str, now: float) -> None:
        """Another choice, for the next process. Raises OSError when it cannot be written."""
        lately = (*self._lately(now), now)[-self._most :]
        bequeath(self._memory, Chosen(input_, output, lately))

    def _lately(self, now: float) -> tuple[float, ...]:
        return tuple(at for at in self.chosen.times if now - self._period_s < at <= now)


def _behind(chosen: str, wanted: str, fallbacks: tuple[str, ...]) -> tuple[str, ...]:
    return (wanted, *fallbacks) if chosen else fallbacks


def _read(memory: Path) -> Chosen:
    """Of an earlier process; nothing if it cannot be read."""
    try:
        return msgspec.json.decode(memory.read_bytes(), type=Chosen)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Chosen()

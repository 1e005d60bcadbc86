"""The audio actor with a sound card that loses half a second and says so, once there is a file
``lose`` in the runtime directory: at the door of PortAudio, which tells of an overrun.
"""

from pathlib import Path
from typing import Any

import sounddevice

from actors.audio.process import Audio

LOST_S = 0.5
_OVERFLOW = 2
"""paInputOverflow."""


class Lossy(Audio):
    async def on_start(self) -> None:
        _Input.order = self.runtime_dir / "lose"
        sounddevice.RawInputStream = _Input
        await super().on_start()


class _Input(sounddevice.RawInputStream):  # type: ignore[misc]
    order: Path

    def __init__(self, *, callback: Any, **asked: Any) -> None:
        self._call = callback
        self._to_lose = 0
        super().__init__(callback=self._lossy, **asked)

    def _lossy(self, block: Any, frames: int, times: Any, status: Any) -> None:
        if self.order.exists():
            self.order.unlink()
            self._to_lose = round(LOST_S * self.samplerate)
        if self._to_lose > 0:
            self._to_lose -= frames
            if self._to_lose > 0:
                return
            status = sounddevice.CallbackFlags(_OVERFLOW)
        self._call(block, frames, times, status)

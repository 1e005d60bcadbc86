"""``callpoint devices test``: listens, plays a beep, then what was said. Kept in memory only."""

import asyncio
from collections.abc import Iterator

from actors.messages import SoundTried
from actors.runtime.errors import OrderFailed
from actors.settings.model import Audio

from .checkup import BEEP_S, beep, check
from .ends import Ends
from .format import ToCard
from .playback import RATE, Playback

MAX_S = 10.0
_SETTLE_S = 0.4
"""Until a beep is back through both devices' buffers."""
_PIECE_S = 0.1


class Rehearsal:
    """One test of so many seconds, of speech and of its echo each."""

    def __init__(self, audio: Audio, playback: Playback, seconds: float) -> None:
        """Raises ``OrderFailed`` for an impossible time."""
        if not 0 < seconds <= MAX_S:
            raise OrderFailed("invalid", f"seconds are more than 0 and at most {MAX_S:g}")
        self._audio = audio
        self._playback = playback
        self._seconds = seconds
        self._taken: bytearray | None = None

    def block(self, pcm: bytes) -> None:
        """Of the microphone."""
        if self._taken is not None:
            self._taken += pcm

    async def run(self, ends: Ends) -> SoundTried:
        """Listen, beep, play, judge."""
        rate = self._audio.sample_rate
        said = await self._listen(self._seconds)
        self._playback.write(beep(RATE))
        echo = await self._listen(BEEP_S + _SETTLE_S)
        for piece in _pieces(ToCard(rate, RATE, 1).push(said)):
            self._playback.write(piece)
            await asyncio.sleep(_PIECE_S)
        found = check(
            said,
            echo,
            rate,
            seconds=self._seconds,
            cancels=self._audio.echo_cancellation,
            has_speaker=ends.sink is not None,
        )
        levels = (found.speech_dbfs, found.noise_dbfs, found.peak_dbfs, found.beep_dbfs)
        return SoundTried(found.wrong, ends.input, ends.output, *levels)

    async def _listen(self, seconds: float) -> bytes:
        self._taken = bytearray()
        try:
            await asyncio.sleep(seconds)
            return bytes(self._taken)
        finally:
            self._taken = None


def _pieces(pcm: bytes) -> Iterator[bytes]:
    size = 2 * round(_PIECE_S * RATE)
    return (pcm[at : at + size] for at in range(0, len(pcm), size))

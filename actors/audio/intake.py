"""The microphone's way: from a block of the device onto the tape, or to what waits for a word."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from actors.runtime.meter import SILENCE_DBFS, rms_dbfs
from actors.settings.model import Audio

from .desk import Desk
from .ends import Ends
from .pace import Pace
from .recorder import Recorder
from .source import Source, open_processing
from .voice import Voice
from .wake import Wake

if TYPE_CHECKING:
    from .processing import Processing

log = logging.getLogger(__name__)


class Intake:
    """Of one audio process. ``ends``: the devices, once they are open; ``woken`` is called when
    what begins a conversation was heard.
    """

    def __init__(
        self,
        audio: Audio,
        ends: Callable[[], Ends],
        desk: Desk,
        voice: Voice,
        recorder: Recorder,
        wake: Wake | None,
        woken: Callable[[], None],
    ) -> None:
        """Raises :class:`.source.DeviceError` where the processing cannot be loaded."""
        self._block_s = audio.block_ms / 1000
        self._rate = audio.sample_rate
        self._ends = ends
        self._desk = desk
        self._voice = voice
        self._recorder = recorder
        self._wake = wake
        self._woken = woken
        self._processing: Processing | None = open_processing(audio)
        self._pace: Pace | None = None
        self._first: asyncio.Future[int] | None = None
        self.level = SILENCE_DBFS
        """Of the last block, in dB below full scale."""
        self.at = asyncio.get_running_loop().time()
        """When the last one came; seconds of the loop."""
        self.blocks = 0
        """That have come."""

    def take_from(self, source: Source | None) -> None:
        """The device that is open. A card has a clock of its own."""
        if source is not None and source.has_noise:
            whole = self._rate // 100 if self._processing else 1  # it takes whole 10 ms
            self._pace = Pace(self._rate, whole)

    def played(self, pcm: bytes) -> None:
        """The loudspeaker has taken it. In its thread."""
        self._desk.played(pcm)
        if self._processing is not None:
            self._processing.played(pcm)

    def broke(self) -> None:
        """Before the next block samples are missing."""
        self._recorder.broke()
        if self._pace is not None:
            self._pace.broke()

    async def first(self, within_s: float) -> bool:
        """Wait for the next block that goes on the tape; False: none has come."""
        self._first = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(self._first, within_s)
        except TimeoutError:
            return False
        finally:
            self._first = None
        return True

    def block(self, pcm: bytes, given_at: float, now: float) -> bool:
        """As the device gave it; True: there is something new for the tape."""
        self.at = now
        self.blocks += 1
        self._ends().heard(pcm, self._block_s)
        if self._pace is not None and not (pcm := self._pace.push(pcm, given_at)):
            return False
        self._desk.heard(pcm)
        if self._recorder.is_on:
            self._record(pcm, given_at, now)
            return True
        self._listen(pcm, given_at)
        if self._processing is not None:
            self._processing.pause()
        self._measure(pcm)
        self._desk.recorded(bytes(len(pcm)), bytes(len(pcm)))
        return False

    def _listen(self, pcm: bytes, given_at: float) -> None:
        """Without a conversation: for what begins one."""
        if self._wake is None:
            return
        if self._recorder.muted:
            self._wake.forget()
        elif self._wake.block(pcm, given_at):
            self._voice.cue("wake")
            self._woken()

    def _record(self, pcm: bytes, given_at: float, now: float) -> None:
        ends = self._ends()
        assert ends.source is not None
        captured = pcm
        age_s = ends.source.latency_s + (self._pace.held_s if self._pace else 0.0)
        if self._processing is not None:
            played_s = ends.sink.latency_s if ends.sink else 0.0
            pcm = self._processing.captured(pcm, played_s + age_s)
        self._measure(pcm)
        self._voice.near(self.level, now)
        if self._recorder.is_silenced(given_at, age_s):
            captured = pcm = bytes(len(pcm))
        self._desk.recorded(captured, pcm)
        resuming = self._recorder.resuming
        position = self._recorder.block(pcm, given_at, age_s)
        if resuming:
            log.warning("recording resumed", extra={"gap_samples": self._recorder.missed})
        if position is not None and self._first is not None and not self._first.done():
            self._first.set_result(position)

    def _measure(self, pcm: bytes) -> None:
        self.level = SILENCE_DBFS if self._recorder.muted else rms_dbfs(pcm)

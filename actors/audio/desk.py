"""What operators ask of the sound: devices, level, volume, a test, recordings for support."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from actors.messages import (
    Devices,
    DevicesChosen,
    KeepSound,
    ListDevices,
    Message,
    SetVolume,
    SoundKept,
    TrySound,
    UseDevices,
)
from actors.runtime.actor import Answer
from actors.runtime.errors import OrderFailed
from actors.settings.model import Audio

from .choice import Choice
from .devices import Direction
from .ends import Ends, Usable
from .playback import RATE
from .recorder import Recorder
from .rehearsal import Rehearsal
from .source import DeviceError, clock
from .tracks import Track, Tracks
from .voice import Voice

log = logging.getLogger(__name__)

Later = Callable[[Coroutine[Any, Any, Message | None]], Answer]


class Desk:
    """Of one audio process. ``recordings``: where files go unless the config
    says otherwise; ``later``: as of an actor; ``changed``
    is called when a recording begins or ends; ``renew`` when other devices
    are to be opened, with the reason.
    """

    def __init__(
        self,
        audio: Audio,
        recordings: Path,
        ends: Callable[[], Ends],
        voice: Voice,
        recorder: Recorder,
        choice: Choice,
        later: Later,
        changed: Callable[[], None],
        renew: Callable[[str], None],
    ) -> None:
        self._audio = audio
        self._folder = Path(audio.recordings or recordings)
        self._ends = ends
        self._voice = voice
        self._recorder = recorder
        self._choice = choice
        self._later = later
        self._changed = changed
        self._renew = renew
        self._choosing = False
        self._rehearsal: Rehearsal | None = None
        self._tracks: Tracks | None = None

    @property
    def kept_in(self) -> str:
        """The folder to which the sound is being written; empty: it is not."""
        return str(self._folder) if self._tracks is not None else ""

    def order(self, message: Message) -> Answer:
        """One of theirs; None for any other. Raises ``OrderFailed``."""
        match message:
            case SetVolume(percent=percent):
                self._set_volume(percent)
            case KeepSound(seconds=seconds):
                return self._keep(seconds)
            case ListDevices():
                return self._later(self._list())
            case UseDevices():
                return self._later(self._use(message))
            case TrySound(seconds=seconds):
                return self._try(seconds)
        return None

    # -- samples ---------------------------------------------------------------------------------

    def heard(self, pcm: bytes) -> None:
        """A block of the microphone, conversation or not."""
        if self._rehearsal is not None:
            self._rehearsal.block(bytes(len(pcm)) if self._recorder.muted else pcm)

    def recorded(self, captured: bytes, processed: bytes) -> None:
        """A block as it came and as it goes to the agent; silence if it may not be kept."""
        if self._tracks is not None:
            self._tracks.write("captured", captured)
            self._tracks.write("processed", processed)

    def played(self, pcm: bytes) -> None:
        """The loudspeaker has taken it. In its thread."""
        if (tracks := self._tracks) is not None:
            tracks.write("played", pcm)

    def look(self) -> None:
        """Now and then: end a recording that is as long as was asked for."""
        if self._tracks is not None and self._tracks.is_over:
            self._end_tracks()

    def close(self) -> None:
        """Leave files that are whole."""
        if self._tracks is not None:
            self._tracks.close()

    # -- orders ----------------------------------------------------------------------------------

    def _set_volume(self, percent: int) -> None:
        if not 0 <= percent <= 100:
            raise OrderFailed("invalid", "a volume is from 0 to 100 percent")
        self._voice.set_volume(percent)
        self._changed()

    async def _list(self) -> Message:
        try:
            return Devices(await self._ends().devices())
        except DeviceError as error:
            raise OrderFailed("no-devices", error.reason, error.remedy) from None

    async def _use(self, order: UseDevices) -> Message:
        if self._choosing:
            raise OrderFailed("busy", "devices are being changed already")
        self._choosing = True
        try:
            return await self._chosen(order)
        except DeviceError as error:
            raise OrderFailed("no-device", error.reason, error.remedy) from None
        finally:
            self._choosing = False

    async def _chosen(self, order: UseDevices) -> Message:
        before, ends = self._choice.chosen, self._ends()
        input_ = await _wanted(ends, "input", order.input, before.input)
        output = await _wanted(ends, "output", order.output, before.output)
        chosen = input_.called, output.called
        if input_.is_used and output.is_used and chosen == (before.input, before.output):
            return DevicesChosen(input_.name, output.name, *chosen)
        if not self._choice.may_change(clock()):
            raise OrderFailed("busy", "devices were changed too often", "wait two minutes")
        try:
            self._choice.take(*chosen, clock())
        except OSError as error:
            raise OrderFailed("no-memory", f"the choice cannot be kept: {error}") from None
        if input_.is_used and output.is_used:
            self._choice.reread()
            self._changed()
        else:  # once the answer is on its way
            asyncio.get_running_loop().call_soon(self._renew, "other devices were chosen")
        return DevicesChosen(input_.name, output.name, *chosen)

    def _try(self, seconds: float) -> Answer:
        if self._recorder.is_on:
            raise OrderFailed("busy", "a conversation is on", "callpoint end")
        if self._recorder.muted:
            raise OrderFailed("muted", "the microphone is off", "callpoint unmute")
        if self._rehearsal is not None:
            raise OrderFailed("busy", "the sound is being tested already")
        self._rehearsal = Rehearsal(self._audio, self._voice.playback, seconds)
        return self._later(self._rehearse(self._rehearsal))

    async def _rehearse(self, rehearsal: Rehearsal) -> Message:
        try:
            return await rehearsal.run(self._ends())
        finally:
            self._rehearsal = None

    def _keep(self, seconds: float) -> Message:
        if not seconds:
            files = self._tracks.paths if self._tracks else ()
            self._end_tracks()
            return SoundKept(tuple(map(str, files)))
        if self._tracks is not None:
            raise OrderFailed("busy", "a recording is under way", "callpoint record --stop")
        rate = self._audio.sample_rate
        rates: dict[Track, int] = {"captured": rate, "processed": rate}
        if self._ends().sink is not None:
            rates["played"] = RATE
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self._tracks = Tracks(self._folder, stamp, rates, seconds)
        log.warning("sound is written to files", extra={"seconds": seconds})
        self._changed()
        return SoundKept(tuple(map(str, self._tracks.paths)))

    def _end_tracks(self) -> None:
        tracks, self._tracks = self._tracks, None
        if tracks is not None:
            tracks.close()
            ended = {"lost_blocks": tracks.lost, "cause": tracks.error}
            log.warning("sound is no longer written to files", extra=ended)
            self._changed()


async def _wanted(ends: Ends, direction: Direction, wanted: str | None, before: str) -> Usable:
    """Of one end, for which ``before`` was chosen. Raises :class:`DeviceError`."""
    if wanted is None:
        return Usable(before, "", is_used=True)
    if not wanted:
        return Usable("", "", is_used=not before)
    return await ends.usable(direction, wanted)

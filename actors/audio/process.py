"""The audio process: device and tape on one side, the two lanes to the room on the other."""

import asyncio
import time
from pathlib import Path

from actors.messages import (
    AudioLevel,
    AudioState,
    Follow,
    Hush,
    Message,
    RecordingStarted,
    SetMuted,
    Spoken,
    StartRecording,
    StopRecording,
)
from actors.messages.codec import CorruptMessage, decode, encode
from actors.runtime.actor import Actor
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.errors import OrderFailed, StartError

from .follower import Follower
from .meter import SILENCE_DBFS, rms_dbfs
from .playback import Playback
from .source import DeviceError, Source
from .tape import Tape, TapeError

FOLLOWER = "room"
_FIRST_BLOCK_S = 2.0
"""Until a recording that was ordered must have its first samples."""
_LEVEL_S = 0.2
_DEAF_S = 2.0
_FILE = "file:"


def _now() -> float:
    """Goes on while the machine sleeps, and across processes: the gap of a restart is real."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Audio(Actor):
    """Nothing goes on the tape without a recording; the device is open all the time, so that a
    recording starts with the next block.
    """

    async def on_start(self) -> None:
        """Open the tape and the devices; go on at once with a recording that was cut off."""
        audio = self.settings.audio
        self._rate = audio.sample_rate
        self._muted = False
        self._error = ""
        self._block_at = self.loop_time()
        self._levels = [SILENCE_DBFS, SILENCE_DBFS]
        self._first_block: asyncio.Future[int] | None = None
        self._playback = Playback(self._rate)
        self._corrupt = CorruptFrames("audio lanes")
        self._source: Source | None = None
        self._speaker: object = None
        try:
            self._tape = Tape.open(self.runtime_dir / "tape", self._rate, audio.tape_seconds)
            self._open_devices()
        except TapeError as error:
            raise StartError(
                str(error), "make room, or set a smaller [audio] tape_seconds"
            ) from error
        except DeviceError as error:
            raise StartError(error.reason, error.remedy) from error
        self._follower = Follower(self._tape)
        if self._tape.header.recording:
            gap = self._tape.resume(_now())
            self.log.warning("recording resumed", extra={"gap_samples": gap})
        self._mic = self.bus.bind("router", "mic", self._on_mic)
        self.bus.bind("pull", "speaker", self._on_speaker)
        self.spawn(self._report_levels(), "levels")
        self._publish()

    @staticmethod
    def loop_time() -> float:
        """Monotonic seconds."""
        return asyncio.get_running_loop().time()

    def _open_devices(self) -> None:
        audio = self.settings.audio
        if audio.input.startswith(_FILE):
            from .file import FileSource

            path = Path(audio.input.removeprefix(_FILE)).expanduser()
            self._source = FileSource(
                path, self._rate, audio.block_ms, loop=audio.loop, on_block=self._on_block
            )
        elif audio.input != "none":
            from .device import Microphone

            self._source = Microphone(
                audio.input, self._rate, audio.block_ms, self._on_block, self._lost
            )
        if audio.output != "none":
            from .device import Speaker

            self._speaker = Speaker(
                audio.output, self._rate, audio.block_ms, self._playback, self._lost
            )

    def _lost(self, reason: str) -> None:
        """PortAudio's list of devices is frozen in a process: the way back is a new one."""
        self.spawn(_fail(reason), "device lost")

    # -- samples ---------------------------------------------------------------------------------

    def _on_block(self, pcm: bytes) -> None:
        self._block_at = self.loop_time()
        self._levels[0] = SILENCE_DBFS if self._muted else rms_dbfs(pcm)
        if not self._tape.header.recording:
            return
        # Muted, nothing that was said leaves this function: silence keeps the time true.
        position = self._tape.append(bytes(len(pcm)) if self._muted else pcm, _now())
        if self._first_block is not None and not self._first_block.done():
            self._first_block.set_result(position)
        self._send_due()

    def _send_due(self) -> None:
        for captured in self._follower.due():
            frame = encode(captured, kind="tell", sender=self.name, to=FOLLOWER)
            if not self._mic.send(frame, to=FOLLOWER):
                return  # it will say where it is, and gets it from there

    def _on_mic(self, peer: bytes, frame: bytes) -> None:
        try:
            message = decode(frame).message
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt, peer)
            return
        if isinstance(message, Follow) and peer == FOLLOWER.encode():
            self._follower.follow(message)
            self._send_due()

    def _on_speaker(self, _peer: bytes, frame: bytes) -> None:
        try:
            message = decode(frame).message
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt)
            return
        match message:
            case Spoken(pcm=pcm, sample_rate=rate) if rate == self._rate:
                self._levels[1] = rms_dbfs(pcm)
                self._playback.write(pcm)
            case Spoken():
                self._error = "the agent's voice comes at another rate than [audio] sample_rate"
            case Hush():
                self._playback.hush()

    # -- orders ----------------------------------------------------------------------------------

    async def on_message(self, message: Message, sender: str) -> Message | None:
        """Orders of the session."""
        match message:
            case StartRecording():
                return await self._start_recording(message)
            case StopRecording():
                self._tape.stop()
                self._playback.hush()
                self._publish()
            case SetMuted(muted=muted):
                self._muted = muted
                self._publish()
        return None

    async def _start_recording(self, order: StartRecording) -> Message:
        if self._source is None:
            raise OrderFailed("no-microphone", "there is no microphone", "set [audio] input")
        header = self._tape.header
        if not (order.resume and header.conversation == order.conversation):
            self._tape.begin(order.conversation, _now())
            self._source.begin()
        elif not header.recording:
            self._tape.resume(_now())
        self._first_block = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(self._first_block, _FIRST_BLOCK_S)
        except TimeoutError:
            self._tape.stop()
            raise OrderFailed(
                "no-samples",
                f"no samples have come from {self._source.name} within {_FIRST_BLOCK_S:g} s",
                "callpoint status shows the devices",
            ) from None
        finally:
            self._first_block = None
        self._publish()
        return RecordingStarted(self._tape.header.start, self._rate)

    # -- what others see -------------------------------------------------------------------------

    def _publish(self) -> None:
        header = self._tape.header
        audio = self.settings.audio
        self.publish_state(
            AudioState(
                recording=header.recording,
                muted=self._muted,
                conversation=header.conversation,
                sample_rate=self._rate,
                input=self._source.name if self._source else audio.input,
                output=getattr(self._speaker, "name", audio.output),
                error=self._error,
            )
        )

    async def _report_levels(self) -> None:
        while True:
            await asyncio.sleep(_LEVEL_S)
            if self._tape.header.recording:
                self.publish_level(AudioLevel(self._levels[0], self._levels[1]))
                self._levels[1] = SILENCE_DBFS

    def health(self) -> str:
        """Judged by the samples: they come as long as a device is open."""
        silent = self.loop_time() - self._block_at
        if self._source is not None and silent > _DEAF_S:
            return f"no samples from the microphone for {silent:.0f} s"
        return "ok"

    async def on_stop(self) -> None:
        """Give the devices back."""
        for device in (self._source, self._speaker):
            if device is not None:
                device.close()  # type: ignore[attr-defined]


async def _fail(reason: str) -> None:
    raise RuntimeError(reason)

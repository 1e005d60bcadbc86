"""The audio process: devices and tape on one side, the two lanes to the room on the other."""

import asyncio
from pathlib import Path

from actors.messages import (
    AudioLevel,
    AudioState,
    Follow,
    GetLevel,
    Message,
    RecordingStarted,
    SessionState,
    SetMuted,
    StartRecording,
    StopRecording,
    Woken,
)
from actors.messages.codec import CorruptMessage, decode_message, encode_message
from actors.runtime.actor import Actor, Answer
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.errors import OrderFailed, StartError
from actors.runtime.meter import SILENCE_DBFS
from actors.runtime.realtime import run_in_real_time

from .choice import Choice
from .desk import Desk
from .devices import Direction
from .ends import Ends
from .follower import Follower
from .intake import Intake
from .recorder import Recorder
from .source import DeviceError, Source, clock
from .switch import Switch
from .tape import Tape, TapeError
from .voice import Voice
from .wake import waiting_for

FOLLOWER = "room"
_FIRST_BLOCK_S = 1.2
"""Until a recording that was ordered must have its first samples; whoever ordered it is answered
before this process ends for want of them."""
_LEVEL_S = 0.2
_SPEECH_S = 1.0
"""A meter reading tells of what was said so short a time before: readings may be lost."""
_QUIET_DBFS = -50.0
_PATIENT_S = 10.0
"""For a pause in which the devices can be changed."""
_QUIET_S = 1.0
"""Without a block, until the health says so."""
_STOPPED_LEVELS = 9
"""Meter readings in a row without a block: 1.8 s in which this loop ran, so that a machine that
slept is not taken for a microphone that is broken."""


def _boot() -> str:
    """Names this start of the machine; empty where it cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Audio(Actor):
    """Nothing goes on the tape without a recording; the device is open all the time, so that a
    recording starts with the next block.
    """

    subscribes = (SessionState,)

    async def on_start(self) -> None:
        """Open the tape and the devices; go on at once with a recording that was cut off."""
        if self.settings.audio.realtime:
            run_in_real_time()
        self._choice = Choice(
            self.runtime_dir / "devices.json",
            # With more, restarts would back off for seconds before the terminal gives up.
            max(1, self.settings.supervisor.intensity // 4),
            self.settings.supervisor.period,
        )
        audio = self._audio = self._choice.over(self.settings.audio)
        self._corrupt = CorruptFrames("mic lane")
        state_dir = self.settings.terminal.state_dir
        self._switch = Switch(Path(state_dir) if state_dir else None)
        self._said: AudioState | None = None
        try:
            path = self.runtime_dir / "tape"
            self._tape = Tape.open(path, audio.sample_rate, audio.tape_seconds, _boot())
            self._recorder = Recorder(self._tape)
            self._voice = Voice(audio, self.runtime_dir / "volume", self._publish)
            self._desk = self._made_desk()
            self._wake = waiting_for(self.settings.session, audio.sample_rate)
            self._intake = self._made_intake()
            self._open_devices()
        except TapeError as error:
            remedy = "make room, or set a smaller [audio] tape_seconds"
            raise StartError(str(error), remedy) from error
        except DeviceError as error:
            raise StartError(error.reason, error.remedy) from error
        self._follower = Follower(self._tape)
        self._restore()
        self._mic = self.bus.bind("router", "mic", self._on_mic)
        self.bus.bind("pull", "speaker", self._on_speaker)
        self.spawn(self._watch(), "levels")
        self._publish()

    @staticmethod
    def loop_time() -> float:
        """Monotonic seconds."""
        return asyncio.get_running_loop().time()

    @property
    def _source(self) -> Source | None:
        return self._ends.source

    def _open_devices(self) -> None:
        audio = self._audio
        self._ends = Ends(
            audio,
            self.runtime_dir,
            self._voice.mixer,
            self._on_block,
            self._intake.broke,
            self._intake.played,
            self._lost,
        )
        directions: tuple[Direction, ...] = ("input", "output")
        for direction in filter(self._ends.can_be_better, directions):
            self.spawn(self._until_better(direction), f"better {direction}")
        self._intake.take_from(self._source)

    def _made_desk(self) -> Desk:
        state_dir = Path(self.settings.terminal.state_dir or self.runtime_dir)
        return Desk(
            self._audio,
            state_dir / "recordings",
            lambda: self._ends,
            self._voice,
            self._recorder,
            self._choice,
            self.later,
            self._publish,
            self._renew,
        )

    def _made_intake(self) -> Intake:
        return Intake(
            self._audio,
            lambda: self._ends,
            self._desk,
            self._voice,
            self._recorder,
            self._wake,
            lambda: self.publish(Woken()),
        )

    def _restore(self) -> None:
        if self._switch.is_off:
            self._recorder.mute(True, clock())
        self._recorder.restore(clock(), same_terminal=self.incarnation > 1)
        if self._source is not None and self._recorder.is_on:
            self._source.begin(self._recorder.spoken(clock()))

    def _lost(self, reason: str) -> None:
        """PortAudio's list of devices is frozen in a process: the way back is a new one."""
        self.spawn(_fail(reason), "device lost")

    # -- samples ---------------------------------------------------------------------------------

    def _on_block(self, pcm: bytes, given_at: float) -> None:
        if self._intake.block(pcm, given_at, self.loop_time()):
            self._send_due()

    # -- lanes -----------------------------------------------------------------------------------

    def _send_due(self) -> None:
        for captured in self._follower.due():
            if not self._mic.send(encode_message(captured), to=FOLLOWER):
                return  # it will say where it is, and gets it from there

    def _on_mic(self, peer: bytes, frame: bytes) -> None:
        try:
            message = decode_message(frame)
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt, peer)
            return
        if isinstance(message, Follow) and peer == FOLLOWER.encode():
            self._follower.follow(message)
            self._send_due()

    def _on_speaker(self, _peer: bytes, frame: bytes) -> None:
        self._voice.on_frame(frame, self.loop_time())

    # -- orders ----------------------------------------------------------------------------------

    async def on_message(self, message: Message, sender: str) -> Answer:
        """Orders of the session."""
        match message:
            case StartRecording():
                return await self._start_recording(message)
            case StopRecording():
                self._recorder.stop()
                if self._wake is not None:
                    self._wake.rest(clock())
                self._voice.playback.hush()
                self._publish()
            case SetMuted(muted=muted):
                self._mute(muted=muted)
            case SessionState():
                self._voice.session(message)
            case GetLevel():
                return self._level()
            case _:
                return self._desk.order(message)
        return None

    def _mute(self, *, muted: bool) -> None:
        if muted and not self._recorder.muted:
            self._voice.cue("muted")
        self._recorder.mute(muted, clock())
        self._switch.set(off=muted)
        self._publish()

    async def _start_recording(self, order: StartRecording) -> Message:
        if self._source is None:
            raise OrderFailed("no-microphone", "there is no microphone", "set [audio] input")
        try:
            before = self._wake.take() if self._wake is not None and order.woken else ()
            goes_on = self._recorder.start(
                order.conversation, clock(), resume=order.resume, before=before
            )
        except ValueError as impossible:
            raise OrderFailed("invalid", str(impossible)) from None
        if self._recorder.resuming or not goes_on:
            self._source.begin(self._recorder.spoken(clock()))
        if not await self._intake.first(_FIRST_BLOCK_S):
            if not order.resume:
                self._recorder.stop()
            self._publish()
            raise OrderFailed(
                "no-samples",
                f"no samples have come from {self._source.name} within {_FIRST_BLOCK_S:g} s",
                "callpoint status shows the devices",
            )
        if not goes_on:
            self._voice.cue("listening")
        self._publish()
        return RecordingStarted(self._tape.header.start, self._tape.header.sample_rate)

    # -- what others see -------------------------------------------------------------------------

    def _publish(self) -> None:
        self._said = self._state()
        self.publish_state(self._said)

    def _state(self) -> AudioState:
        input_xruns, output_xruns = self._ends.xruns
        return AudioState(
            recording=self._recorder.is_on and self._source is not None,
            muted=self._recorder.muted,
            conversation=self._tape.header.conversation,
            sample_rate=self._tape.header.sample_rate,
            input=self._ends.input,
            output=self._ends.output,
            error="; ".join(filter(None, (self._ends.error, self._voice.error))),
            deaf=self._ends.deaf or "",
            notes=self._ends.notes,
            input_xruns=input_xruns,
            output_xruns=output_xruns,
            underruns=self._voice.playback.underruns,
            dropped=self._voice.playback.dropped,
            volume=self._voice.volume,
            listens=""
            if self._wake is None or self._recorder.is_on or self._recorder.muted
            else self.settings.session.start,
            kept_in=self._desk.kept_in,
            chosen_input=self._choice.chosen.input,
            chosen_output=self._choice.chosen.output,
        )

    def _level(self) -> AudioLevel:
        speech = self._voice.hears_speech(_SPEECH_S, self.loop_time())
        return AudioLevel(self._intake.level, self._voice.level, speech)

    async def _watch(self) -> None:
        """Levels out, and the flow of samples watched."""
        blocks = stopped = reads = stalled = 0
        while True:
            await asyncio.sleep(_LEVEL_S)
            stopped = stopped + 1 if blocks == self._intake.blocks else 0
            blocks = self._intake.blocks
            if self._source is not None and stopped >= _STOPPED_LEVELS:
                self._intake.broke()
                if self._ends.stopped():
                    silent_s = _LEVEL_S * stopped
                    raise RuntimeError(f"no samples from {self._source.name} for {silent_s:g} s")
            stalled = stalled + 1 if reads == self._voice.mixer.reads else 0
            reads = self._voice.mixer.reads
            self._ends.takes = self._ends.takes or not stalled
            if self._ends.sink is not None and stalled >= _STOPPED_LEVELS and self._ends.stalled():
                self._renew(self._ends.error)
                return
            self._desk.look()
            if reason := self._ends.look():
                self._renew(reason)
                return
            if self._recorder.expire(clock()) or self._state() != self._said:
                self._publish()
            if self._wake is not None and self._wake.is_woken and not self._recorder.is_on:
                self.publish(Woken())  # the session may just be coming back
            if self._recorder.is_on:
                self.publish_level(self._level())
                self._voice.level = SILENCE_DBFS

    async def _until_better(self, direction: Direction) -> None:
        reason = await self._ends.better(direction)
        patience = round(_PATIENT_S / _LEVEL_S)
        while patience and max(self._intake.level, self._voice.level) > _QUIET_DBFS:
            await asyncio.sleep(_LEVEL_S)  # not in the middle of a word
            patience -= 1
        self._renew(reason)

    def _renew(self, reason: str) -> None:
        """A new process takes the best devices that there are then, and goes on with the tape."""
        self.log.warning("sound is renewed", extra={"reason": reason})
        self.end()

    def health(self) -> str:
        """Judged by the samples: they come as long as a device is open."""
        silent = self.loop_time() - self._intake.at
        if self._source is not None and silent > _QUIET_S:
            return f"no samples from the microphone for {silent:.0f} s"
        return "ok"

    async def on_stop(self) -> None:
        """Give the devices back."""
        if hasattr(self, "_ends"):
            self._ends.close()
            self._desk.close()


async def _fail(reason: str) -> None:
    raise RuntimeError(reason)

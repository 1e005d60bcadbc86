"""The loudspeaker's side: the room's lane, the queue, volume and cues."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from actors.messages import Hush, SessionState, Spoken
from actors.messages.codec import CorruptMessage, decode_message
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.meter import SILENCE_DBFS, rms_dbfs
from actors.settings.model import Audio

from .file import load
from .mixer import Mixer
from .near import Near
from .playback import MAX_S, RATE, Playback
from .source import DeviceError

Cue = Literal["wake", "listening", "muted", "error"]

_VOICE_BYTES = 2 * round(MAX_S * RATE)
"""Of one message: what can wait to be played."""
_BARGE_IN_S = 0.5
"""Whoever has spoken so short a time before the agent stopped is why it stopped."""


class Voice:
    """``memory``: a file in which the volume outlives this process; ``changed`` is called when
    :attr:`error` has.
    """

    def __init__(self, audio: Audio, memory: Path, changed: Callable[[], None]) -> None:
        """Load the cues. Raises :class:`.source.DeviceError` for one that cannot be read."""
        self._memory = memory
        self._changed = changed
        self.volume = _remembered(memory, audio.volume)
        self.playback = Playback(RATE)
        self.mixer = Mixer(self.playback, self.volume)
        self.level = SILENCE_DBFS
        """Of what came last, in dB below full scale; whoever reads it may reset it."""
        self.error = ""
        """What is wrong with what comes."""
        self._near = Near()
        self._corrupt = CorruptFrames("speaker lane")
        self._failed: bool | None = None
        """None: not known yet, and what has failed before is no news."""
        files: dict[Cue, str] = {
            "wake": audio.cue_wake,
            "listening": audio.cue_listening,
            "muted": audio.cue_muted,
            "error": audio.cue_error,
        }
        self._cues = {name: _loaded(name, path) for name, path in files.items() if path}

    def on_frame(self, frame: bytes, now: float) -> None:
        """From the speaker lane; ``now``: monotonic seconds."""
        try:
            message = decode_message(frame)
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt)
            return
        match message:
            case Spoken(pcm=pcm, sample_rate=rate) if rate == RATE:
                self._show("")
                self.level = rms_dbfs(pcm[-_VOICE_BYTES:])
                self.playback.write(pcm[-_VOICE_BYTES:])
            case Spoken(sample_rate=rate):
                self._show(f"the agent's voice comes at {rate} Hz instead of {RATE}")
            case Hush(interrupted=interrupted):
                if not interrupted or self.hears_speech(_BARGE_IN_S, now):
                    self.playback.hush()

    def near(self, dbfs: float, now: float) -> None:
        """How loud the microphone is."""
        self._near.block(dbfs, now)

    def hears_speech(self, within_s: float, now: float) -> bool:
        """Somebody here has spoken, so short a time ago."""
        return self._near.spoke(within_s, now)

    def cue(self, name: Cue) -> None:
        """Sound one, if the config has it."""
        if name in self._cues:
            self.mixer.sound(self._cues[name])

    def session(self, state: SessionState) -> None:
        """Sound the cue of an error when one is new."""
        failed = state.error is not None or state.agent.error is not None
        if failed and self._failed is False:
            self.cue("error")
        self._failed = failed

    def set_volume(self, percent: int) -> None:
        """0 to 100; also for the processes after this one."""
        self.volume = percent
        self.mixer.set_volume(percent)
        with contextlib.suppress(OSError):  # then only until this process ends
            self._memory.write_text(f"{percent}\n")

    def _show(self, error: str) -> None:
        if error != self.error:
            self.error = error
            self._changed()


def _loaded(name: Cue, path: str) -> bytes:
    try:
        return load(Path(path), RATE)
    except DeviceError as error:
        raise DeviceError(error.reason, f"[audio] cue_{name}: a WAV file of 16 bits") from error


def _remembered(memory: Path, otherwise: int) -> int:
    try:
        percent = int(memory.read_text())
    except (OSError, ValueError):
        return otherwise
    return percent if 0 <= percent <= 100 else otherwise

"""Of the audio process, for operators: what sound devices there are, and whether they are well."""

import msgspec

from .base import Message


class SoundDevice(msgspec.Struct, frozen=True):
    """One device of the machine."""

    index: int
    """Its place in the list of now."""
    name: str
    id: str
    """Of its hardware, the same after each plugging; empty: it is no card."""
    inputs: int
    """Channels; 0: no microphone."""
    outputs: int
    sample_rate: int
    """Hz, that it prefers."""
    is_default: bool
    used: str = ""
    """``input``, ``output`` or ``input, output`` of this terminal."""


class ListDevices(Message, tag="list-devices", frozen=True):
    """Ask to audio: what is there now. Answered by :class:`Devices`."""


class Devices(Message, tag="devices", frozen=True):
    """Answer to :class:`ListDevices`."""

    devices: tuple[SoundDevice, ...]


class UseDevices(Message, tag="use-devices", frozen=True):
    """Ask to audio: another microphone or loudspeaker from now on, also in the processes after this
    one, before those of the config, which take its place while it cannot be used. Answered by
    :class:`DevicesChosen`, or Failed when one cannot be opened: then all stays as it is.
    """

    input: str | None = None
    """As in the config's [audio] input; empty: as the config says; None: as it is."""
    output: str | None = None


class DevicesChosen(Message, tag="devices-chosen", frozen=True):
    """Answer to :class:`UseDevices`: what is used as soon as the process has been renewed."""

    input: str
    """Name of the device as :class:`~actors.messages.AudioState` will have it; empty: not asked
    for, or not known before."""
    output: str
    chosen_input: str
    """As :attr:`~actors.messages.AudioState.chosen_input` will be."""
    chosen_output: str


class GetLevel(Message, tag="get-level", frozen=True):
    """Ask to audio: how loud it is now, with a conversation or without; answered by
    :class:`~actors.messages.AudioLevel`.
    """


class KeepSound(Message, tag="keep-sound", frozen=True):
    """Ask to audio: write what is captured, what becomes of it and what is played to WAV files, for
    support. Outside of a conversation and while the microphone is off, what was captured is
    silence. Answered by :class:`SoundKept` when it has begun.
    """

    seconds: float
    """At most 600; 0: end the one that is under way."""


class SoundKept(Message, tag="sound-kept", frozen=True):
    """Answer to :class:`KeepSound`."""

    files: tuple[str, ...]
    """Paths; none: nothing was under way."""


class TrySound(Message, tag="try-sound", frozen=True):
    """Ask to audio: listen to somebody who speaks, play a beep and what was said. Refused while a
    conversation is recorded or the microphone is off. Answered by :class:`SoundTried`.
    """

    seconds: float = 3.0
    """To listen, at most 10."""


class SoundTried(Message, tag="sound-tried", frozen=True):
    """Answer to :class:`TrySound`; levels in dB below full scale, -120: silence."""

    wrong: tuple[str, ...]
    """Sentences; none: all is well."""
    input: str
    output: str
    speech_dbfs: float
    """Of the loudest tenth."""
    noise_dbfs: float
    """Of the quietest tenth."""
    peak_dbfs: float
    beep_dbfs: float
    """Of the beep in the microphone."""

"""The audio actor with a sound card that only has 44.1 kHz stereo: at the door of PortAudio, where
such a card refuses everything else, because PulseAudio takes whatever it is given.
"""

from typing import Any

import sounddevice

from actors.audio.process import Audio

INVALID_SAMPLE_RATE = -9997
"""paInvalidSampleRate."""


class _Strict:
    def __init__(self, **asked: Any) -> None:
        if (asked["samplerate"], asked["channels"]) != (44_100, 2):
            raise sounddevice.PortAudioError("Invalid sample rate", INVALID_SAMPLE_RATE)
        super().__init__(**asked)


class _Input(_Strict, sounddevice.RawInputStream):  # type: ignore[misc]
    pass


class _Output(_Strict, sounddevice.RawOutputStream):  # type: ignore[misc]
    pass


class Only44(Audio):
    async def on_start(self) -> None:
        sounddevice.RawInputStream, sounddevice.RawOutputStream = _Input, _Output
        await super().on_start()

"""Echo, noise and gain, by LiveKit's audio processing (WebRTC's, in frames of 10 ms).

Imported only when one of them is switched on: the native client under it costs memory and threads.
"""

import logging

from livekit import rtc

from .far_end import FarEnd
from .playback import RATE as FAR_RATE

FRAME_MS = 10
MAX_DELAY_MS = 500
"""More is not believed: the canceller finds an echo within about half a second."""

# The client says at every start that it starts.
logging.getLogger("livekit").setLevel(logging.WARNING)


class Processing:
    """Of one microphone at ``sample_rate`` and one loudspeaker at 48 kHz, both int16 mono."""

    def __init__(
        self,
        sample_rate: int,
        *,
        echo_cancellation: bool,
        noise_suppression: bool,
        auto_gain: bool,
    ) -> None:
        """Load the native client. Raises ImportError where there is none for this machine."""
        self._rate = sample_rate
        self._frame = 2 * sample_rate * FRAME_MS // 1000
        self._cancels = echo_cancellation
        self._far_end = FarEnd(2 * FAR_RATE * FRAME_MS // 1000, FRAME_MS / 1000)
        self._module = rtc.AudioProcessingModule(
            echo_cancellation=echo_cancellation,
            noise_suppression=noise_suppression,
            auto_gain_control=auto_gain,
        )

    def played(self, pcm: bytes) -> None:
        """The loudspeaker has taken this. May be called in its thread."""
        if self._cancels:
            self._far_end.played(pcm)

    def captured(self, pcm: bytes, delay_s: float = 0.0) -> bytes:
        """A block of the microphone, made clean; as long as it was.

        ``delay_s``: from a sample's being taken by the loudspeaker until its echo is here, as the
        devices tell. It helps the canceller in its first second; later it knows better.

        Raises ValueError when it is no whole number of 10 ms.
        """
        if len(pcm) % self._frame:
            raise ValueError(f"{len(pcm)} bytes are no whole number of {FRAME_MS} ms")
        delay_ms = max(0, min(round(delay_s * 1000), MAX_DELAY_MS))
        clean = bytearray()
        for begin in range(0, len(pcm), self._frame):
            clean += self._clean(pcm[begin : begin + self._frame], delay_ms)
        return bytes(clean)

    def pause(self) -> None:
        """This block is of no interest to anyone."""
        self._far_end.forget()

    def _clean(self, pcm: bytes, delay_ms: int) -> bytearray:
        if self._cancels:
            for far in self._far_end.before_next():
                self._module.process_reverse_stream(_as_frame(bytearray(far), FAR_RATE))
            self._module.set_stream_delay_ms(delay_ms)
        near = bytearray(pcm)
        self._module.process_stream(_as_frame(near, self._rate))
        return near


def _as_frame(samples: bytearray, rate: int) -> rtc.AudioFrame:
    """Over this memory, not a copy: the module works in place."""
    return rtc.AudioFrame(samples, rate, 1, len(samples) // 2)

"""The room's end of the speaker lane: the agent's voice to the audio process. Never waits."""

from collections.abc import Callable

from actors.messages import Hush, Message, Spoken

QUEUE = 25
"""Frames of 20 ms: half a second of a stalled audio process; older speech is of no use."""


class SpeakerLane:
    """``send`` hands a message to the socket and says whether it was taken."""

    def __init__(self, send: Callable[[Message], bool]) -> None:
        self._send = send
        self._sequence = 0
        self._track = ""
        self._state = ""
        self.dropped = 0
        """Frames that audio did not take."""

    def spoken(self, sample_rate: int, pcm: bytes) -> None:
        """Play this after what came before. The sequence counts dropped frames too."""
        self._sequence += 1
        self.dropped += not self._send(Spoken(self._sequence, sample_rate, pcm))

    def voice(self, track: str) -> None:
        """Sid of the track with the agent's voice; empty: there is none any more.

        When the voice that spoke is gone, what it left unplayed is thrown away.
        """
        if self._track and track != self._track:
            self._send(Hush())
        self._track = track

    def state(self, state: str) -> None:
        """The agent's own, empty: none. It says ``listening`` after an interruption, and also
        after a finished sentence, whose last 100 to 200 ms are then still on their way here: audio
        knows whether somebody has spoken.
        """
        if self._state == "speaking" and state != "speaking":
            self._send(Hush(interrupted=True))
        self._state = state

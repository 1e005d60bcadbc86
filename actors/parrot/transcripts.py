"""Transcripts as text streams, the way livekit-agents 1.8 sends them. Pure.

Of the user: a new stream with the whole text for every interim result, in the user's name, and for
the final one two: not yet final, then final. Of the agent: one stream of parts for each segment,
whose trailer says that it is final.
"""

import secrets
from collections.abc import Callable

from actors.messages import PracticeText

TOPIC = "lk.transcription"
SEGMENT = "lk.segment_id"
FINAL = "lk.transcription_final"
TRACK = "lk.transcribed_track_id"

NewId = Callable[[str], str]
"""A new random id with a prefix."""


def new_id(prefix: str) -> str:
    """As LiveKit's: a prefix for the kind, and random letters."""
    return f"{prefix}{secrets.token_hex(6)}"


class UserTranscript:
    """Of one user, segment after segment."""

    def __init__(self, identity: str, ids: NewId = new_id) -> None:
        self._identity = identity
        self._ids = ids
        self._segment = ""

    def interim(self, text: str, track: str) -> PracticeText:
        """What is understood so far."""
        self._segment = self._segment or self._ids("SG_")
        return self._stream(text, track, final=False)

    def final(self, text: str, track: str) -> list[PracticeText]:
        """What was understood in the end."""
        streams = [self.interim(text, track), self._stream(text, track, final=True)]
        self._segment = ""
        return streams

    def _stream(self, text: str, track: str, *, final: bool) -> PracticeText:
        attributes = {FINAL: "true" if final else "false", TRACK: track, SEGMENT: self._segment}
        return PracticeText(self._ids("TS_"), TOPIC, self._identity, attributes, text, ended=True)


class AgentTranscript:
    """Of one segment of the agent's speech."""

    def __init__(self, identity: str, track: str, ids: NewId = new_id) -> None:
        self._identity = identity
        self._stream = ids("TS_")
        self._attributes = {FINAL: "false", TRACK: track, SEGMENT: ids("SG_")}
        self.text = ""
        """Said so far."""

    def part(self, text: str) -> PracticeText:
        """Said just now."""
        self.text += text
        return PracticeText(
            self._stream, TOPIC, self._identity, self._attributes, text, ended=False
        )

    def close(self) -> list[PracticeText]:
        """All is said, or it was interrupted. Nothing, if nothing was said."""
        if not self.text:
            return []
        attributes = {**self._attributes, FINAL: "true"}
        return [PracticeText(self._stream, TOPIC, self._identity, attributes, "", ended=True)]

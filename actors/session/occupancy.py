"""Whether the last conversation's room may be the next one's: only where it has a name of the
operator's. Pure.

A server that was not told of a leave takes whoever is gone for lost, and livekit-agents wait for
those, with all that was said: under the same identity the next visitor would be the last one.
"""

import msgspec

from actors.messages import RoomState

CLOSED_S = 600.0
"""By then a server has closed a room whose last participant was lost; LiveKit's waits about 20 s
for each of the two.
"""

_NOWHERE = RoomState("", "disconnected")


class Occupied(msgspec.Struct, frozen=True):
    """A room that was joined and, as far as is known, not left."""

    conversation: str
    room_name: str
    at: float
    """Unix seconds: by then it still was."""


class Occupancy:
    """``occupied``: as a process before this one has left it."""

    def __init__(self, occupied: Occupied | None = None) -> None:
        self.occupied = occupied
        self._room = _NOWHERE

    def room_changed(self, room: RoomState, now: float) -> None:
        """A snapshot of the room; Unix seconds."""
        self._room = room
        if self.is_noticed:
            self.occupied = Occupied(room.conversation, room.room_name, now)
        elif room.ended == "closed":
            self.occupied = None

    def room_went(self) -> None:
        """The room's process has died."""
        self._room = _NOWHERE

    @property
    def is_noticed(self) -> bool:
        """A leave is noticed by all who are there, and at once: the connection stands, and we have
        published something.
        """
        return self._room.connection_state == "connected" and self._room.microphone_sid != ""

    def stands(self, conversation: str) -> bool:
        """It is connected for that conversation."""
        return (self._room.conversation, self._room.connection_state) == (conversation, "connected")

    def of_another(self, conversation: str, room_name: str, now: float) -> Occupied | None:
        """Another conversation's, which this one must not go into as it is; ``now``: Unix
        seconds.
        """
        found = self.occupied
        if found is None or found.conversation == conversation or found.room_name != room_name:
            return None
        return found if now - found.at < CLOSED_S else None

"""An agent that does not come, or was lost, is called again: into another room. Pure.

A server calls an agent into a room when the room is made, and not again: one that had no worker at
that moment (it came back sooner than they did), or whose agent has died, stays without. So the
terminal moves to a new room, for ever, ever more rarely. What was said meanwhile goes along on the
tape.
"""

from .effects import Effect, Join, Stay

GRACE_S = 5.0
"""For one that may come back by itself: it has lost the same server that we had lost."""
MAX_S = 300.0
"""A worker that was gone for a night is met within so many seconds of its return."""


class Redispatch:
    """Of one session. ``wanted`` False: it never asks for a move."""

    def __init__(self, *, wanted: bool) -> None:
        self.is_wanted = wanted
        self._attempts = 0
        self.is_moving = False
        """A move was asked for, and the new room does not stand yet."""
        self._has_departed = False
        self.is_held = False
        """The room was lost before it was left, and is to stand again first."""

    def call(self, chance: float) -> list[Effect]:
        """There is no agent; ``chance``: 0 to 1, takes up to half of the delay away."""
        if not self.is_wanted or (self.is_moving and not self.is_held):
            return []
        full = GRACE_S if self.is_held else min(GRACE_S * 2.0 ** min(self._attempts, 16), MAX_S)
        self._attempts += not self.is_held
        self.is_moving, self._has_departed, self.is_held = True, False, False
        return [Join(full * (1.0 - 0.5 * chance), elsewhere=True)]

    def joins_elsewhere(self) -> bool:
        """A join is to be made now; whether it is that of the new room. Before the delay is over it
        is not: an agent that has lost the same server as we is not back yet.
        """
        self.is_held = self.is_moving and not self._has_departed
        return self.is_moving and not self.is_held

    def departed(self) -> None:
        """The delay of a join is over; if it is a move, the room is being left."""
        self._has_departed = self.is_moving and not self.is_held

    def arrived(self) -> bool:
        """A connection stands that did not; whether it is that of the new room."""
        has_arrived = self.is_moving and self._has_departed
        self.is_moving = self.is_moving and not has_arrived
        return has_arrived

    def failed(self) -> None:
        """It has come to nothing, and we are where we were."""
        self.is_moving = self.is_held = False

    def agent_is_there(self) -> list[Effect]:
        """Where we are: no need to go, if we have not gone."""
        if not self.is_moving or self._has_departed:
            return []
        self.is_moving = self.is_held = False
        return [Stay()]

    def agent_takes_part(self) -> None:
        """The next call is the first again."""
        self._attempts = 0

    def end(self) -> None:
        """The session has ended."""
        self.is_moving = self.is_held = False
        self._attempts = 0

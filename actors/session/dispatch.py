"""An agent that does not come, or was lost, is called again: into another room. Pure.

A server calls an agent into a room when the room is made, and not again: one that had no worker at
that moment (it came back sooner than they did), or whose agent has died, stays without. So the
terminal moves to a new room, for ever, ever more rarely. What was said meanwhile goes along on the
tape.
"""

from typing import Literal

from .effects import Effect, Join, Stay

GRACE_S = 5.0
"""For one that may come back by itself: it has lost the same server that we had lost."""
MAX_S = 300.0
"""A worker that was gone for a night is met within so many seconds of its return."""


Move = Literal["none", "waits", "held", "departed"]
"""What has become of a move: its delay runs; the room was lost before it was left, and is to stand
again first; or it is being left, and the new one does not stand yet.
"""


class Redispatch:
    """Of one session. ``wanted`` False: it never asks for a move."""

    def __init__(self, *, wanted: bool) -> None:
        self.is_wanted = wanted
        self._attempts = 0
        self._move: Move = "none"

    @property
    def is_moving(self) -> bool:
        """A move was asked for, and the new room does not stand yet."""
        return self._move != "none"

    @property
    def is_held(self) -> bool:
        """It is not to be made before the room that was stands again, without an agent."""
        return self._move == "held"

    @property
    def has_departed(self) -> bool:
        """Whether what is joined is the new room."""
        return self._move == "departed"

    def call(self, chance: float) -> list[Effect]:
        """There is no agent; ``chance``: 0 to 1, takes up to half of the delay away."""
        if not self.is_wanted or self._move in ("waits", "departed"):
            return []
        full = GRACE_S
        if not self.is_held:
            full = min(GRACE_S * 2.0 ** min(self._attempts, 16), MAX_S)
            self._attempts += 1
        self._move = "waits"
        return [Join(full * (1.0 - 0.5 * chance), elsewhere=True)]

    def joins(self) -> None:
        """A join takes the place of a move whose delay is not over: an agent that has lost the same
        server as we is not back yet.
        """
        if self._move == "waits":
            self._move = "held"

    def departed(self) -> None:
        """The delay of a join is over; if it is a move, the room is being left."""
        if self._move == "waits":
            self._move = "departed"

    def arrived(self) -> bool:
        """A connection stands that did not; whether it is that of the new room."""
        has_arrived = self.has_departed
        if has_arrived:
            self._move = "none"
        return has_arrived

    def failed(self) -> None:
        """It has come to nothing, and we are where we were."""
        self._move = "none"

    def agent_is_there(self) -> list[Effect]:
        """Where we are: no need to go, if we have not gone."""
        if self._move in ("none", "departed"):
            return []
        self._move = "none"
        return [Stay()]

    def agent_takes_part(self) -> None:
        """The next call is the first again."""
        self._attempts = 0

    def end(self) -> None:
        """The session has ended."""
        self._move = "none"
        self._attempts = 0

"""When an agent is to be asked what was said while the room was away. Pure."""

from actors.messages import AgentState

_TALKS = ("listening", "thinking", "speaking")


class Absence:
    """Of one conversation. An agent is asked twice: once it is met again, and when what it was
    saying or hearing just then has been said: only then it remembers that.
    """

    def __init__(self) -> None:
        self._asks = 0
        self._state: AgentState | None = None
        self.since = 0.0
        """Unix seconds: what was said before was heard."""

    def begins(self, now: float) -> None:
        """The room is away; said as often as one likes."""
        if not self._asks:
            self.since = now
        self._asks = 2
        self._state = None

    def over(self) -> None:
        """There is nobody to ask any more."""
        self._asks = 0

    def meets(self, state: AgentState | None) -> bool:
        """The agent's state, None without one; whether it is to be asked now."""
        before, self._state = self._state, state
        if state not in _TALKS or not self._asks:
            return False
        if self._asks == 1 and not (state == "listening" and before in ("thinking", "speaking")):
            return False
        self._asks -= 1
        return True

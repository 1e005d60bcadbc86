"""When a conversation is over by itself: nobody speaks, the agent has left, it has lasted long
enough. Pure: told the time, in seconds that only grow.
"""

from dataclasses import dataclass

from actors.messages import AgentView
from actors.settings.model import Session

NEVER = float("inf")


@dataclass(frozen=True)
class Limits:
    """Seconds; infinite: without."""

    silence_s: float = NEVER
    lasts_s: float = NEVER
    agent_leaves: bool = False
    kept_s: float = NEVER
    """What was said to a room that is away is on the tape for so long."""

    @classmethod
    def of(cls, session: Session, kept_s: float) -> "Limits":
        """As the config says."""
        silence, lasts = session.end_after_silence, session.end_after
        return cls(
            NEVER if silence == "off" else silence,
            NEVER if lasts == "off" else lasts,
            session.end_when_agent_leaves,
            kept_s,
        )


class Ending:
    """Of one conversation after the other."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._conversation = ""
        self.began_at = 0.0
        """When the one that is on has begun."""
        self._active_at = 0.0
        self._busy = self._left = False
        self._away_at: float | None = None

    def began(self, conversation: str, at: float, now: float) -> None:
        """One is on, since ``at``. Does nothing when it is known."""
        if conversation != self._conversation:
            self._conversation, self.began_at, self._active_at = conversation, at, now
            self._busy = self._left = False
            self._away_at = None

    def spoken(self, now: float) -> None:
        """Somebody here has said something, or written it."""
        self._active_at = now

    def sounded(self, now: float) -> None:
        """Somebody here has said something, to tell by the level. There is always noise somewhere:
        this counts only while nothing better tells, because the room is away.
        """
        if self._away_at is not None:
            self._active_at = now

    def agent(self, agent: AgentView, now: float, *, away: bool = False) -> None:
        """How it is: while it is called, thinks or speaks it is not silent. ``away``: how it was
        last seen, because the connection that stood is lost.
        """
        busy = not away and (agent.is_pending or agent.state in ("thinking", "speaking"))
        if busy or self._busy:
            self._active_at = now
        self._busy, self._left = busy, agent.error == "left"
        if not away:
            self._away_at = None
        elif self._away_at is None:
            self._away_at = now

    def due(self, now: float) -> tuple[str, float]:
        """Why it is over now (empty: it is not), and in how many seconds to ask again."""
        limits = self._limits
        if limits.agent_leaves and self._left:
            return "the agent has left", 0.0
        if (lasts := self.began_at + limits.lasts_s - now) <= 0:
            return f"it has lasted {limits.lasts_s:g} s", 0.0
        silent = NEVER if self._busy else self._active_at + limits.silence_s - now
        if silent <= 0:
            return f"nobody has spoken for {limits.silence_s:g} s", 0.0
        lost = NEVER
        if self._away_at is not None:
            patience_s = max(limits.silence_s, limits.kept_s)
            if (lost := self._away_at + patience_s - now) <= 0:
                return f"the room has been away for {patience_s:g} s", 0.0
        return "", min(lasts, silent, lost)

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

    @classmethod
    def of(cls, session: Session) -> "Limits":
        """As the config says."""
        silence, lasts = session.end_after_silence, session.end_after
        return cls(
            NEVER if silence == "off" else silence,
            NEVER if lasts == "off" else lasts,
            session.end_when_agent_leaves,
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

    def began(self, conversation: str, at: float, now: float) -> None:
        """One is on, since ``at``. Does nothing when it is known."""
        if conversation != self._conversation:
            self._conversation, self.began_at, self._active_at = conversation, at, now
            self._busy = self._left = False

    def spoken(self, now: float) -> None:
        """Somebody here has said something, or written it."""
        self._active_at = now

    def agent(self, agent: AgentView, now: float) -> None:
        """How it is: while it is called, thinks or speaks it is not silent."""
        busy = agent.is_pending or agent.state in ("thinking", "speaking")
        if busy or self._busy:
            self._active_at = now
        self._busy, self._left = busy, agent.error == "left"

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
        return "", min(lasts, silent)

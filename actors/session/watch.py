"""Whether the agent came in time and is still there. Pure."""

from actors.messages import AgentError, Participant

from .agent import find_agent, is_conversing
from .effects import ArmTimer, CancelTimer, Effect


class AgentWatch:
    """Of one session. ``timeout_s`` None: the agent is waited for without end."""

    def __init__(
        self,
        timeout_s: float | None,
        *,
        had_agent: bool = False,
        is_waiting: bool = False,
        failure: AgentError | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self.had_agent = had_agent
        self.is_waiting = is_waiting
        """Its time is running."""
        self.failure = failure
        """Stays until an agent is there again, or one that was slow takes part after all."""

    def expect(self, participants: tuple[Participant, ...]) -> list[Effect]:
        """The connection stands for the first time: from now on the agent's time runs."""
        if self._timeout_s is None or is_conversing(find_agent(participants)):
            return []
        self.is_waiting = True
        return [ArmTimer(self._timeout_s)]

    def look(self, participants: tuple[Participant, ...]) -> list[Effect]:
        """The participants, as they are while the connection stands."""
        agent, had_agent = find_agent(participants), self.had_agent
        self.had_agent = agent is not None
        if agent is None:
            if not had_agent:
                return []
            self.failure = self.failure or "left"
            return self.stop_waiting()
        if is_conversing(agent):
            self.failure = None
            return self.stop_waiting()
        if not had_agent:
            self.failure = None
        return []

    def timed_out(self, participants: tuple[Participant, ...]) -> bool:
        """The timer has fired; whether the agent has failed by that."""
        was_waiting, self.is_waiting = self.is_waiting, False
        if not was_waiting or is_conversing(find_agent(participants)):
            return False
        self.failure = self.failure or "timeout"
        return True

    def stop_waiting(self) -> list[Effect]:
        """The timer is not needed any more."""
        was_waiting, self.is_waiting = self.is_waiting, False
        return [CancelTimer()] if was_waiting else []

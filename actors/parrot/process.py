"""The parrot's process: its option, and the lane."""

from actors.runtime.actor import Actor
from actors.runtime.errors import StartError

from .agent import Agent
from .lane import PracticeLane
from .server import Server

AGENT_DELAY_S = 0.3
"""Until the agent comes; a real one takes about as long when its worker is idle."""
LONGEST_DELAY_S = 3600.0


class Parrot(Actor):
    """Binds the practice lane; plays the server and, in every room, the agent.

    Option ``agent_delay_s``: seconds from the first join of a room until its agent comes.
    """

    async def on_start(self) -> None:
        """Check the option, open the lane."""
        delay = self._delay()
        server = Server(lambda user, now: Agent(user, now + delay))
        self._lane = PracticeLane(self.bus, server, self.name)

    def _delay(self) -> float:
        delay = self.options.get("agent_delay_s", AGENT_DELAY_S)
        if not _is_delay(delay):
            raise StartError(
                "the parrot's agent_delay_s is not a number of seconds",
                f"set it to a number from 0 to {LONGEST_DELAY_S:g} under [actors.parrot] options",
            )
        if unknown := set(self.options) - {"agent_delay_s"}:
            raise StartError(
                f"the parrot has no option {min(unknown)!r}", "its only one is agent_delay_s"
            )
        return float(delay)

    async def on_stop(self) -> None:
        """Also after a start that failed."""
        if (lane := getattr(self, "_lane", None)) is not None:
            lane.close()

    def health(self) -> str:
        """Messages that a client did not take, if any."""
        refused = self._lane.refused
        return "ok" if not refused else f"{refused} messages to slow clients lost"


def _is_delay(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= float(value) <= LONGEST_DELAY_S  # type: ignore[arg-type]

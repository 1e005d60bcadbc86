"""The parrot's process: its options, and the lane."""

import os
import time

from actors.runtime.actor import Actor
from actors.runtime.errors import StartError

from .agent import Agent
from .lane import PracticeLane
from .server import Server
from .vad import Samples

AGENT_DELAY_S = 0.3
"""Until the agent comes; a real one takes about as long when its worker is idle."""
LONGEST_DELAY_S = 3600.0


class Parrot(Actor):
    """Binds the practice lane; plays the server and, in every room, the agent.

    Option ``agent_delay_s``: seconds from the first join of a room until its agent comes.
    Option ``hears``: path of a file to which all that agents hear is appended, 16-bit mono at
    48 kHz without a header (96 kB a second, without an end): how a drill finds out what was lost.
    """

    async def on_start(self) -> None:
        """Check the options, open the lane."""
        self._ear = -1
        delay = self._delay()
        if unknown := set(self.options) - {"agent_delay_s", "hears"}:
            raise StartError(
                f"the parrot has no option {min(unknown)!r}", "it has agent_delay_s and hears"
            )
        if (path := self.options.get("hears", "")) != "":
            self._ear = _open_ear(path)
        server = Server(lambda user, now: Agent(user, now + delay, on_heard=self._heard))
        self._lane = PracticeLane(self.bus, server, self.name)

    def _delay(self) -> float:
        delay = self.options.get("agent_delay_s", AGENT_DELAY_S)
        if not _is_delay(delay):
            raise StartError(
                "the parrot's agent_delay_s is not a number of seconds",
                f"set it to a number from 0 to {LONGEST_DELAY_S:g} under [actors.parrot] options",
            )
        return float(delay)

    def _heard(self, samples: Samples) -> None:
        """Written at once: what was said to have come is in the file when this process dies."""
        if self._ear >= 0:
            os.write(self._ear, samples.astype("<i2").tobytes())

    async def on_stop(self) -> None:
        """Also after a start that failed."""
        if (lane := getattr(self, "_lane", None)) is not None:
            lane.close()
        if self._ear >= 0:
            os.close(self._ear)

    def health(self) -> str:
        """Messages that a client did not take lately, if any."""
        lost = self._lane.losses.recent(time.monotonic())
        return "ok" if not lost else f"{lost} messages to slow clients lost"

    def quiet(self) -> bool:
        """There is nobody to talk with."""
        return self._lane.is_idle


def _is_delay(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= float(value) <= LONGEST_DELAY_S  # type: ignore[arg-type]


def _open_ear(path: object) -> int:
    try:
        return os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(
            f"what the parrot hears cannot be written: {error.strerror}",
            "hears under [actors.parrot] options is the path of a file",
        ) from error

"""A drill from its first word to its report."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .judge import Report
from .mail import Correspondent
from .plan import Blow, Step
from .speaking import NotRecovered, SpeakingTerminal
from .wishes import UnknownFault

GROWTH_FROM_S = 120.0
"""A shorter drill tells nothing of a leak: processes are still growing up."""


@dataclass
class Drill:
    """``terminal``: running, in a conversation. ``steps``: what is to be done. ``seconds``: after
    so many the drill ends; None: with the last step.
    """

    terminal: SpeakingTerminal
    steps: Iterator[Step]
    seconds: float | None
    tell: Callable[[str], None]
    """Called with a line of progress."""
    not_done: dict[str, str] = field(default_factory=dict)

    def run(self) -> Report:
        """Do it all; raises ``LaunchFailed`` when the terminal has ended over it."""
        with Correspondent(self.terminal.mailbox):
            try:
                self._hurt()
            except KeyboardInterrupt:
                self.tell("ended before its time")
        if (self.seconds or 0.0) < GROWTH_FROM_S:
            self.terminal.looks.of.clear()
        self.tell("waiting until the agent has heard everything")
        return self.terminal.report(self.not_done)

    def _hurt(self) -> None:
        end = None if self.seconds is None else time.monotonic() + self.seconds
        for step in self.steps:
            if end is not None and time.monotonic() + step.after_s > end:
                break
            self.terminal.speak_for(step.after_s)
            self.terminal.look()
            self._strike(step.blow)

    def _strike(self, blow: Blow) -> None:
        try:
            struck = self.terminal.hurt(blow.fault, blow.target)
        except OSError as error:
            self._is_not_done(blow, error.strerror or str(error))
        except UnknownFault as unknown:  # any more
            self._is_not_done(blow, unknown.reason)
        except NotRecovered as failure:
            self.tell(f"not recovered: {failure}")
        else:
            self.tell(f"{blow} recovered in {struck.recovery_s:.2f} s")

    def _is_not_done(self, blow: Blow, why: str) -> None:
        self.not_done[str(blow)] = why
        self.tell(f"{blow} not done: {why}")

"""When a demo without an operator is over. Pure; times are seconds of one monotonic clock."""

from dataclasses import dataclass

QUIET_S = 2.5
"""Without a word from either side: longer than the parrot takes to think."""
_PATIENCE_S = 30.0
"""After the last of the file, for an agent that does not come to an end."""


@dataclass
class Ending:
    """``speech_ends``: when the file has been spoken; None: there is none."""

    speech_ends: float | None
    seconds_end: float | None = None
    """When the operator's ``--seconds`` are over."""
    last_word: float = 0.0
    """When anything was last said or written."""

    def due(self, now: float, *, busy: bool) -> bool:
        """Is it over? ``busy``: somebody is in the middle of something."""
        if self.seconds_end is not None:
            return now >= self.seconds_end
        if self.speech_ends is None:
            return False
        if now >= self.speech_ends + _PATIENCE_S:
            return True
        return not busy and now >= max(self.speech_ends, self.last_word) + QUIET_S

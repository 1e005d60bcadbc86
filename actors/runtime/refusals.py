"""Deliveries that an actor does not take just now, told once as long as that lasts. Pure."""

from dataclasses import dataclass

from .losses import TOLD_FOR_S


@dataclass
class _Refused:
    code: str
    reason: str
    times: int
    last_at: float


class Refusals:
    """By sender: each repeats what was refused, and waits with all that comes after it. One that
    does not repeat it is gone. Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._refused: dict[str, _Refused] = {}

    def note(self, sender: str, code: str, reason: str, now: float) -> bool:
        """A delivery is refused; whether that, or why, is news."""
        refused = self._refused.get(sender)
        is_news = refused is None or (refused.code, refused.reason) != (code, reason)
        times = 0 if refused is None else refused.times
        self._refused[sender] = _Refused(code, reason, times + 1, now)
        return is_news

    def over(self, sender: str) -> int:
        """A delivery is handled, or its sender has died; how many were refused until then."""
        refused = self._refused.pop(sender, None)
        return 0 if refused is None else refused.times

    def trouble(self, now: float) -> str:
        """In a few words; empty: there is none."""
        for sender, refused in list(self._refused.items()):
            if now - refused.last_at <= TOLD_FOR_S:
                return f"refuses what {sender} delivers: {refused.reason}"
            del self._refused[sender]
        return ""

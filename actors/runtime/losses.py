"""Messages that nobody took, as health tells them: while it goes on, not for ever. Pure."""

TOLD_FOR_S = 60.0
"""After the last of them all is well again."""


class Losses:
    """Times are monotonic seconds."""

    def __init__(self) -> None:
        self.total = 0
        """Since the start."""
        self._before = 0
        """Of those, lost in times that are over."""
        self._last_at = 0.0

    def note(self, now: float) -> None:
        """One is lost."""
        if self._is_over(now):
            self._before = self.total
        self.total += 1
        self._last_at = now

    def recent(self, now: float) -> int:
        """How many there were in a row without a quiet minute, up to now."""
        return 0 if self._is_over(now) else self.total - self._before

    def _is_over(self, now: float) -> bool:
        return now - self._last_at > TOLD_FOR_S

"""Errors of the runtime, by who must act."""

from actors.messages import Failed


class OrderFailed(Exception):
    """An order could not be carried out.

    Raise it in ``on_message`` to answer an ask with ``Failed`` and go on; it is raised to whoever
    asked. ``code`` is for programs, ``reason`` and ``remedy`` are sentences for people (no
    secrets, nothing personal). ``in_doubt``: it may have been carried out all the same, or may
    still be; else it was not and never will be.
    """

    def __init__(self, code: str, reason: str, remedy: str = "", *, in_doubt: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.remedy = remedy
        self.in_doubt = in_doubt

    @property
    def sentence(self) -> str:
        """The reason, for people, who must not take for undone what may have been done."""
        return self.reason + ("; it may have been done all the same" if self.in_doubt else "")

    @staticmethod
    def told(failed: Failed) -> "OrderFailed":
        """What somebody has answered."""
        return OrderFailed(failed.code, failed.reason, failed.remedy, in_doubt=failed.in_doubt)

    def answer(self) -> Failed:
        """As it is told to whoever asked."""
        return Failed(self.code, self.reason, self.remedy, self.in_doubt)


class NoAnswer(OrderFailed):
    """The asked actor did not answer before the deadline."""

    def __init__(self, to: str, timeout_s: float) -> None:
        super().__init__("no-answer", f"{to} did not answer within {timeout_s:g} s", in_doubt=True)


class Unreachable(OrderFailed):
    """The asked actor is not there, or (``in_doubt``) died before it answered."""

    def __init__(self, to: str, *, in_doubt: bool = False) -> None:
        super().__init__(
            "unreachable",
            f"{to} is not running",
            "callpoint status shows what is; an actor that crashed is back in a moment",
            in_doubt=in_doubt,
        )


class Overloaded(OrderFailed):
    """A queue on the way is full."""

    def __init__(self, to: str) -> None:
        super().__init__("overloaded", f"the queue to {to} is full", "try again in a moment")


class StartError(Exception):
    """Raise it in ``on_start`` when the operator has to act; no traceback is shown for it."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy

"""Errors of the runtime, by who must act."""


class OrderFailed(Exception):
    """An order could not be carried out.

    Raise it in ``on_message`` to answer an ask with ``Failed`` and go on; it is raised to whoever
    asked. ``code`` is for programs, ``reason`` and ``remedy`` are sentences for people (no
    secrets, nothing personal).
    """

    def __init__(self, code: str, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.remedy = remedy


class NoAnswer(OrderFailed):
    """The asked actor did not answer before the deadline."""

    def __init__(self, to: str, timeout_s: float) -> None:
        super().__init__("no-answer", f"{to} did not answer within {timeout_s:g} s")


class Unreachable(OrderFailed):
    """The asked actor is not there, or died before it answered."""

    def __init__(self, to: str) -> None:
        super().__init__(
            "unreachable",
            f"{to} is not running",
            "callpoint status shows what is; an actor that crashed is back in a moment",
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

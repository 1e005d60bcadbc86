"""What others see of the session: its state, once for all changes of one turn of the loop."""

import asyncio
from collections.abc import Callable

from actors.messages import SessionState


class Showing:
    """``state`` makes it, ``publish`` tells it; made in the loop it is used in."""

    def __init__(
        self, state: Callable[[], SessionState], publish: Callable[[SessionState], None]
    ) -> None:
        self._state = state
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._is_due = self._is_held = False
        self._said: SessionState | None = None

    def hold(self, at_most_s: float) -> None:
        """Nothing yet: a new process is about to be told by the room how things stand."""
        self._is_held = True
        self._loop.call_later(at_most_s, self._let_go)

    def release(self) -> None:
        """It has been told."""
        self._is_held = False

    def soon(self) -> None:
        """Something has changed."""
        if not (self._is_due or self._is_held):
            self._is_due = True
            self._loop.call_soon(self._show)

    def _let_go(self) -> None:
        self.release()
        self.soon()

    def _show(self) -> None:
        self._is_due = False
        if (state := self._state()) != self._said:
            self._said = state
            self._publish(state)

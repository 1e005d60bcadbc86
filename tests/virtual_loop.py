"""An event loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its seconds are those of the test. It sees no signals and no other threads."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Virtual seconds."""
        return self.now


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen any more")
        self._loop.now += max(0.0, timeout)
        return super().select(0)


@contextmanager
def virtual_loop() -> Iterator[VirtualLoop]:
    """A loop of one's own, closed afterwards."""
    loop = VirtualLoop()
    try:
        yield loop
    finally:
        loop.close()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run it in virtual time."""
    with virtual_loop() as loop:
        loop.run_until_complete(scenario)

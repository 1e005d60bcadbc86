"""Tokens from programs that are attached to the terminal."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from actors.messages import GetStatus, Message, TokenOptions, TokenResponse
from actors.runtime.errors import NoAnswer, OrderFailed, Unreachable

from .source import TokenError

ANSWER_S = 11.0
"""Longer than the program gives its function."""
PATIENCE_S = 5.0
"""Until a program has come (back): when this process is started again, it has to say so again."""
LOOK_S = 1.0
"""How often it is looked whether a program that has not answered is still there."""
MAX_PROGRAMS = 16

Ask = Callable[[str, Message, float], Awaitable[Message]]
"""As of an actor."""


class ProgramTokens:
    """Asks the program that came last; one that is gone is forgotten, and the one before it asked.
    One that is there and fails is not passed over: it is the one that was meant.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._programs: dict[str, None] = {}
        self._came = asyncio.Event()

    def add(self, program: str) -> None:
        """It gives tokens from now on."""
        self._programs.pop(program, None)
        self._programs[program] = None
        while len(self._programs) > MAX_PROGRAMS:
            del self._programs[next(iter(self._programs))]
        self._came.set()

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        """Ask; raises :class:`TokenError`."""
        give_up = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            program = await self._newest(give_up)
            try:
                answer = await self._unless_gone(program, request)
            except Unreachable:
                self._programs.pop(program, None)
                continue
            except NoAnswer:
                raise TokenError(
                    f"the program that gives tokens did not answer within {ANSWER_S:g} s"
                ) from None
            except OrderFailed as failed:
                raise TokenError(failed.reason) from None
            if not isinstance(answer, TokenResponse):
                raise TokenError("the program that gives tokens gave something else")
            return answer

    async def _newest(self, give_up: float) -> str:
        while not self._programs:
            self._came.clear()
            try:
                async with asyncio.timeout_at(give_up):
                    await self._came.wait()
            except TimeoutError:
                raise TokenError("no program is there that gives tokens") from None
        return next(reversed(self._programs))

    async def _unless_gone(self, program: str, request: TokenOptions) -> Message:
        """Its answer. Nobody tells of a program's death, so it is asked for it meanwhile."""
        answer = asyncio.ensure_future(self._ask(program, request, ANSWER_S))
        try:
            while not (await asyncio.wait({answer}, timeout=LOOK_S))[0]:
                with contextlib.suppress(NoAnswer):
                    await self._is_there(program)
            return answer.result()
        finally:
            answer.cancel()

    async def _is_there(self, program: str) -> None:
        """Raises ``Unreachable``, or ``NoAnswer`` of one that is busy; it takes no such order, and
        says so.
        """
        try:
            await self._ask(program, GetStatus(), LOOK_S)
        except (Unreachable, NoAnswer):
            raise
        except OrderFailed:
            return

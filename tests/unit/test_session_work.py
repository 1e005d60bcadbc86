"""The session's wishes as they are carried out, one after the other."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from actors.messages import Done, JoinRoom, Message, TokenOptions, TokenResponse
from actors.session.admission import Admission
from actors.session.cipher import Cipher
from actors.session.effects import Effect, Join, Stay
from actors.session.machine import Machine
from actors.session.work import Work
from actors.settings import Settings

pytestmark = pytest.mark.unit


class Scripted:
    """A session process that notes what is asked, and a token source."""

    settings = Settings()

    def __init__(self) -> None:
        self.machine = Machine(pre_connect_audio=False, timeout_s=None)
        self.machine.start("c1")
        self.asked: list[Message] = []
        self.tasks: set[asyncio.Task[None]] = set()
        cipher = Cipher(has_key=False, enabled=False)
        self.work = Work(self, self.machine, Admission(self.settings, self, "terminal", cipher))

    async def ask(self, to: str, message: Message, timeout_s: float) -> Message:
        self.asked.append(message)
        return Done()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        return task

    def do(self, effects: list[Effect]) -> None:
        self.work.queue(effects)

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        return TokenResponse("ws://127.0.0.1:1", "token")

    async def carry_out(self, *effects: Effect) -> None:
        """All of them, and what they have begun."""
        self.work.begin()
        self.work.queue(effects)
        running = asyncio.create_task(self.work.run())
        await self.work.done()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("effects", "joins"),
    [
        ([Join()], 1),
        ([Join(elsewhere=True)], 1),
        ([Join(60.0, elsewhere=True), Stay()], 0),
        ([Join(), Stay()], 1),
        ([Join(60.0, elsewhere=True), Join()], 1),
        ([Join(60.0), Join(60.0, elsewhere=True), Stay()], 0),
    ],
    ids=["join", "move", "move and stay", "a join is kept", "join instead of move", "all at once"],
)
def test_to_stay_takes_back_a_move_whose_delay_is_not_over(
    effects: list[Effect], joins: int
) -> None:
    async def scenario() -> None:
        scripted = Scripted()
        await scripted.carry_out(*effects)
        assert [type(order) for order in scripted.asked] == [JoinRoom] * joins

    asyncio.run(scenario())

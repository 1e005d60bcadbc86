"""What all stages have in common."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from livekit import api

from actors.room.backend import OnEvent, RoomBackend
from tests.children import DEADLINE_S

from .terminal import Terminal


class Stage:
    """One room, for the time of ``async with``; everyone on it has left afterwards."""

    url = ""
    key, secret = "no-key", "a secret that nobody checks, of the usual length"

    def __init__(self) -> None:
        self.room = f"room-{uuid4()}"
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stack.aclose()

    # -- what the kinds of stages differ in ------------------------------------------------------

    def make(self, on_event: OnEvent) -> RoomBackend:
        """A backend for this room."""
        raise NotImplementedError

    async def peer(self, identity: str = "agent", kind: str = "agent") -> Any:
        """Somebody on the other side who does what the test says."""
        raise NotImplementedError

    async def kill(self) -> None:
        """SIGKILL to what plays the server."""
        raise NotImplementedError

    async def restart(self) -> None:
        """Start again what was killed."""
        raise NotImplementedError

    # -- what a test does ------------------------------------------------------------------------

    def access(
        self, identity: str, *, join: bool = True, life_s: float = 3600.0
    ) -> api.AccessToken:
        grants = api.VideoGrants(room_join=join, room=self.room)
        token = api.AccessToken(self.key, self.secret).with_identity(identity)
        return token.with_ttl(datetime.timedelta(seconds=life_s)).with_grants(grants)

    def token(self, identity: str = "terminal", **claims: Any) -> str:
        return str(self.access(identity, **claims).to_jwt())

    def stranger(self) -> Terminal:
        """A terminal that has not joined."""
        terminal = Terminal(self.make)
        self.stack.push_async_callback(_leave, terminal)
        return terminal

    async def terminal(self, identity: str = "terminal") -> Terminal:
        """A terminal in the room."""
        terminal = self.stranger()
        await terminal.backend.connect(self.url, self.token(identity))
        return terminal


async def _leave(terminal: Terminal) -> None:
    await asyncio.wait_for(terminal.backend.disconnect(), DEADLINE_S)


Scenario = Callable[[Any], Awaitable[None]]


class House:
    """Has stages of one kind; ``make_stage`` is given what a test asks of the agent."""

    def __init__(self, make_stage: Callable[..., Stage]) -> None:
        self._make_stage = make_stage

    async def perform(self, scenario: Scenario, **wanted: Any) -> None:
        async with self._make_stage(**wanted) as stage:
            await scenario(stage)

    def play(self, scenario: Scenario, **wanted: Any) -> None:
        """Run a test in a loop of its own."""
        asyncio.run(self.perform(scenario, **wanted))

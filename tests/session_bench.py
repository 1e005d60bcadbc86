"""The session as a process, with the real router and history, and scripted room and audio."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import pytest
from aiohttp import web

from actors.messages import (
    ActorDown,
    ActorUp,
    ChatMessage,
    GetMessages,
    HistoryPage,
    JoinRoom,
    ListHistory,
    Message,
    MessageChanged,
    MessagePurged,
    Messages,
    Said,
    Say,
    SessionState,
    StartSession,
)
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.settings import Settings
from tests.children import DEADLINE_S, Children
from tests.scripted import ScriptedRecorder, ScriptedRoom

T = TypeVar("T")

ROUTER = "actors.router.process:Router"
HISTORY = "actors.history.process:History"
SESSION = "actors.session.process:SessionActor"


class Bench:
    """Router, history and session as processes, scripted room and audio, and a client.

    ``starts``: the processes to begin with. ``practice_room``: the practice room and its parrot
    instead of the scripted one. Sections of the config as keywords.
    """

    def __init__(
        self,
        runtime_dir: Path,
        *,
        starts: tuple[str, ...] = ("router", "history", "session"),
        audio_is_there: bool = True,
        practice_room: bool = False,
        **config: dict[str, Any],
    ) -> None:
        plain = {
            "livekit": {"backend": "practice"},
            "history": {"path": str(runtime_dir / "history.sqlite3")},
            **config,
        }
        self.children = Children(runtime_dir, msgspec.convert(plain, Settings))
        self.runtime_dir = runtime_dir
        self.room = ScriptedRoom(runtime_dir)
        self.audio = ScriptedRecorder(runtime_dir)
        self.client = Client(
            runtime_dir,
            subscribes=(SessionState, MessageChanged, MessagePurged),
            on_message=self._on_message,
        )
        self.states: list[SessionState] = []
        self._seen = 0
        self.changes: list[MessageChanged | MessagePurged] = []
        self._starts = (*starts, "parrot", "room") if practice_room else starts
        self._practice_room = practice_room
        self._audio_is_there = audio_is_there
        self._news = asyncio.Event()
        self._targets = {
            "router": ROUTER,
            "history": HISTORY,
            "session": SESSION,
            "parrot": "actors.parrot.process:Parrot",
            "room": "actors.room.process:RoomActor",
        }
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.children)
            for name in self._starts:
                await self.children.start(name, self._targets[name])
                if name == "router":
                    await stack.enter_async_context(self.client)
                    if not self._practice_room:
                        await stack.enter_async_context(self.room)
                    if self._audio_is_there:
                        await stack.enter_async_context(self.audio)
                        self.audio.state()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _on_message(self, message: Message, _sender: str) -> None:
        if isinstance(message, SessionState):
            self.states.append(message)
        elif isinstance(message, MessageChanged | MessagePurged):
            self.changes.append(message)
        self._news.set()

    async def until(self, condition: Callable[[], T | None]) -> T:
        """Wait for a true value of ``condition``; it is tried whenever the session speaks."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                self._news.clear()
                if value := condition():
                    return value
                await self._news.wait()

    async def state(self, condition: Callable[[SessionState], object]) -> SessionState:
        """The session's last state, once it fulfils ``condition``."""
        return await self.until(
            lambda: self.states[-1] if self.states and condition(self.states[-1]) else None
        )

    async def sees(self, condition: Callable[[SessionState], object]) -> SessionState:
        """The next state not yet seen that fulfils ``condition``, be it the last or not."""

        def find() -> SessionState | None:
            for number in range(self._seen, len(self.states)):
                if condition(self.states[number]):
                    self._seen = number + 1
                    return self.states[number]
            return None

        return await self.until(find)

    # -- orders ----------------------------------------------------------------------------------

    async def ask(self, order: Message, to: str = "session") -> Message:
        return await self.client.ask(to, order, DEADLINE_S)

    def asking(self, order: Message) -> "asyncio.Task[Message]":
        """An order whose answer is waited for elsewhere."""
        return asyncio.create_task(self.ask(order))

    async def patiently(self, order: Message) -> Message:
        """As operators' programs ask: again, while nobody is there or the answer was lost."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    return await self.client.ask("session", order, 2.0)
                except OrderFailed as failed:
                    if failed.code not in ("unreachable", "no-answer", "not-connected"):
                        raise
                await asyncio.sleep(0.02)

    async def talk(self, agent: str = "listening") -> None:
        """Begin a conversation."""
        await self.ask(StartSession())
        await self.room.next(JoinRoom)
        self.room.agent(agent)
        await self.state(lambda state: state.agent.state == agent)

    async def say(self, text: str, id_: str = "") -> ChatMessage:
        said = await self.ask(Say(text, id_))
        assert isinstance(said, Said)
        return said.message

    async def listed(self) -> list[ChatMessage]:
        answer = await self.ask(GetMessages())
        assert isinstance(answer, Messages)
        return list(answer.messages)

    async def stored(self, count: int) -> list[ChatMessage]:
        """What history has, once there are so many."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with contextlib.suppress(OrderFailed):
                    page = await self.client.ask("history", ListHistory(1000), 2.0)
                    assert isinstance(page, HistoryPage)
                    if len(page.messages) >= count:
                        return list(page.messages)
                await asyncio.sleep(0.01)

    def memory(self) -> dict[str, Any]:
        """What the session has written down."""
        plain = msgspec.json.decode((self.runtime_dir / "session.json").read_bytes())
        assert isinstance(plain, dict)
        return plain

    async def settled(self) -> None:
        """Until the session has noted that history is owed nothing."""
        async with asyncio.timeout(DEADLINE_S):
            while self.memory()["owed"]:
                await asyncio.sleep(0.01)

    # -- deaths ----------------------------------------------------------------------------------

    async def kill(self, name: str) -> None:
        """SIGKILL, and what the supervisor tells the others."""
        await self.children.kill(name)
        self._tell(name, up=False)

    async def start(self, name: str) -> int:
        """Start it (again); what a former session has shown is forgotten."""
        if name == "session":
            self.states.clear()
            self._seen = 0
        pid = await self.children.start(name, self._targets[name])
        self._tell(name, up=True)
        return pid

    async def restart(self, name: str = "session") -> int:
        await self.kill(name)
        return await self.start(name)

    def _tell(self, name: str, *, up: bool) -> None:
        scripted = [each.post for each in (self.audio, self.room) if each.is_there]
        for post in (self.client.post, *scripted):
            post.peer_up(name) if up else post.peer_down(name)
        for other in ("router", "history", "session", "room"):
            if other != name and self.children.is_running(other):
                word = ActorUp(name, 1) if up else ActorDown(name, 1, "signal SIGKILL")
                self.children.send(other, word)

    def room_dies(self) -> None:
        """The scripted room is gone, and the session is told."""
        self.room.die()
        self.tell_session("room", up=False)

    async def room_is_back(self) -> None:
        """A new process of it is there, and the session is told."""
        await self.room.__aenter__()
        self.tell_session("room", up=True)

    def tell_router(self, name: str, *, up: bool) -> None:
        """The same, for attached programs."""
        word = ActorUp(name, 1) if up else ActorDown(name, 1, "signal SIGKILL")
        self.children.send("router", word)

    def tell_session(self, name: str, *, up: bool) -> None:
        """That a scripted actor has died or is back."""
        word = ActorUp(name, 1) if up else ActorDown(name, 1, "signal SIGKILL")
        self.children.send("session", word)


def texts_of(messages: list[ChatMessage]) -> list[tuple[str, str]]:
    return [(message.id, message.text) for message in messages]


async def failure_of(asked: "asyncio.Task[Message]") -> OrderFailed:
    with pytest.raises(OrderFailed) as failed:
        await asked
    return failed.value


class Endpoint:
    """A token endpoint on loopback."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.headers: list[dict[str, str]] = []
        """Of each request."""
        self.holds = asyncio.Event()
        self.holds.set()
        self.fails = 0
        """So many requests are refused."""
        self._count = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._count += 1
        number = self._count
        self.headers.append(dict(request.headers))
        self.asked.put_nowait(await request.json())
        await self.holds.wait()
        if self.fails:
            self.fails -= 1
            return web.Response(status=503)
        return web.json_response(
            {"server_url": "ws://127.0.0.1:1", "participant_token": f"token-{number}"}
        )


@contextlib.asynccontextmanager
async def token_endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/token", endpoint.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        endpoint.address = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
        yield endpoint
    finally:
        await runner.cleanup()

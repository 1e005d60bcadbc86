"""The kiosk in a real process: its page, its WebSocket, and all that may come over them."""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
import pytest

from actors.messages import (
    ActorDown,
    ActorUp,
    ChatMessage,
    DismissError,
    EndSession,
    Failed,
    KioskState,
    Message,
    Missed,
    Say,
    SetMuted,
    StartSession,
)
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.settings import Settings
from tests.children import DEADLINE_S, Children
from tests.scripted import OFF, ScriptedAudio, ScriptedSession, talking

pytestmark = pytest.mark.process

ROUTER = "actors.router.process:Router"
KIOSK = "actors.kiosk.process:Kiosk"
UUID = "0b1fd7a2-7a55-4d4c-9a7e-0242ac120002"


class Terminal:
    """Router, kiosk, and scripted session and audio; ``port`` is the page's."""

    def __init__(self, runtime_dir: Path, **kiosk: Any) -> None:
        settings = {"kiosk": {"port": 0, **kiosk}, "terminal": {"name": "Platform 4"}}
        self.children = Children(runtime_dir, msgspec.convert(settings, Settings))
        self.session = ScriptedSession(runtime_dir)
        self.audio = ScriptedAudio(runtime_dir)
        self.runtime_dir = runtime_dir
        self.states: list[KioskState] = []
        self._news = asyncio.Event()
        self._client = Client(runtime_dir, subscribes=(KioskState,), on_message=self._on_message)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.children)
            await self.children.start("router", ROUTER)
            for part in (self.session, self.audio, self._client):
                await stack.enter_async_context(part)
            self.http = await stack.enter_async_context(aiohttp.ClientSession())
            self.session.state(OFF)
            self.pid = await self.start()
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
        if isinstance(message, KioskState):
            self.states.append(message)
            self._news.set()

    async def start(self) -> int:
        self.states.clear()
        pid = await self.children.start("kiosk", KIOSK)
        state = await self.until(browsers=0)
        (port,) = re.findall(r"^http://127.0.0.1:(\d+)/$", state.address)
        self.port = int(port)
        await self.list_taken()
        return pid

    async def list_taken(self) -> None:
        """Until the kiosk has asked for the list, which it does when it meets the session, and has
        taken it: a page is then shown all anew, in place of what waits to be shown to it.
        """
        await asyncio.wait_for(self.session.lists_asked.get(), DEADLINE_S)
        await self.settle()

    async def until(self, *, browsers: int) -> KioskState:
        async with asyncio.timeout(DEADLINE_S):
            while not (self.states and self.states[-1].browsers == browsers):
                self._news.clear()
                await self._news.wait()
        return self.states[-1]

    async def settle(self) -> None:
        """Until the kiosk has handled all that was said to it so far."""
        with pytest.raises(OrderFailed):
            await self.session.post.ask("kiosk", StartSession(), DEADLINE_S)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @contextlib.asynccontextmanager
    async def page(self) -> AsyncIterator["Page"]:
        """An open page; ``snapshot`` is its first frame."""
        async with self.http.ws_connect(
            self.url("/ws"),
            origin=self.url("").rstrip("/"),
            timeout=aiohttp.ClientWSTimeout(DEADLINE_S, 2),
        ) as line:
            page = Page(line)
            page.snapshot = await page.next("snapshot")
            yield page


class Page:
    """A page's end of the WebSocket."""

    def __init__(self, line: aiohttp.ClientWebSocketResponse) -> None:
        self.line = line
        self.snapshot: dict[str, Any] = {}

    async def next(self, kind: str) -> dict[str, Any]:
        """The next frame of a type."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = json.loads(await self.line.receive_str())
                if frame["type"] == kind:
                    assert isinstance(frame, dict)
                    return frame

    async def sees_down(self, *names: str) -> None:
        """Until just these are shown as dead: in a frame of its own, or in a snapshot, which takes
        the place of the frames that wait.
        """
        async with asyncio.timeout(DEADLINE_S):
            while json.loads(await self.line.receive_str()).get("down") != list(names):
                pass

    async def order(self, kind: str, number: int, **fields: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        await self.line.send_json({"type": kind, "id": number, **fields})
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = json.loads(await self.line.receive_str())
                if frame["type"] in ("ok", "error") and frame["id"] == number:
                    assert isinstance(frame, dict)
                    return frame

    async def closed(self) -> int | None:
        """Read until the kiosk ends the line; its code."""
        async with asyncio.timeout(DEADLINE_S):
            async for _ in self.line:
                pass
        return self.line.close_code


# -- the page --------------------------------------------------------------------------------------


def test_the_page_is_served_with_its_defences(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            paths = {"/": "text/html", "/app.js": "text/javascript", "/style.css": "text/css"}
            for path, kind in paths.items():
                async with terminal.http.get(terminal.url(path)) as answer:
                    assert answer.status == 200
                    assert answer.content_type == kind
                    headers = answer.headers
                    assert "default-src 'self'" in headers["Content-Security-Policy"]
                    assert headers["X-Content-Type-Options"] == "nosniff"
                    assert headers["Cache-Control"] == "no-store"
                    assert "aiohttp" not in headers["Server"]

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/missing", "/../process.py", "/page/index.html", "/%2e%2e/x"])
def test_nothing_else_is_served(runtime_dir: Path, path: str) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            async with terminal.http.get(terminal.url(path)) as answer:
                assert answer.status == 404
                assert "nosniff" in answer.headers["X-Content-Type-Options"]
            async with terminal.http.post(terminal.url("/"), data="x") as answer:
                assert answer.status == 405

    asyncio.run(scenario())


def test_another_host_name_is_refused(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            for path in ("/", "/ws"):
                host = {"Host": f"rebound.example:{terminal.port}"}
                async with terminal.http.get(terminal.url(path), headers=host) as answer:
                    assert answer.status == 421

    asyncio.run(scenario())


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:1"])
def test_another_origin_gets_no_line(runtime_dir: Path, origin: str | None) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await terminal.http.ws_connect(terminal.url("/ws"), origin=origin)
            assert refused.value.status == 403

    asyncio.run(scenario())


def test_garbage_on_the_port_changes_nothing(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            for garbage in (b"\0\xff" * 5000, b"GET / HTTP/9\r\n\r\n", b"GET " + b"/" * 100_000):
                reader, writer = await asyncio.open_connection("127.0.0.1", terminal.port)
                writer.write(garbage)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                    if garbage.startswith(b"\0"):
                        assert b"400" in await reader.readline()
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
            async with terminal.page() as page:
                assert page.snapshot["terminal"] == "Platform 4"

    asyncio.run(scenario())


# -- snapshot, then deltas -------------------------------------------------------------------------


def test_first_a_snapshot_then_what_changes(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            session, audio = terminal.session, terminal.audio
            async with terminal.page() as page:
                assert page.snapshot["session"]["face"] == "disconnected"
                session.state(talking("listening"))
                assert (await page.next("session"))["session"]["face"] == "listening"
                session.say("1", "hel", final=False)
                assert (await page.next("message"))["message"]["text"] == "hel"
                session.say("1", "hello")
                shown = (await page.next("message"))["message"]
                assert (shown["id"], shown["text"], shown["is_final"]) == ("1", "hello", True)
                session.say("2", "x", final=False)
                session.purge("2")
                assert (await page.next("purged"))["id"] == "2"
                audio.microphone(muted=True)
                assert (await page.next("audio"))["audio"]["muted"] is True
                audio.level(-12.34, -50.0)
                level = await page.next("level")
                assert (level["input"], level["output"]) == (-12.3, -50.0)
            async with terminal.page() as page:
                assert page.snapshot["session"]["face"] == "listening"
                assert page.snapshot["audio"]["muted"] is True
                assert [message["id"] for message in page.snapshot["messages"]] == ["1"]

    asyncio.run(scenario())


def test_several_pages_see_the_same(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            async with terminal.page() as one, terminal.page() as other:
                await terminal.until(browsers=2)
                terminal.session.say("1", "hello both")
                for page in (one, other):
                    assert (await page.next("message"))["message"]["text"] == "hello both"
            await terminal.until(browsers=0)

    asyncio.run(scenario())


def test_it_may_be_replaced_quietly_only_while_nobody_looks(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            assert await terminal.children.is_quiet("kiosk")
            async with terminal.page():
                assert not await terminal.children.is_quiet("kiosk")

    asyncio.run(scenario())


def test_what_was_said_before_the_kiosk_came_is_there(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            terminal.session.say("1", "hello")
            await terminal.children.kill("kiosk")
            terminal.session.say("2", "while it was away")
            await terminal.start()
            async with terminal.page() as page:
                messages = page.snapshot["messages"]
                while len(messages) < 2:
                    messages = (await page.next("snapshot"))["messages"]
                assert [message["id"] for message in messages] == ["1", "2"]

    asyncio.run(scenario())


def test_a_session_that_restarts_is_asked_for_its_list_until_it_answers(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            terminal.children.send("kiosk", ActorDown("session", 1, "signal SIGKILL"))
            await page.sees_down("session")
            await terminal.session.__aexit__(None, None, None)
            terminal.children.send("kiosk", ActorUp("session", 2))
            await page.sees_down()
            remembered = ChatMessage("9", "user_input", "from history", 1.0)
            terminal.session.messages["9"] = remembered
            await terminal.session.__aenter__()
            snapshot = await page.next("snapshot")
            assert [message["text"] for message in snapshot["messages"]] == ["from history"]

    asyncio.run(scenario())


# -- orders ----------------------------------------------------------------------------------------


def test_orders_reach_the_session_and_are_answered_by_number(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            orders: list[tuple[str, dict[str, Any], Message]] = [
                ("start", {}, StartSession()),
                ("say", {"text": "hello", "message": UUID}, Say("hello", UUID)),
                ("mute", {"muted": True}, SetMuted(True)),
                ("dismiss", {}, DismissError()),
                ("end", {}, EndSession()),
            ]
            for number, (kind, fields, expected) in enumerate(orders):
                answer = await page.order(kind, number, **fields)
                assert answer == {"type": "ok", "id": number, "kept": False}
                assert await terminal.session.next_order() == expected

    asyncio.run(scenario())


def test_a_refusal_is_told_with_its_remedy(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            refusal = Failed("not-connected", "there is no conversation", "start one")
            terminal.session.refuse(Say, refusal)
            assert await page.order("say", 3, text="hello", message=UUID) == {
                "type": "error",
                "id": 3,
                "code": "not-connected",
                "reason": "there is no conversation",
                "remedy": "start one",
                "in_doubt": False,
            }
            doubt = Failed("sender", "the room did not answer", in_doubt=True)
            terminal.session.refuse(Say, doubt)
            answer = await page.order("say", 4, text="hello", message=UUID)
            assert answer["in_doubt"] is True
            assert "it may have been done" in answer["reason"]

    asyncio.run(scenario())


def test_an_order_under_way_does_not_hold_up_the_next(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            terminal.session.answers[StartSession] = None
            await page.line.send_json({"type": "start", "id": 1})
            assert (await page.order("end", 2))["type"] == "ok"

    asyncio.run(scenario())


def test_without_a_session_an_order_fails_and_the_page_stays(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            await terminal.session.__aexit__(None, None, None)
            answer = await page.order("start", 1)
            assert (answer["type"], answer["code"]) == ("error", "unreachable")
            await terminal.session.__aenter__()
            terminal.session.state(OFF)
            await page.next("session")
            assert (await page.order("start", 2))["type"] == "ok"

    asyncio.run(scenario())


def test_an_order_waits_for_a_session_that_is_just_coming_back(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            await terminal.session.__aexit__(None, None, None)
            await page.line.send_json({"type": "say", "id": 1, "text": "hello", "message": UUID})
            await page.line.send_str("no order")
            await page.next("error")  # so the one before is under way
            await terminal.session.__aenter__()
            answer = await page.next("ok")
            assert answer["id"] == 1
            assert await terminal.session.next_order() == Say("hello", UUID)

    asyncio.run(scenario())


# -- what pages of ours do not do ------------------------------------------------------------------

GARBAGE = ["", "{", "null", "[]", '{"type":"quit","id":1}', "\0", "[" * 16_000, "💥" * 4000]


def test_garbage_is_refused_and_the_line_stays(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            for garbage in GARBAGE:
                await page.line.send_str(garbage)
                refused = await page.next("error")
                assert refused["code"] == "invalid"
                assert "Traceback" not in refused["reason"]
            assert (await page.order("start", 7))["type"] == "ok"

    asyncio.run(scenario())


def test_an_oversized_order_ends_the_line(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            async with terminal.page() as page:
                await page.line.send_str("x" * 20_000)
                assert await page.closed() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
            async with terminal.page() as page:
                assert page.snapshot["terminal"] == "Platform 4"

    asyncio.run(scenario())


def test_bytes_end_the_line(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            await page.line.send_bytes(b"\0\1\2")
            assert await page.closed() == aiohttp.WSCloseCode.UNSUPPORTED_DATA

    asyncio.run(scenario())


def test_a_flood_of_orders_is_held_back_then_ended(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            for number in range(200):
                with contextlib.suppress(ConnectionError):
                    await page.line.send_json({"type": "dismiss", "id": number})
            assert await page.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION
            assert terminal.session.orders.qsize() < 60
            async with terminal.page() as other:
                assert (await other.order("start", 1))["type"] == "ok"

    asyncio.run(scenario())


def test_a_page_that_does_not_read_is_sent_away_and_the_others_are_not(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            stuck = await _connect_and_stop_reading(terminal.port)
            async with terminal.page() as reading:
                await terminal.until(browsers=2)
                reader = asyncio.create_task(reading.closed())
                number = 0
                # Until the system's own buffers and then the kiosk's are full.
                while terminal.states[-1].browsers == 2:
                    for _ in range(50):
                        terminal.session.say(str(number), "x" * 15_000)
                        number += 1
                    await terminal.settle()
                    assert number < 20_000
                await terminal.until(browsers=1)
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
            stuck.close()
            async with terminal.page() as page:
                assert page.snapshot["messages"]

    asyncio.run(scenario())


async def _connect_and_stop_reading(port: int) -> socket.socket:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", port))
    request = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    await loop.sock_sendall(raw, request.encode())
    assert b" 101 " in await asyncio.wait_for(loop.sock_recv(raw, 100), DEADLINE_S)
    return raw


# -- its own life ----------------------------------------------------------------------------------


def test_a_killed_kiosk_is_back_where_it_was(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            before = terminal.port
            async with terminal.page() as page:
                terminal.session.say("1", "hello")
                await page.next("message")
                await terminal.children.kill("kiosk")
                assert await page.closed() == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
            await terminal.start()
            assert terminal.port == before
            async with terminal.page() as page:
                assert page.snapshot["session"]["face"] == "disconnected"

    asyncio.run(scenario())


def test_a_stopped_kiosk_says_good_bye(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            closed = asyncio.create_task(page.closed())
            assert await terminal.children.stop("kiosk") == 0
            assert await closed == aiohttp.WSCloseCode.GOING_AWAY

    asyncio.run(scenario())


def test_what_has_passed_the_page_by_is_asked_for_anew(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            lost = ChatMessage("1", "user_input", "lost in a full queue", 1.0)
            terminal.session.messages["1"] = lost
            terminal.session.post.tell("router", Missed())  # as a sender does whose queue was full
            while True:
                snapshot = await page.next("snapshot")
                if snapshot["messages"]:
                    break
            assert [message["text"] for message in snapshot["messages"]] == [lost.text]

    asyncio.run(scenario())


def test_a_router_that_restarts_costs_nothing(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal, terminal.page() as page:
            await terminal.children.kill("router")
            terminal.session.say("1", "said to nobody")
            await terminal.children.start("router", ROUTER)
            terminal.session.post.peer_up("router")
            terminal.children.send("kiosk", ActorUp("router", 2))
            while True:
                snapshot = await page.next("snapshot")
                if snapshot["messages"]:
                    break
            assert [message["text"] for message in snapshot["messages"]] == ["said to nobody"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("kiosk", "remedy"),
    [
        ({}, "set [kiosk] port"),
        ({"host": "198.51.100.1"}, "set [kiosk] host"),
        ({"host": "no.invalid"}, "set [kiosk] host"),
    ],
)
def test_an_address_that_cannot_be_had_is_refused_with_a_remedy(
    runtime_dir: Path, kiosk: dict[str, Any], remedy: str
) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            settings = {"kiosk": {"port": taken.getsockname()[1], **kiosk}}
            async with Children(runtime_dir, msgspec.convert(settings, Settings)) as children:
                await children.launch("kiosk", KIOSK)
                failed = await children.start_failed()
                assert remedy in failed.remedy
                assert "Error" not in failed.error
                assert await children.exit_code("kiosk") == 3

    asyncio.run(scenario())


def test_it_takes_no_orders_from_the_bus(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Terminal(runtime_dir) as terminal:
            with pytest.raises(OrderFailed) as refused:
                await terminal.session.post.ask("kiosk", StartSession(), DEADLINE_S)
            assert refused.value.code == "invalid"

    asyncio.run(scenario())

"""Delivering and asking through a real router: what a sender may believe."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from actors.messages import ChatMessage, Custom, Envelope, Failed, StoreMessage
from actors.runtime.bus import Bus
from actors.runtime.errors import OrderFailed, Unreachable
from actors.runtime.post import Post
from tests.children import DEADLINE_S, Children

pytestmark = pytest.mark.process

ROUTER = "actors.router.process:Router"
KEEP = StoreMessage(ChatMessage("1", "user_input", "keep me", 1.0))


class Peer:
    """A process's place at the router, played by this one; what arrives is handled by the test."""

    def __init__(self, runtime_dir: Path, name: str) -> None:
        self._runtime_dir = runtime_dir
        self._name = name
        self._mail: asyncio.Queue[Envelope] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._bus = Bus(self._runtime_dir)
        self.post = Post(self._bus, self._name, self._mail.put_nowait)
        await self.post.join(())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.post.close()
        self._bus.close(linger_ms=100)

    async def next(self) -> Envelope:
        return await asyncio.wait_for(self._mail.get(), DEADLINE_S)


def test_a_delivery_tells_when_it_was_acknowledged(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            async with Peer(runtime_dir, "session") as session, Peer(runtime_dir, "store") as store:
                handled = session.post.deliver("store", KEEP)
                delivery = await store.next()
                assert not handled.done()
                assert session.post.undelivered == 1
                store.post.acknowledge(delivery)
                await asyncio.wait_for(handled, DEADLINE_S)
                assert session.post.undelivered == 0

    asyncio.run(scenario())


def test_what_was_said_to_the_former_process_of_a_name_is_not_taken_for_ours(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            async with Peer(runtime_dir, "store") as store:
                async with Peer(runtime_dir, "session") as former:
                    former.post.deliver("store", KEEP)
                    asked = asyncio.ensure_future(former.post.ask("store", Custom("old", {}), 60))
                    old_delivery, old_ask = await store.next(), await store.next()
                assert await asyncio.gather(asked, return_exceptions=True)
                async with Peer(runtime_dir, "session") as session:
                    handled = session.post.deliver("store", KEEP)
                    answer = asyncio.ensure_future(session.post.ask("store", Custom("new", {}), 60))
                    delivery, ask = await store.next(), await store.next()
                    store.post.acknowledge(old_delivery)
                    store.post.reply(old_ask, Custom("old", {}))
                    store.post.reply(ask, Custom("new", {}))
                    assert await asyncio.wait_for(answer, DEADLINE_S) == Custom("new", {})
                    assert not handled.done(), "another delivery's acknowledgement"
                    store.post.acknowledge(delivery)
                    await asyncio.wait_for(handled, DEADLINE_S)

    asyncio.run(scenario())


def test_that_somebody_cannot_reach_something_is_not_that_he_cannot_be_reached(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            async with Peer(runtime_dir, "session") as session, Peer(runtime_dir, "room") as room:
                answer = asyncio.ensure_future(session.post.ask("room", Custom("join", {}), 60))
                no_server = Failed("unreachable", "the server does not answer", "look at the net")
                room.post.reply(await room.next(), no_server)
                with pytest.raises(OrderFailed, match="the server does not answer") as failed:
                    await asyncio.wait_for(answer, DEADLINE_S)
                assert not isinstance(failed.value, Unreachable)
                assert failed.value.remedy == "look at the net"
                with pytest.raises(Unreachable):
                    await session.post.ask("nobody", Custom("join", {}))

    asyncio.run(scenario())


def test_an_ask_that_is_cancelled_while_its_answer_arrives_is_cancelled(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            async with Peer(runtime_dir, "session") as session, Peer(runtime_dir, "room") as room:
                asked = asyncio.ensure_future(session.post.ask("room", Custom("join", {}), 60))
                await room.next()
                ((_, answer),) = session.post._asks.values()
                answer.set_exception(Unreachable("room"))
                asked.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asked

    asyncio.run(scenario())

"""What an attached program is told by the router: who died, who is back, what it has missed."""

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from actors.messages import (
    ActorDown,
    ActorUp,
    Custom,
    Envelope,
    Join,
    Kind,
    Message,
    Missed,
    Welcome,
)
from actors.messages.codec import decode, encode
from actors.router.routes import JOINS_BETWEEN_LOOKS
from actors.runtime.bus import Bus
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed, Unreachable
from tests.children import DEADLINE_S, Children

pytestmark = pytest.mark.process

ROUTER = "actors.router.process:Router"
PUPPET = "tests.puppet:Puppet"


class Program:
    """Attached, and notes what it is told."""

    def __init__(self, runtime_dir: Path) -> None:
        self.peers: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self.facts: list[int] = []
        self.missed = asyncio.Event()
        self.client = Client(
            runtime_dir,
            subscribes=(Custom,),
            on_message=self._on_message,
            on_peer=lambda name, up: self.peers.put_nowait((name, up)),
        )

    def _on_message(self, message: Message, _sender: str) -> None:
        match message:
            case Missed():
                self.missed.set()
            case Custom(payload={"number": int(number)}):
                self.facts.append(number)

    async def told(self) -> tuple[str, bool]:
        return await asyncio.wait_for(self.peers.get(), DEADLINE_S)


def test_it_hears_of_deaths_and_what_it_had_asked_fails_at_once(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("puppet", PUPPET)
            program = Program(runtime_dir)
            async with program.client as client:
                asked = asyncio.create_task(
                    client.ask("puppet", Custom("hang", {"how": "await"}), DEADLINE_S)
                )
                await asyncio.sleep(0)  # it is under way
                children.send("router", ActorDown("puppet", 1, "signal SIGKILL"))
                assert await program.told() == ("puppet", False)
                with pytest.raises(Unreachable) as failed:
                    await asked
                assert failed.value.in_doubt, "who knows what it had done by then"
                with pytest.raises(Unreachable) as failed:
                    await client.ask("nobody", Custom("hang", {}))
                assert not failed.value.in_doubt
                children.send("router", ActorUp("puppet", 2))
                assert await program.told() == ("puppet", True)

    asyncio.run(scenario())


def test_a_killed_router_is_noticed_and_joined_again(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            program = Program(runtime_dir)
            async with program.client, Client(runtime_dir) as other:
                await children.kill("router")
                assert await program.told() == ("router", False)
                await children.start("router", ROUTER)
                assert await program.told() == ("router", True)
                await asyncio.wait_for(program.client.post.joined(), DEADLINE_S)
                await asyncio.wait_for(other.post.joined(), DEADLINE_S)
                other.post.publish(Custom("fact", {"number": 1}))
                async with asyncio.timeout(DEADLINE_S):
                    while not program.facts:
                        await asyncio.sleep(0)

    asyncio.run(scenario())


def test_when_it_leaves_it_wants_nothing_any_more(runtime_dir: Path) -> None:
    """With a router that is played here."""

    async def scenario() -> None:
        joins: asyncio.Queue[Join] = asyncio.Queue()

        def on_frame(peer: bytes, frame: bytes) -> None:
            joins.put_nowait(decode(frame).message)
            name = peer.decode()
            router.send(encode(Welcome(1), kind="tell", sender="router", to=name), to=name)

        bus = Bus(runtime_dir)
        router = bus.bind("router", "router", on_frame)
        try:
            async with Client(runtime_dir, subscribes=(Custom,)):
                assert Custom.tag() in (await joins.get()).subscriptions
            assert await asyncio.wait_for(joins.get(), DEADLINE_S) == Join(())
        finally:
            bus.close()

    asyncio.run(scenario())


def test_one_that_was_killed_is_forgotten_after_many_joins(runtime_dir: Path) -> None:
    """Who has its name then, and has not joined, is told nothing."""

    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            async with Client(runtime_dir) as other:
                async with Attached(runtime_dir, "killed") as killed:
                    await killed.join()
                async with asyncio.timeout(DEADLINE_S):
                    told = True
                    while told:
                        async with Attached(runtime_dir, "another") as another:
                            for _ in range(JOINS_BETWEEN_LOOKS):
                                await another.join()
                        async with Attached(runtime_dir, "killed") as namesake:
                            await namesake.asked()
                            other.post.publish(Custom("fact", {}))
                            with pytest.raises(OrderFailed):
                                await other.ask("router", Custom("", {}), DEADLINE_S)
                            told = await namesake.asked()

    asyncio.run(scenario())


class Attached:
    """A connection to the router that joins when it is told to, and ends without leaving."""

    def __init__(self, runtime_dir: Path, name: str) -> None:
        self._runtime_dir = runtime_dir
        self._name = name
        self._mail: asyncio.Queue[Envelope] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._bus = Bus(self._runtime_dir)
        self._lane = self._bus.connect(
            "dealer",
            "router",
            lambda _peer, frame: self._mail.put_nowait(decode(frame)),
            identity=self._name,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bus.close()

    def _send(self, message: Message, kind: Kind) -> None:
        frame = encode(message, kind=kind, sender=self._name, to="router", id=1)
        assert self._lane.send(frame)

    async def join(self) -> None:
        self._send(Join((Custom.tag(),)), "tell")
        assert isinstance((await self._mail.get()).message, Welcome)

    async def asked(self) -> bool:
        """Wait for an answer; whether a fact came before it."""
        self._send(Custom("", {}), "ask")
        told = False
        while (envelope := await self._mail.get()).kind != "reply":
            told = told or envelope.kind == "fact"
        return told


def test_who_does_not_read_is_told_that_it_has_missed_something(runtime_dir: Path) -> None:
    """More facts than all queues on the way hold, while the program's loop is held up."""
    sent = 30_000

    async def flood() -> None:
        payload = "x" * 1000
        async with Client(runtime_dir) as other:
            for number in range(sent):
                while not other.post.publish(Custom("fact", {"number": number, "text": payload})):
                    await asyncio.sleep(0)
            # What is asked after the facts is answered after they were forwarded.
            with pytest.raises(OrderFailed, match="takes no orders"):
                await other.ask("router", Custom("", {}), DEADLINE_S)

    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            program = Program(runtime_dir)
            async with program.client:
                with ThreadPoolExecutor(1) as elsewhere:
                    elsewhere.submit(asyncio.run, flood()).result()
                await asyncio.wait_for(program.missed.wait(), DEADLINE_S)
                assert len(program.facts) < sent
                assert program.facts == sorted(program.facts)
                seen = len(program.facts)
                async with Client(runtime_dir) as other:
                    other.post.publish(Custom("fact", {"number": sent}))
                    async with asyncio.timeout(DEADLINE_S):
                        while program.facts[seen:] != [sent]:
                            await asyncio.sleep(0)

    asyncio.run(scenario())


def test_what_was_not_taken_by_a_router_that_hangs_is_told_when_it_goes_on(
    runtime_dir: Path,
) -> None:
    """More facts than fit into the sender's own queue; and the last state of all is the truth."""

    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            program = Program(runtime_dir)
            async with program.client, Client(runtime_dir) as other:
                os.kill(children.pid("router"), signal.SIGSTOP)
                sent = 0
                while other.post.publish(Custom("fact", {"number": sent, "text": "x" * 1000})):
                    sent += 1
                    assert sent < 100_000
                other.post.publish_state(Custom("fact", {"number": -1}))
                assert not program.missed.is_set()
                os.kill(children.pid("router"), signal.SIGCONT)
                await asyncio.wait_for(program.missed.wait(), DEADLINE_S)
                async with asyncio.timeout(DEADLINE_S):
                    while program.facts[-1:] != [-1]:
                        await asyncio.sleep(0.001)
                seen = [number for number in program.facts if number >= 0]
                assert seen == sorted(set(seen)), "the state may come more than once"

    asyncio.run(scenario())

"""What an attached program is told by the router: who died, who is back, what it has missed."""

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.messages import ActorDown, ActorUp, Custom, Message, Missed
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
                with pytest.raises(Unreachable):
                    await asked
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

"""The life of an actor in a real process, with the real router: hooks, orders, garbage, death."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.messages import (
    ActorUp,
    ChatMessage,
    Custom,
    Done,
    EndSession,
    Message,
    MessageChanged,
    Missed,
    Say,
    SessionState,
    SetMuted,
    StartSession,
    StoreMessage,
)
from actors.runtime.actor import Actor, Answer
from actors.runtime.bus import Bus
from actors.runtime.client import Client, NotRunning
from actors.runtime.errors import NoAnswer, OrderFailed, Unreachable
from actors.runtime.host import MAILBOX
from actors.runtime.post import Post
from tests.children import DEADLINE_S, Children
from tests.garbage import throw_garbage

pytestmark = pytest.mark.process

ROUTER = "actors.router.process:Router"
DOOR = "tests.examples.door:Door"
PROBE = f"{__name__}:Probe"
RELUCTANT = f"{__name__}:Reluctant"
FOLLOWER = f"{__name__}:Follower"
SLOW = f"{__name__}:Slow"


class Probe(Actor):
    """Does what it is told, to be watched doing it."""

    async def on_start(self) -> None:
        self.orders: list[str] = []

    async def on_message(self, message: Message, sender: str) -> Message | None:
        match message:
            case StartSession() | EndSession() | Say() | SetMuted():
                self.orders.append(repr(message))
            case Custom(topic="orders"):
                return Custom("orders", {"orders": list(self.orders)})
            case Custom(topic="sleep"):
                await asyncio.Event().wait()
            case Custom(topic="raise"):
                raise RuntimeError("told to")
            case Custom(topic="work", payload={"fail": True}):
                self.spawn(self._fail(), "failing")
            case Custom(topic="state"):
                self.publish_state(message)
            case Custom(topic="store", payload={"id": str(id_)}):
                self.deliver("keeper", StoreMessage(ChatMessage(id_, "user_input", "", 1.0)))
            case Custom(topic="echo"):
                return message
        return None

    async def _fail(self) -> None:
        raise RuntimeError("told to")

    async def on_stop(self) -> None:
        (self.runtime_dir / "stopped").touch()


class Follower(Actor):
    """Says with a state what it has seen of others' facts and states; stands still when told to,
    until something comes on its own lane.
    """

    subscribes = (Custom, Missed)

    async def on_start(self) -> None:
        self._facts = self._states = self._missed = 0
        self._goes_on = asyncio.Event()
        self.bus.bind("pull", "goes-on", lambda _peer, _frame: self._goes_on.set())

    async def on_message(self, message: Message, sender: str) -> Message | None:
        match message:
            case Custom(topic="stand-still"):
                await self._goes_on.wait()
            case Custom(topic="fact"):
                self._facts += 1
            case Custom(topic="state"):
                self._states += 1
            case Missed():
                self._missed += 1
        seen = {"facts": self._facts, "states": self._states, "missed": self._missed}
        self.publish_state(Custom("seen", seen))
        return None


class Slow(Actor):
    """Answers a delivery when it is told to, and counts how often it was begun."""

    async def on_start(self) -> None:
        self._begun: list[asyncio.Future[Message | None]] = []

    async def on_message(self, message: Message, sender: str) -> Answer:
        match message:
            case Custom(topic="work"):
                self._begun.append(asyncio.get_running_loop().create_future())
                return self._begun[-1]
            case Custom(topic="begun"):
                return Custom("begun", {"times": len(self._begun)})
            case Custom(topic="finish"):
                for work in self._begun:
                    work.set_result(None)
        return None


class Reluctant(Actor):
    """Refuses each delivery of a number in its options as often as it is told there."""

    async def on_start(self) -> None:
        self._refusals: dict[str, int] = dict(self.options["refuses"])
        self._handled: list[int] = []

    async def on_message(self, message: Message, sender: str) -> Message | None:
        match message:
            case Custom(topic="number", payload={"number": int(number)}):
                if self._refusals.get(str(number), 0):
                    self._refusals[str(number)] -= 1
                    raise OrderFailed("unavailable", f"{number} is too much just now")
                self._handled.append(number)
            case Custom(topic="handled"):
                return Custom("handled", {"numbers": self._handled})
        return None


def _said(text: str) -> MessageChanged:
    return MessageChanged(ChatMessage("1", "user_transcript", text, 1.0))


# -- the worked example ----------------------------------------------------------------------------


def test_the_worked_example_opens_on_words_and_on_orders(runtime_dir: Path) -> None:
    async def scenario() -> None:
        opened: asyncio.Queue[Message] = asyncio.Queue()
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("door", DOOR, opens_on="please open")
            async with Client(
                runtime_dir,
                subscribes=(Custom,),
                on_message=lambda message, _sender: opened.put_nowait(message),
            ) as client:
                client.post.publish(_said("the weather is fine"))
                client.post.publish(_said("would you please open"))
                by_words = await asyncio.wait_for(opened.get(), DEADLINE_S)
                assert by_words == Custom("door-opened", {"cause": "words", "times": 1})
                assert await client.ask("door", Custom("open", {})) == Done()
                assert await client.ask("door", Custom("count", {})) == Custom(
                    "count", {"opened": 2}
                )
                with pytest.raises(OrderFailed, match="a door cannot sing") as refused:
                    await client.ask("door", Custom("sing", {}))
                assert refused.value.remedy == "try open or count"
            assert await children.stop("door") == 0

    asyncio.run(scenario())


def test_a_mistake_in_options_is_a_failed_start_with_a_remedy(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.launch("door", DOOR)
            failed = await children.start_failed()
            assert failed.error == "the door does not know when to open"
            assert failed.remedy == "set options.opens_on"
            assert await children.exit_code("door") == 3

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("no.such.module:Thing", "cannot load no.such.module:Thing"),
        ("tests.examples.door:Window", "cannot load"),
        ("pathlib:Path", "is not a subclass"),
    ],
)
def test_a_target_that_is_no_actor_is_told(runtime_dir: Path, target: str, error: str) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.launch("mine", target)
            failed = await children.start_failed()
            assert error in failed.error
            await children.exit_code("mine")

    asyncio.run(scenario())


# -- asks ------------------------------------------------------------------------------------------


def test_an_ask_always_ends(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("probe", PROBE)
            async with Client(runtime_dir) as client:
                with pytest.raises(Unreachable):
                    await client.ask("nobody", Custom("echo", {}))
                with pytest.raises(NoAnswer):
                    await client.ask("probe", Custom("sleep", {}), timeout_s=0.05)

    asyncio.run(scenario())


def test_who_has_given_up_is_not_listened_to_later_but_what_ends_is_ended(
    runtime_dir: Path,
) -> None:
    lapsing = [StartSession(), Say("hello", "m1"), SetMuted(False)]
    lasting = [EndSession(), SetMuted(True)]

    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("probe", PROBE)
            async with Client(runtime_dir) as client:
                os.kill(children.pid("probe"), signal.SIGSTOP)
                for order in (*lapsing, *lasting):
                    with pytest.raises(NoAnswer) as failed:
                        await client.ask("probe", order, timeout_s=0.01)
                    assert failed.value.in_doubt
                os.kill(children.pid("probe"), signal.SIGCONT)
                late = await client.ask("probe", Custom("orders", {}), DEADLINE_S)
                assert late == Custom("orders", {"orders": [repr(order) for order in lasting]})
                for order in lapsing:
                    assert await client.ask("probe", order, DEADLINE_S) == Done()

    asyncio.run(scenario())


def test_without_a_terminal_a_client_says_what_to_do(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Client(runtime_dir):
            pass

    with pytest.raises(NotRunning, match="no terminal is running") as refused:
        asyncio.run(scenario())
    assert "callpoint run" in refused.value.remedy


# -- crashes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [Custom("raise", {}), Custom("work", {"fail": True})])
def test_a_raising_handler_or_task_ends_the_actor_after_on_stop(
    runtime_dir: Path, order: Custom
) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("probe", PROBE)
            async with Client(runtime_dir) as client:
                client.post.tell("probe", order)
                assert await children.exit_code("probe") == 1
        assert (runtime_dir / "stopped").exists()

    asyncio.run(scenario())


def test_sigterm_drains_and_exits_0(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            os.kill(await children.start("probe", PROBE), signal.SIGTERM)
            assert await children.exit_code("probe") == 0

    asyncio.run(scenario())


def test_a_late_joiner_and_a_new_router_get_the_last_snapshot(runtime_dir: Path) -> None:
    async def next_state() -> Message:
        states: asyncio.Queue[Message] = asyncio.Queue()
        async with Client(
            runtime_dir,
            subscribes=(Custom, SessionState),
            on_message=lambda message, _sender: states.put_nowait(message),
        ):
            return await asyncio.wait_for(states.get(), DEADLINE_S)

    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("probe", PROBE)
            async with Client(runtime_dir) as client:
                await client.ask("probe", Custom("state", {"n": 1}))
                await client.ask("probe", Custom("state", {"n": 2}))
            assert await next_state() == Custom("state", {"n": 2})
            await children.kill("router")
            await children.start("router", ROUTER)
            children.send("probe", ActorUp("router", 2))
            assert await next_state() == Custom("state", {"n": 2})

    asyncio.run(scenario())


def test_a_delivery_outlives_the_router_and_an_absent_receiver(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("probe", PROBE)
            async with Client(runtime_dir) as client:
                for number in range(3):
                    await client.ask("probe", Custom("store", {"id": str(number)}))
            await children.kill("router")
            await children.start("router", ROUTER)
            children.send("probe", ActorUp("router", 2))
            got = asyncio.Queue[str]()
            keeper = Client(runtime_dir)
            keeper.name = "keeper"
            async with keeper:
                _keep(keeper, got)
                children.send("probe", ActorUp("keeper", 1))
                kept = {await asyncio.wait_for(got.get(), DEADLINE_S) for _ in range(3)}
                assert kept == {"0", "1", "2"}

    asyncio.run(scenario())


def test_what_is_delivered_after_a_refused_delivery_is_handled_after_it(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("picky", RELUCTANT, refuses={"1": 2, "3": 1})
            async with Client(runtime_dir) as client:

                async def handled() -> list[int]:
                    answer = await client.ask("picky", Custom("handled", {}))
                    assert isinstance(answer, Custom)
                    return list(answer.payload["numbers"])

                numbers = range(5)
                done = [
                    client.post.deliver("picky", Custom("number", {"number": number}))
                    for number in numbers
                ]
                seen = [await handled()]
                for _ in range(3):
                    client.post.redeliver("picky")
                    seen.append(await handled())
                await asyncio.wait_for(asyncio.gather(*done), DEADLINE_S)
                assert seen[-1] == list(numbers)
                assert all(each == seen[-1][: len(each)] for each in seen)

    asyncio.run(scenario())


def test_a_delivery_that_is_in_hand_is_not_begun_again(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("slow", SLOW)
            async with Client(runtime_dir) as client:
                done = client.post.deliver("slow", Custom("work", {}))
                for _ in range(3):
                    client.post.redeliver("slow")
                assert await client.ask("slow", Custom("begun", {})) == Custom(
                    "begun", {"times": 1}
                )
                assert not done.done()
                await client.ask("slow", Custom("finish", {}))
                await asyncio.wait_for(done, DEADLINE_S)

    asyncio.run(scenario())


def _keep(keeper: Client, got: "asyncio.Queue[str]") -> None:
    post: Post = keeper.post

    def on_envelope(envelope) -> None:
        post.acknowledge(envelope)
        got.put_nowait(envelope.message.message.id)

    post._on_envelope = on_envelope


# -- full queues -----------------------------------------------------------------------------------


class Publisher:
    """Attached, and follows the follower."""

    def __init__(self, runtime_dir: Path) -> None:
        self.seen: dict[str, int] = {}
        self._news = asyncio.Event()
        self.client = Client(runtime_dir, subscribes=(Custom,), on_message=self._on_message)

    def _on_message(self, message: Message, _sender: str) -> None:
        if isinstance(message, Custom) and message.topic == "seen":
            self.seen = message.payload
            self._news.set()

    async def until(self, condition: Callable[[dict[str, int]], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not (self.seen and condition(self.seen)):
                self._news.clear()
                await self._news.wait()


def test_a_full_mailbox_loses_no_state_and_says_what_it_has_lost(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("follower", FOLLOWER)
            publisher = Publisher(runtime_dir)
            async with publisher.client as client:
                client.post.tell("follower", Custom("stand-still", {}))
                for _ in range(2 * MAILBOX):
                    while not client.post.publish(Custom("fact", {})):
                        await asyncio.sleep(0)
                client.post.publish_state(Custom("state", {}))
                with pytest.raises(OrderFailed, match="has too much to do"):
                    await client.ask("follower", Custom("", {}), DEADLINE_S)
                bus = Bus(runtime_dir)
                bus.connect("push", "goes-on", lambda _peer, _frame: None).send(b"")
                bus.close(linger_ms=int(1000 * DEADLINE_S))
                await publisher.until(lambda seen: bool(seen["states"] and seen["missed"]))
                assert 0 < publisher.seen["facts"] < 2 * MAILBOX
                lost = 2 * MAILBOX - publisher.seen["facts"]
                said = f"{lost} messages lost to a full mailbox"
                await children.until(
                    lambda: any(b.trouble == said for b in children.heartbeats("follower")) or None
                )

    asyncio.run(scenario())


def test_who_has_missed_something_on_the_way_gets_the_last_state_again(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            await children.start("follower", FOLLOWER)
            publisher = Publisher(runtime_dir)
            async with publisher.client as client:
                client.post.publish_state(Custom("state", {}))
                await publisher.until(lambda seen: seen["states"] == 1)
                client.post.publish(Missed())  # nobody but the router may say so
                client.post.tell("router", Missed())  # as one says whose queue was full
                await publisher.until(lambda seen: seen["states"] == 2)
                assert publisher.seen["missed"] == 1

    asyncio.run(scenario())


# -- garbage ---------------------------------------------------------------------------------------


def test_garbage_on_the_routers_socket_changes_nothing(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            pid = await children.start("router", ROUTER)
            await children.start("probe", PROBE)
            throw_garbage(runtime_dir / "router.sock")
            async with Client(runtime_dir) as client:
                assert await client.ask("probe", Custom("echo", {"n": 1})) == Custom(
                    "echo", {"n": 1}
                )
            os.kill(pid, 0)

    asyncio.run(scenario())


def test_speaking_in_anothers_name_is_refused(runtime_dir: Path) -> None:
    async def scenario() -> None:
        heard: asyncio.Queue[Message] = asyncio.Queue()
        async with Children(runtime_dir) as children:
            await children.start("router", ROUTER)
            async with (
                Client(
                    runtime_dir,
                    subscribes=(Custom,),
                    on_message=lambda message, _sender: heard.put_nowait(message),
                ),
                Client(runtime_dir) as other,
            ):
                other.post.name = "session"
                other.post.publish(Custom("false", {}))
                other.post.name = other.name
                other.post.publish(Custom("true", {}))
                assert await asyncio.wait_for(heard.get(), DEADLINE_S) == Custom("true", {})

    asyncio.run(scenario())

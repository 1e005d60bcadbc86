"""Receivers that the config names, in a session in a real process."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors import ReceivedMessage, Session
from actors.messages import DismissError, SessionError, SessionState, StartSession
from tests.children import DEADLINE_S
from tests.session_bench import Bench

pytestmark = pytest.mark.process

HERE = "tests.process.test_receivers"


class News:
    """Brings two messages, the first of which grows."""

    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        at = 1_900_000_000.0
        yield ReceivedMessage("n1", at, "agent_transcript", "news", is_final=False)
        yield ReceivedMessage("n1", at, "agent_transcript", "news of the day")
        await asyncio.sleep(0)
        yield ReceivedMessage("n2", at + 1, "user_input", "and more")


class Raises:
    """Its words are nobody's business."""

    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        raise KeyError("hush")
        yield


class Blocks:
    """Never gives its thread away."""

    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        while True:
            time.sleep(0.1)
        yield


class Hangs:
    """Waits for ever."""

    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        await asyncio.Event().wait()
        yield


class Talks:
    """Gives what is no message."""

    async def messages(self) -> AsyncIterator[str]:
        yield "hush"


class Floods:
    """As fast as it can."""

    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        number = 0
        while True:
            number += 1
            yield ReceivedMessage(f"f{number % 10}", 0.0, "agent_transcript", f"{number}", False)


def _config(*names: str) -> dict[str, object]:
    return {"receivers": [f"{HERE}:{name}" for name in names], "redispatch": False}


def test_its_messages_are_everybodys_and_kept(runtime_dir: Path) -> None:
    async def play() -> None:
        async with (
            Bench(runtime_dir, session=_config("News")) as bench,
            Session.attach(runtime_dir) as session,
        ):
            async with asyncio.timeout(DEADLINE_S):
                async for now in session.snapshots():
                    if [message.id for message in now.messages] == ["n1", "n2"]:
                        break
            assert [message.text for message in session.messages] == ["news of the day", "and more"]
            assert [message.id for message in await bench.stored(2)] == ["n1", "n2"]
            await bench.talk()
            assert (await bench.say("hello")).text == "hello"

    asyncio.run(play())


async def _dismissed_and_back(bench: Bench, error: SessionError | None) -> SessionState:
    """The state with the next error. Two fail at the same time: what the other says may stand in
    the place of a dismissed error before anybody has seen that there was none.
    """
    await bench.ask(DismissError())
    state = await bench.sees(lambda state: state.error != error)
    return state if state.error else await bench.sees(lambda state: state.error is not None)


def test_one_that_raises_blocks_hangs_or_floods_harms_nobody(
    runtime_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def play() -> None:
        names = ("Raises", "Blocks", "Hangs", "Talks", "Floods", "News")
        async with Bench(runtime_dir, session=_config(*names)) as bench:
            await bench.ask(StartSession())
            bench.room.agent("listening")
            state = await bench.state(lambda state: state.error is not None)
            assert state.error.kind == "receiver"
            assert "failed: " in state.error.reason
            assert "hush" not in state.error.reason
            await bench.state(lambda state: state.agent.is_connected)
            assert (await bench.say("hello")).text == "hello"
            stored = [message.text for message in await bench.stored(3)]
            assert sorted(stored) == ["and more", "hello", "news of the day"]
            # One that has failed is begun again, and fails again.
            shown = await bench.sees(lambda state: state.error is not None)
            for _ in range(2):
                shown = await _dismissed_and_back(bench, shown.error)
            await bench.kill("session")

    asyncio.run(play())
    log = capfd.readouterr().err
    assert "hush" not in log
    for name in ("Raises", "Talks"):
        assert log.count(f":{name} failed") >= 2


@pytest.mark.parametrize("target", ["tests.process.test_receivers:Nobody", "nowhere:News"])
def test_one_that_is_not_there_is_told_at_the_start(runtime_dir: Path, target: str) -> None:
    async def play() -> None:
        with pytest.raises(AssertionError, match=r"StartFailed.*cannot load"):
            async with Bench(runtime_dir, session={"receivers": [target]}):
                pass

    asyncio.run(play())

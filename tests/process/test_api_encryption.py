"""End-to-end encryption as a program orders and sees it, with a session in a real process."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors import OrderRefused, Session, SessionOptions, TokenOptions, TokenSource
from actors.api.options import config_of, environment_of
from actors.messages import JoinRoom, Participant, SetEncryption, Track
from tests.children import DEADLINE_S
from tests.session_bench import Bench, token_endpoint

pytestmark = pytest.mark.process

_NOTHING = TokenOptions()


def _agent(*, encrypted: bool, undecipherable: bool = False) -> tuple[Participant, ...]:
    voice = Track("TR", "audio", "microphone", True, encrypted=encrypted)
    attributes = {"lk.agent.state": "listening"}
    return (
        Participant("a", "PA", "agent", True, attributes, (voice,), undecipherable=undecipherable),
    )


def _keyed(address: str) -> dict[str, Any]:
    return {"token_endpoint": address, "encryption": True}


def test_a_key_is_an_option_and_shown_nowhere() -> None:
    options = SessionOptions(encryption="hush")
    tokens = TokenSource.endpoint("https://h/t")
    assert "hush" not in repr(options)
    assert "hush" not in repr(config_of(options, tokens, wanted=_NOTHING))
    assert config_of(options, tokens, _NOTHING)["livekit"]["encryption"] is True
    assert config_of(SessionOptions(), tokens, _NOTHING)["livekit"]["encryption"] is False
    assert environment_of(options, tokens) == {"CALLPOINT_E2EE_KEY": "hush"}


def test_it_is_on_where_there_is_a_key_and_can_be_switched(runtime_dir: Path) -> None:
    async def play() -> None:
        async with (
            token_endpoint() as endpoint,
            Bench(runtime_dir, livekit=_keyed(endpoint.address)) as bench,
            Session.attach(runtime_dir) as session,
        ):
            assert session.is_encrypted
            await session.start()
            assert (await bench.room.next(JoinRoom)).message.encrypted
            await session.set_encryption_enabled(False)
            assert not session.is_encrypted
            assert (await bench.room.next(SetEncryption)).message == SetEncryption(False)
            await bench.restart()
            bench.room.state("disconnected")
            again = (await bench.room.next(JoinRoom)).message
            assert not again.encrypted, "a session that was killed remembers it"
            await session.set_encryption_enabled(True)
            assert session.is_encrypted

    asyncio.run(play())


def test_what_is_switched_while_a_room_is_joined_holds(runtime_dir: Path) -> None:
    async def play() -> None:
        async with (
            token_endpoint() as endpoint,
            Bench(runtime_dir, livekit=_keyed(endpoint.address)) as bench,
            Session.attach(runtime_dir) as session,
        ):
            bench.room.held.add(JoinRoom)
            starting = asyncio.create_task(session.start())
            join = await bench.room.next(JoinRoom)
            await session.set_encryption_enabled(False)
            await bench.room.next(SetEncryption)
            bench.room.answer(join)
            assert (await bench.room.next(SetEncryption)).message == SetEncryption(False)
            await starting

    asyncio.run(play())


def test_without_a_key_it_cannot_be_switched_on(runtime_dir: Path) -> None:
    async def play() -> None:
        async with Bench(runtime_dir), Session.attach(runtime_dir) as session:
            assert not session.is_encrypted
            with pytest.raises(OrderRefused, match="no key"):
                await session.set_encryption_enabled(True)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("people", "told"),
    [
        (_agent(encrypted=True, undecipherable=True), "another key"),
        (_agent(encrypted=False), "does not encrypt"),
    ],
)
def test_an_agent_with_another_key_or_none_is_an_error_and_the_session_goes_on(
    runtime_dir: Path, people: tuple[Participant, ...], told: str
) -> None:
    async def play() -> None:
        async with (
            token_endpoint() as endpoint,
            Bench(runtime_dir, livekit=_keyed(endpoint.address)) as bench,
            Session.attach(runtime_dir) as session,
        ):
            await session.start()
            bench.room.people = people
            bench.room.state("connected")
            await session.agent.wait_until_connected(DEADLINE_S)
            assert session.error is not None
            assert session.error.kind == "media"
            assert told in session.error.reason
            assert session.connection_state == "connected"
            await session.dismiss_error()
            bench.room.people = _agent(encrypted=True)
            bench.room.state("connected")
            await session.agent.wait_until_connected(DEADLINE_S)
            assert session.error is None

    asyncio.run(play())

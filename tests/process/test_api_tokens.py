"""Every source of tokens a program can name, with a session in a real process."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from actors import Session, SessionOptions, TokenOptions, TokenResponse, TokenSource
from actors.api.options import config_of
from actors.messages import Failed, JoinRoom, StartSession
from tests.children import DEADLINE_S
from tests.session_bench import Bench, token_endpoint

pytestmark = pytest.mark.process

WANTED = TokenOptions(
    room_name="lobby",
    participant_identity="desk-4",
    agent_name="my-agent",
    agent_metadata="{}",
    participant_name="Desk 4",
    participant_metadata="m",
    participant_attributes={"floor": "2"},
)
ASKED = {
    "room_name": "lobby",
    "participant_identity": "desk-4",
    "participant_name": "Desk 4",
    "participant_metadata": "m",
    "participant_attributes": {"floor": "2"},
    "room_config": {"agents": [{"agent_name": "my-agent", "metadata": "{}"}]},
}


def _livekit(source: TokenSource, wanted: TokenOptions = WANTED) -> Any:
    """The section of the config that an own terminal would get."""
    return config_of(SessionOptions(), source, wanted)["livekit"]


def _set(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


class Giver:
    """A program's function: a token for each time it is asked."""

    def __init__(self, name: str = "token") -> None:
        self.name = name
        self.asked: list[TokenOptions] = []

    async def __call__(self, request: TokenOptions) -> TokenResponse:
        self.asked.append(request)
        return TokenResponse("ws://h", f"{self.name}-{len(self.asked)}")


async def _joined(bench: Bench) -> JoinRoom:
    order = (await bench.room.next(JoinRoom)).message
    assert isinstance(order, JoinRoom)
    return order


def test_a_function_of_the_program_is_asked_for_every_join(runtime_dir: Path) -> None:
    async def play() -> None:
        giver = Giver()
        source = TokenSource.custom(giver)
        async with (
            Bench(runtime_dir, livekit=_livekit(source)) as bench,
            Session.attach(runtime_dir, token_source=source) as session,
        ):
            await session.start()
            first = await _joined(bench)
            assert (first.url, first.token) == ("ws://h", "token-1")
            bench.room.agent("listening")
            await session.agent.wait_until_connected(DEADLINE_S)
            bench.room.state("disconnected")
            assert (await _joined(bench)).token == "token-2"
            assert giver.asked == [WANTED, WANTED]

    asyncio.run(play())


def test_a_session_that_was_killed_knows_again_whom_to_ask(runtime_dir: Path) -> None:
    async def play() -> None:
        source = TokenSource.custom(Giver())
        async with (
            Bench(runtime_dir, livekit=_livekit(source)) as bench,
            Session.attach(runtime_dir, token_source=source) as session,
        ):
            await session.start()
            bench.room.agent("listening")
            await session.agent.wait_until_connected(DEADLINE_S)
            await bench.kill("session")
            bench.room.state("disconnected")
            await bench.start("session")
            assert (await _joined(bench)).token == "token-1"
            assert (await _joined(bench)).token == "token-2"

    asyncio.run(play())


def test_a_plain_function_may_block(runtime_dir: Path) -> None:
    def give(_request: TokenOptions) -> TokenResponse:
        time.sleep(0.05)
        return TokenResponse("ws://h", "plain")

    async def play() -> None:
        source = TokenSource.custom(give)
        async with (
            Bench(runtime_dir, livekit=_livekit(source)) as bench,
            Session.attach(runtime_dir, token_source=source) as session,
        ):
            await session.start()
            assert (await _joined(bench)).token == "plain"

    asyncio.run(play())


def test_a_function_that_raises_is_an_error_without_its_words(
    runtime_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_request: TokenOptions) -> TokenResponse:
        raise ValueError("of the key hush-hush")

    async def play() -> None:
        source = TokenSource.custom(fail)
        async with (
            Bench(runtime_dir, livekit=_livekit(source)),
            Session.attach(runtime_dir, token_source=source) as session,
        ):
            await session.start()
            await session.wait_until_disconnected(DEADLINE_S)
            assert session.error is not None
            assert (session.error.kind, session.error.reason) == (
                "connection",
                "the token function failed: ValueError",
            )

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    (record,) = (record for record in caplog.records if record.message == "no token")
    assert record.exc_info is not None
    assert "hush-hush" in str(record.exc_info[1]), "whose function it is sees why"


def test_of_two_programs_the_other_is_asked_when_one_has_gone(runtime_dir: Path) -> None:
    async def play() -> None:
        one, two = (TokenSource.custom(Giver(name)) for name in ("one", "two"))
        async with (
            Bench(runtime_dir, livekit=_livekit(one)) as bench,
            Session.attach(runtime_dir, token_source=one) as session,
        ):
            async with Session.attach(runtime_dir, token_source=two) as other:
                await other.start()
                assert (await _joined(bench)).token == "two-1"
            await session.end()
            await session.start()
            assert (await _joined(bench)).token == "one-1"

    asyncio.run(play())


def test_a_terminal_with_a_source_of_its_own_asks_no_program(runtime_dir: Path) -> None:
    async def play() -> None:
        giver = Giver()
        async with (
            Bench(runtime_dir) as bench,
            Session.attach(runtime_dir, token_source=TokenSource.custom(giver)) as session,
        ):
            await session.start()
            assert (await _joined(bench)).token.startswith("ey")
            assert giver.asked == []

    asyncio.run(play())


def test_an_endpoint_is_told_all_options_and_headers(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with token_endpoint() as endpoint:
            source = TokenSource.endpoint(endpoint.address, {"Authorization": "Bearer hush"})
            assert "hush" not in repr(source)
            assert "hush" not in json.dumps(_livekit(source))
            _set(monkeypatch, source.environment)
            async with Bench(runtime_dir, livekit=_livekit(source)) as bench:
                await bench.ask(StartSession())
                assert (await _joined(bench)).token == "token-1"
            assert endpoint.asked.get_nowait() == ASKED
            assert endpoint.headers[0]["Authorization"] == "Bearer hush"

    asyncio.run(play())


def test_a_development_server_is_told_its_id(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with token_endpoint() as endpoint:
            source = TokenSource.development('"hush-1"', endpoint.address)
            assert "hush" not in repr(source)
            _set(monkeypatch, source.environment)
            async with Bench(runtime_dir, livekit=_livekit(source)) as bench:
                await bench.ask(StartSession())
                assert (await _joined(bench)).token == "token-1"
            assert endpoint.headers[0]["X-Sandbox-ID"] == "hush-1"

    asyncio.run(play())


def _token(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.signature"


def test_a_literal_token_is_used_for_every_join_and_names_the_room(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        token = _token(sub="me", video={"room": "its own"})
        source = TokenSource.literal("wss://livekit.example", token)
        assert token not in repr(source)
        _set(monkeypatch, source.environment)
        async with Bench(runtime_dir, livekit=_livekit(source, TokenOptions())) as bench:
            await bench.talk()
            first = bench.room.asked[0]
            bench.room.state("disconnected")
            again = await _joined(bench)
            assert isinstance(first, JoinRoom)
            assert (first.url, first.token) == ("wss://livekit.example", token)
            assert (first.room_name, again.room_name) == ("its own", "its own")
            assert again.token == token
            assert bench.states[-1].room_name == "its own"

    asyncio.run(play())


def test_a_cached_token_is_used_again_until_the_server_refuses_it(runtime_dir: Path) -> None:
    asked: list[TokenOptions] = []

    async def give(request: TokenOptions) -> TokenResponse:
        asked.append(request)
        return TokenResponse("ws://h", _token(exp=time.time() + 3600, number=len(asked)))

    async def play() -> None:
        source = TokenSource.custom(give).cached()
        async with (
            Bench(runtime_dir, livekit=_livekit(source)) as bench,
            Session.attach(runtime_dir, token_source=source) as session,
        ):
            await session.start()
            first = await _joined(bench)
            bench.room.agent("listening")
            await session.agent.wait_until_connected(DEADLINE_S)
            bench.room.failures[JoinRoom] = Failed("refused", "the server has refused the token")
            bench.room.state("disconnected")
            assert (await _joined(bench)).token == first.token
            bench.room.failures.clear()
            assert (await _joined(bench)).token != first.token
            assert len(asked) == 2

    asyncio.run(play())


@pytest.mark.parametrize("life_s", [3600, 30], ids=["good", "stale"])
def test_a_token_is_fetched_ahead_of_the_start(runtime_dir: Path, life_s: float) -> None:
    asked: list[TokenOptions] = []

    async def give(request: TokenOptions) -> TokenResponse:
        asked.append(request)
        return TokenResponse("ws://h", _token(exp=time.time() + life_s, number=len(asked)))

    async def play() -> None:
        source = TokenSource.custom(give)
        async with (
            Bench(runtime_dir, livekit=_livekit(source, TokenOptions())) as bench,
            Session.attach(runtime_dir, token_source=source) as session,
        ):
            await session.prepare_connection()
            assert (len(asked), session.is_connected) == (1, False)
            await session.start()
            join = await _joined(bench)
            assert len(asked) == (1 if life_s > 60 else 2), "in its last minute it is not used"
            assert join.room_name == asked[-1].room_name
            await session.prepare_connection()  # one is on
            await session.end()
            await session.start()
            assert (await _joined(bench)).room_name == asked[-1].room_name
            assert len({request.room_name for request in asked}) == len(asked)
            assert len(asked) == (2 if life_s > 60 else 3)

    asyncio.run(play())


def test_a_token_that_cannot_be_had_ahead_is_no_error_yet(runtime_dir: Path) -> None:
    async def play() -> None:
        async with token_endpoint() as endpoint:
            endpoint.fails = 1
            source = TokenSource.endpoint(endpoint.address)
            async with (
                Bench(runtime_dir, livekit=_livekit(source)) as bench,
                Session.attach(runtime_dir) as session,
            ):
                await session.prepare_connection()
                assert session.error is None
                await session.start()
                assert (await _joined(bench)).token == "token-2"

    asyncio.run(play())


async def of_the_terminal(request: TokenOptions) -> TokenResponse:
    """Named by the config of the next test."""
    return TokenResponse("ws://h", f"for {request.room_name}")


@pytest.mark.parametrize("path", ["of_the_terminal", "nobody"])
def test_a_config_may_name_a_function(runtime_dir: Path, path: str) -> None:
    async def play() -> None:
        livekit = {"token_function": f"tests.process.test_api_tokens:{path}", "room_name": "lobby"}
        if path == "nobody":
            with pytest.raises(AssertionError, match=r"StartFailed.*cannot load tests"):
                async with Bench(runtime_dir, livekit=livekit):
                    pass
            return
        async with Bench(runtime_dir, livekit=livekit) as bench:
            await bench.ask(StartSession())
            assert (await _joined(bench)).token == "for lobby"

    asyncio.run(play())

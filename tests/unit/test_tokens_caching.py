"""Tokens that are used again, that somebody else has made, and that a function makes."""

import asyncio
import base64
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.session.tokens import TokenError, TokenOptions, TokenResponse
from actors.session.tokens.caching import MAX_SLOTS, TOLERANCE_S, CachingTokens, is_good
from actors.session.tokens.claims import room_of
from actors.session.tokens.custom import CustomTokens
from actors.session.tokens.literal import LiteralTokens
from tests.children import DEADLINE_S

pytestmark = pytest.mark.unit

NOW = 1_900_000_000.0
REQUEST = TokenOptions("room-1", "terminal-1")


def _token(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.signature"


class Counting:
    """A source that answers with a new token for each fetch, once it is let."""

    def __init__(self, **claims: Any) -> None:
        self.claims = claims
        self.fetched = 0
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        self.fetched += 1
        number = self.fetched
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        token = _token(**self.claims, number=number) if self.claims else f"opaque-{number}"
        return TokenResponse("wss://livekit.example", token)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


# -- caching ---------------------------------------------------------------------------------------


def test_a_token_is_used_again_until_a_minute_before_its_end() -> None:
    async def scenario() -> None:
        source, clock = Counting(exp=NOW + 600), Clock()
        cache = CachingTokens(source, clock)
        first = await cache.fetch(REQUEST)
        clock.now = NOW + 600 - TOLERANCE_S - 0.001
        assert await cache.fetch(REQUEST) == first
        clock.now = NOW + 600 - TOLERANCE_S
        assert await cache.fetch(REQUEST) != first
        assert source.fetched == 2

    asyncio.run(scenario())


def test_one_slot_per_distinct_request() -> None:
    async def scenario() -> None:
        source = Counting(exp=NOW + 600)
        cache = CachingTokens(source, Clock())
        requests = [
            TokenOptions("room-1", "t"),
            TokenOptions("room-2", "t"),
            TokenOptions("room-1", "t", "agent"),
            TokenOptions("room-1", "t", participant_attributes={"a": "1", "b": "2"}),
        ]
        tokens = [await cache.fetch(request) for request in requests]
        assert len({details.participant_token for details in tokens}) == 4
        same = TokenOptions("room-1", "t", participant_attributes={"b": "2", "a": "1"})
        assert await cache.fetch(same) == tokens[3]
        assert [await cache.fetch(request) for request in requests] == tokens
        assert source.fetched == 4

    asyncio.run(scenario())


def test_concurrent_equal_fetches_are_one() -> None:
    async def scenario() -> None:
        source = Counting()
        source.may_answer.clear()
        cache = CachingTokens(source, Clock())
        asked = [asyncio.ensure_future(cache.fetch(REQUEST)) for _ in range(5)]
        await asyncio.sleep(0)
        asked[0].cancel()  # who gives up does not take it from the others
        await asyncio.sleep(0)
        source.may_answer.set()
        answers = await asyncio.gather(*asked[1:])
        assert len({details.participant_token for details in answers}) == 1
        assert source.fetched == 1
        assert asked[0].cancelled()

    asyncio.run(scenario())


@pytest.mark.parametrize("claims", [{}, {"sub": "no exp"}, {"exp": "soon"}, {"exp": None}])
def test_no_exp_or_not_decodable_is_not_cached(claims: dict[str, Any]) -> None:
    async def scenario() -> None:
        source = Counting(**claims)
        cache = CachingTokens(source, Clock())
        assert await cache.fetch(REQUEST) != await cache.fetch(REQUEST)
        assert source.fetched == 2

    asyncio.run(scenario())


def test_a_failure_is_told_to_all_and_not_kept() -> None:
    async def scenario() -> None:
        source = Counting(exp=NOW + 600)
        source.error = TokenError("no")
        cache = CachingTokens(source, Clock())
        both = await asyncio.gather(
            cache.fetch(REQUEST), cache.fetch(REQUEST), return_exceptions=True
        )
        assert all(each is source.error for each in both)
        source.error = None
        await cache.fetch(REQUEST)
        assert source.fetched == 2

    asyncio.run(scenario())


def test_what_the_server_refused_is_forgotten() -> None:
    async def scenario() -> None:
        source = Counting(exp=NOW + 600)
        cache = CachingTokens(source, Clock())
        first = await cache.fetch(REQUEST)
        cache.invalidate()
        assert await cache.fetch(REQUEST) != first

    asyncio.run(scenario())


def test_it_does_not_grow_without_end() -> None:
    async def scenario() -> None:
        cache = CachingTokens(Counting(exp=NOW + 600), Clock())
        for number in range(3 * MAX_SLOTS):
            await cache.fetch(TokenOptions(f"room-{number}", "t"))
        assert len(cache._kept) == MAX_SLOTS

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"exp": NOW + TOLERANCE_S + 1}, True),
        ({"exp": NOW + TOLERANCE_S}, False),
        ({"exp": NOW - 1}, False),
        ({"exp": NOW + 600, "nbf": NOW + TOLERANCE_S}, True),
        ({"exp": NOW + 600, "nbf": NOW + TOLERANCE_S + 1}, False),
        ({"exp": NOW + 600, "nbf": "later"}, False),
    ],
)
def test_exp_and_nbf_with_a_minutes_tolerance(claims: dict[str, Any], good: bool) -> None:
    assert is_good(_token(**claims), NOW) is good


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda body: f"e30.{body.hex()}.x"))
def test_whatever_is_no_token_is_not_good(text: str) -> None:
    assert not is_good(text, NOW)


def test_a_deep_token_is_not_good() -> None:
    body = base64.urlsafe_b64encode(b'{"exp": 1, "x":' + b"[" * 5000).decode()
    assert not is_good(f"e30.{body}.x", NOW)


# -- literal and custom ----------------------------------------------------------------------------


def test_a_literal_is_what_was_given() -> None:
    details = TokenResponse("wss://livekit.example", "token")
    assert asyncio.run(LiteralTokens(details).fetch(REQUEST)) is details


def test_a_function_is_asked_plain_or_async() -> None:
    seen: list[TokenOptions] = []

    def plain(request: TokenOptions) -> TokenResponse:
        seen.append(request)
        return TokenResponse("wss://plain", "token")

    async def later(request: TokenOptions) -> TokenResponse:
        await asyncio.sleep(0)
        return plain(request)

    for function in (plain, later):
        assert asyncio.run(CustomTokens(function).fetch(REQUEST)).server_url == "wss://plain"
    assert seen == [REQUEST, REQUEST]


def test_whatever_a_function_does_wrong_is_a_token_error() -> None:
    def raising(_request: TokenOptions) -> TokenResponse:
        raise KeyError("secret-in-the-text")

    def wrong(_request: TokenOptions) -> Any:
        return {"url": "wss://x"}

    for function, told in (
        (raising, "KeyError"),
        (wrong, "TokenResponse"),
    ):
        with pytest.raises(TokenError, match=told) as failed:
            asyncio.run(CustomTokens(function).fetch(REQUEST))
        assert "secret" not in str(failed.value)


def test_a_function_that_blocks_or_hangs_has_its_time_and_stops_nobody_else() -> None:
    let_go = threading.Event()

    def blocks(_request: TokenOptions) -> TokenResponse:
        let_go.wait(DEADLINE_S)
        return TokenResponse("wss://late", "token")

    async def hangs(_request: TokenOptions) -> TokenResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario() -> None:
        for function in (blocks, hangs):
            with pytest.raises(TokenError, match=r"within 0\.05 s"):
                await CustomTokens(function, within_s=0.05).fetch(REQUEST)
        let_go.set()

    asyncio.run(scenario())


def test_a_response_does_not_show_its_token() -> None:
    response = TokenResponse("wss://livekit.example", "hush")
    assert "hush" not in f"{response!r} {response}"


# -- what it says of itself ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "said", "room"),
    [
        (_token(video={"room": "its own"}), "", "its own"),
        (_token(video={"room": "its own"}), "said", "its own"),
        (_token(video={}), "said", "said"),
        (_token(), "", ""),
        ("opaque", "said", "said"),
        (_token(video=5), "", ""),
    ],
)
def test_the_room_is_that_of_the_token_whatever_was_asked_for(
    token: str, said: str, room: str
) -> None:
    assert room_of(TokenResponse("wss://x", token, said)) == room

"""Tokens from an HTTP endpoint: against a real server on loopback, however it answers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from actors.session.tokens import TokenError, TokenOptions, TokenResponse
from actors.session.tokens.endpoint import (
    MAX_BYTES,
    SHOWN,
    EndpointTokens,
    body_of,
    read_answer,
    shown_address,
    shown_body,
)

pytestmark = pytest.mark.unit

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0ZXJtaW5hbCJ9.c2lnbmF0dXJlLW9mLWl0"
ANSWER = {"server_url": "wss://livekit.example", "participant_token": TOKEN}
REQUEST = TokenOptions("room-1", "terminal-1", "my-agent", '{"desk": 4}')

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def _serving(handler: Handler) -> AsyncIterator[int]:
    """A server on loopback that answers every path with ``handler``; its port."""
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _fetch(handler: Handler, *, query: str = "", user: str = "", **options: Any) -> TokenResponse:
    async def scenario() -> TokenResponse:
        async with _serving(handler) as port:
            address = f"http://{user}127.0.0.1:{port}/token{query}"
            return await EndpointTokens(address, **options).fetch(REQUEST)

    return asyncio.run(scenario())


def _answering(body: str | bytes | None = None, status: int = 200) -> Handler:
    content = json.dumps(ANSWER) if body is None else body

    async def handler(_request: web.Request) -> web.StreamResponse:
        raw = content.encode() if isinstance(content, str) else content
        return web.Response(body=raw, status=status)

    return handler


def _error(handler: Handler, **more: Any) -> str:
    with pytest.raises(TokenError) as failed:
        _fetch(handler, **more)
    assert TOKEN not in str(failed.value)
    assert TOKEN not in repr(failed.value)
    return str(failed.value)


# -- what is asked ---------------------------------------------------------------------------------


def test_it_posts_json_in_snake_case() -> None:
    seen: list[tuple[str, str, Any]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.content_type, await request.json()))
        return web.json_response(ANSWER)

    assert _fetch(handler) == TokenResponse("wss://livekit.example", TOKEN)
    body = {
        "room_name": "room-1",
        "participant_identity": "terminal-1",
        "room_config": {"agents": [{"agent_name": "my-agent", "metadata": '{"desk": 4}'}]},
    }
    assert seen == [("POST", "application/json", body)]


def test_all_that_can_be_asked_for() -> None:
    request = TokenOptions(
        room_name="r",
        participant_identity="i",
        agent_name="a",
        participant_name="n",
        participant_metadata="m",
        participant_attributes={"k": "v"},
    )
    assert body_of(request) == {
        "room_name": "r",
        "participant_name": "n",
        "participant_identity": "i",
        "participant_metadata": "m",
        "participant_attributes": {"k": "v"},
        "room_config": {"agents": [{"agent_name": "a"}]},
    }


def test_what_is_empty_is_left_out() -> None:
    assert body_of(TokenOptions()) == {}


def test_the_development_server_is_told_the_trimmed_id() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["X-Sandbox-ID"])
        return web.json_response(ANSWER)

    async def scenario() -> None:
        async with _serving(handler) as port:
            source = EndpointTokens.development(' "my-app-1x2y"\n', f"http://127.0.0.1:{port}/")
            await source.fetch(REQUEST)

    asyncio.run(scenario())
    assert seen == ["my-app-1x2y"]


# -- what is answered ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_any_2xx_is_an_answer(status: int) -> None:
    assert _fetch(_answering(status=status)).participant_token == TOKEN


def test_camel_case_is_accepted_and_unknown_fields_are_ignored() -> None:
    body = json.dumps(
        {
            "serverUrl": "wss://livekit.example",
            "participantToken": TOKEN,
            "roomName": "another-room",
            "participantName": "Platform 4",
            "somethingElse": {"deep": [1, 2, 3]},
        }
    )
    details = _fetch(_answering(body))
    assert (details.server_url, details.participant_token) == ("wss://livekit.example", TOKEN)
    assert (details.room_name, details.participant_name) == ("another-room", "Platform 4")


def test_an_answer_in_small_parts_is_read_whole() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for byte in json.dumps(ANSWER).encode():
            await response.write(bytes([byte]))
        return response

    assert _fetch(handler).participant_token == TOKEN


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '"wss://livekit.example"',
        "{}",
        "<html>not json</html>",
        b"\xff\xfe\x00garbage",
        b'{"server_url": "wss://\xff", "participant_token": "x"}',
        json.dumps({"server_url": "wss://livekit.example"}),
        json.dumps({"participant_token": TOKEN}),
        json.dumps({"server_url": "", "participant_token": TOKEN}),
        json.dumps({"server_url": "wss://livekit.example", "participant_token": ""}),
        json.dumps({"server_url": 1, "participant_token": TOKEN}),
        json.dumps({"server_url": None, "participant_token": [TOKEN]}),
        '{"a":' * 10_000,
        '{"server_url": "wss://livekit.example", "participant_token": "cut of',
    ],
)
def test_an_answer_that_is_none_is_told(body: str | bytes) -> None:
    told = _error(_answering(body))
    assert "answered without a server_url and a participant_token" in told
    assert "http://127.0.0.1:" in told
    assert "/token" in told


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_but_a_token_error(content: bytes) -> None:
    with pytest.raises(TokenError):
        read_answer(content, "http://endpoint")


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500, 502, 503, 599])
def test_an_error_is_told_with_status_body_and_address(status: int) -> None:
    told = _error(_answering("no such\n sandbox", status))
    assert f"answered {status}: no such sandbox" in told
    assert "http://127.0.0.1:" in told


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    visited: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        visited.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    assert f"answered {status}" in _error(handler)
    assert visited == ["/token"]


def test_nothing_secret_is_told() -> None:
    told = _error(
        _answering(f'{{"participantToken": "{TOKEN}", "hint": "see below"}}', 500),
        query="?key=very-secret",
        user="someone:pass-word@",
    )
    assert "see below" in told
    for secret in ("very-secret", "pass-word", "someone", TOKEN):
        assert secret not in told


def test_the_token_is_not_in_the_repr() -> None:
    assert TOKEN not in repr(TokenResponse("wss://livekit.example", TOKEN))


def test_of_a_long_error_only_the_beginning_is_told() -> None:
    told = _error(_answering("x y " * 100_000, 500))
    assert len(told) < SHOWN + 100


def test_an_answer_that_is_too_long_is_told() -> None:
    body = json.dumps({**ANSWER, "padding": "x" * MAX_BYTES})
    assert f"more than {MAX_BYTES} bytes" in _error(_answering(body))


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 10_000)
        except ConnectionError:
            return response

    assert f"more than {MAX_BYTES} bytes" in _error(handler)


def test_a_server_that_hangs_is_told() -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    assert "did not answer within 0.2 s" in _error(handler, timeout_s=0.2)


def test_a_server_that_breaks_off_is_told() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    assert "was not reached: " in _error(handler)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:1/token?key=secret", "http://127.0.0.1:1/token was not reached"),
        ("http://no-such-host.invalid/", "http://no-such-host.invalid/ was not reached"),
        ("ftp://127.0.0.1/token", "ftp://127.0.0.1/token "),
        ("not an address", "is not an http or https address"),
        ("http://[half", "the token endpoint "),
        ("http://127.0.0.1:99999/", "the token endpoint "),
        ("", "is not an http or https address"),
    ],
)
def test_an_address_where_nobody_answers_is_told(address: str, told: str) -> None:
    with pytest.raises(TokenError) as failed:
        asyncio.run(EndpointTokens(address, timeout_s=5.0).fetch(REQUEST))
    assert told in str(failed.value)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:pw@tokens.example:8443/a/b?key=1#x", "https://tokens.example:8443/a/b"),
        ("https://tokens.example", "https://tokens.example"),
    ],
)
def test_of_an_address_only_what_is_no_secret_is_shown(address: str, shown: str) -> None:
    assert shown_address(address) == shown


@given(st.binary(max_size=2000))
def test_a_body_is_shown_on_one_line_of_bounded_length(content: bytes) -> None:
    shown = shown_body(content)
    assert len(shown) <= SHOWN
    assert shown.isprintable()

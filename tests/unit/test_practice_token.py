"""What the practice room reads of a token, and what it refuses."""

import asyncio
import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.room.backend import RoomError
from actors.room.practice_token import LEEWAY_S, Place, place_of
from actors.session.tokens import TokenOptions
from actors.session.tokens.local import LocalTokens
from actors.session.tokens.practice import PracticeTokens

pytestmark = pytest.mark.unit

NOW = 1_000_000.0
GRANTS = {"roomJoin": True, "room": "r"}


def _token(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.signature"


@given(room=st.text(min_size=1), identity=st.text(min_size=1))
def test_the_sessions_practice_token_names_room_and_identity(room: str, identity: str) -> None:
    details = asyncio.run(PracticeTokens().fetch(TokenOptions(room, identity)))
    assert details.server_url == ""
    assert place_of(details.participant_token, NOW) == Place(room, identity)


def test_a_signed_token_is_read_too() -> None:
    tokens = LocalTokens("ws://127.0.0.1:1", "key", "secret" * 6)
    details = asyncio.run(tokens.fetch(TokenOptions("r", "me")))
    assert place_of(details.participant_token, time.time()) == Place("r", "me")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "me"},
        {"sub": "me", "video": {"room": "r"}},
        {"sub": "me", "video": {"roomJoin": True}},
        {"video": GRANTS},
        {"sub": "me", "video": GRANTS, "exp": NOW - LEEWAY_S - 1},
        {"sub": "me", "video": GRANTS, "nbf": NOW + LEEWAY_S + 1},
        {"sub": 7, "video": GRANTS},
        ["sub"],
    ],
)
def test_a_token_that_lets_nobody_in_is_refused(claims: object) -> None:
    with pytest.raises(RoomError) as caught:
        place_of(_token(claims), NOW)
    assert caught.value.code == "refused"


@given(token=st.text() | st.binary().map(lambda raw: f"e30.{base64.b64encode(raw).decode()}.x"))
def test_garbage_is_refused_and_nothing_else(token: str) -> None:
    with pytest.raises(RoomError) as caught:
        place_of(token, NOW)
    assert caught.value.code == "refused"
    assert caught.value.__suppress_context__

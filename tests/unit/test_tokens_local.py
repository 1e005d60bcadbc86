"""Tokens signed here, and those of the practice room: their claims."""

import asyncio
import time
from typing import Any

import jwt
import pytest
from livekit import api

from actors.session.tokens import TokenError, TokenOptions, TokenResponse
from actors.session.tokens.local import LIFETIME, LocalTokens
from actors.session.tokens.practice import PracticeTokens

pytestmark = pytest.mark.unit

URL = "ws://127.0.0.1:7880"
KEY, SECRET = "APIkey", "a-secret-of-at-least-32-characters"


def _fetch(request: TokenOptions, key: str = KEY, secret: str = SECRET) -> TokenResponse:
    return asyncio.run(LocalTokens(URL, key, secret).fetch(request))


def _claims(details: TokenResponse) -> dict[str, Any]:
    claims = jwt.decode(details.participant_token, SECRET, algorithms=["HS256"])
    assert isinstance(claims, dict)
    return claims


def test_it_is_signed_with_the_secret_for_the_room_and_the_identity() -> None:
    details = _fetch(TokenOptions("room-1", "terminal-1"))
    assert details.server_url == URL
    claims = _claims(details)
    assert (claims["iss"], claims["sub"]) == (KEY, "terminal-1")
    granted = {grant: value for grant, value in claims["video"].items() if value}
    assert granted == {
        "roomJoin": True,
        "room": "room-1",
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": True,
        "canUpdateOwnMetadata": True,
    }


def test_livekits_own_library_reads_in_it_what_it_would_have_written() -> None:
    request = TokenOptions("room-1", "t", "my-agent", "desk 4", "Platform 4", "m", {"floor": "2"})
    ours = api.TokenVerifier(KEY, SECRET).verify(_fetch(request).participant_token)
    dispatch = api.RoomAgentDispatch(agent_name="my-agent", metadata="desk 4")
    grants = api.VideoGrants(room_join=True, room="room-1", can_update_own_metadata=True)
    theirs = (
        api.AccessToken(KEY, SECRET)
        .with_identity("t")
        .with_name("Platform 4")
        .with_metadata("m")
        .with_attributes({"floor": "2"})
        .with_grants(grants)
        .with_room_config(api.RoomConfiguration(agents=[dispatch]))
    )
    assert ours == api.TokenVerifier(KEY, SECRET).verify(theirs.to_jwt())


def test_another_secret_does_not_verify_it() -> None:
    details = _fetch(TokenOptions("room-1", "terminal-1"))
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(details.participant_token, SECRET[::-1], algorithms=["HS256"])


def test_it_lives_as_long_as_a_join_may_take_and_no_longer() -> None:
    before = time.time()
    claims = _claims(_fetch(TokenOptions("room-1", "terminal-1")))
    after = time.time()
    lifetime = LIFETIME.total_seconds()
    assert lifetime <= 600
    assert int(before + lifetime) <= claims["exp"] <= after + lifetime
    assert claims["nbf"] <= after


def test_every_join_gets_a_token_of_its_own_age() -> None:
    source = LocalTokens(URL, KEY, SECRET)
    first, second = (asyncio.run(source.fetch(TokenOptions(name, "t"))) for name in "ab")
    assert (_claims(first)["video"]["room"], _claims(second)["video"]["room"]) == ("a", "b")


def test_it_dispatches_the_agent_with_its_metadata() -> None:
    claims = _claims(_fetch(TokenOptions("room-1", "terminal-1", "my-agent", '{"desk": 4}')))
    (agent,) = claims["roomConfig"]["agents"]
    assert (agent["agentName"], agent["metadata"]) == ("my-agent", '{"desk": 4}')


def test_without_an_agents_name_nobody_is_dispatched() -> None:
    claims = _claims(_fetch(TokenOptions("room-1", "terminal-1", "", "for nobody")))
    assert "roomConfig" not in claims


def test_the_participants_name_metadata_and_attributes() -> None:
    request = TokenOptions(
        "r",
        "t",
        participant_name="Platform 4",
        participant_metadata="m",
        participant_attributes={"floor": "2"},
    )
    claims = _claims(_fetch(request))
    assert (claims["name"], claims["metadata"]) == ("Platform 4", "m")
    assert claims["attributes"] == {"floor": "2"}


@pytest.mark.parametrize(
    ("key", "secret"),
    [("", SECRET), (KEY, ""), (KEY, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")],
)
def test_a_key_of_no_use_is_told_and_not_shown(
    key: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TokenError, match="no token can be signed") as failed:
        _fetch(TokenOptions("r", "t"), key, secret)
    assert "AAAA" not in repr(failed.value)
    assert failed.value.__suppress_context__, "the library's own words are not shown"


def test_neither_key_nor_secret_is_in_the_repr() -> None:
    source = LocalTokens(URL, KEY, SECRET)
    assert SECRET not in repr(source)
    assert SECRET not in repr(asyncio.run(source.fetch(TokenOptions("r", "t"))))


def test_the_practice_rooms_token_says_who_is_to_join_what() -> None:
    details = asyncio.run(PracticeTokens().fetch(TokenOptions("room-1", "terminal-1")))
    assert details.server_url == ""
    claims = jwt.decode(details.participant_token, options={"verify_signature": False})
    assert claims["sub"] == "terminal-1"
    assert claims["video"] == {"roomJoin": True, "room": "room-1"}
    assert jwt.get_unverified_header(details.participant_token)["alg"] == "none"

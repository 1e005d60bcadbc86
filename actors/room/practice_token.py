"""Which room and which identity a token is for. Pure.

A practice room has no keys: it reads the claims of a LiveKit access token (a JWT as its SDKs sign
it) and checks what a server checks of them, but not the signature. Who can reach the room's
socket is this user already.
"""

import base64
import binascii
from dataclasses import dataclass

import msgspec

from .backend import RoomError

LEEWAY_S = 60.0
"""Two clocks of one machine agree; a token endpoint's may not."""


class _Video(msgspec.Struct):
    room: str = ""
    join: bool = msgspec.field(name="roomJoin", default=False)


class _Claims(msgspec.Struct):
    identity: str = msgspec.field(name="sub", default="")
    video: _Video = msgspec.field(default_factory=_Video)
    not_before: float = msgspec.field(name="nbf", default=0.0)
    expires: float = msgspec.field(name="exp", default=float("inf"))


@dataclass(frozen=True)
class Place:
    """Where a token lets its bearer in, and as whom."""

    room: str
    identity: str


def place_of(token: str, now: float) -> Place:
    """Read a token; ``now``: Unix seconds. Raises :class:`RoomError` (``refused``)."""
    claims = _claims(token)
    if not (claims.video.join and claims.video.room and claims.identity):
        raise RoomError("the token does not let anyone join a room", "refused")
    if not claims.not_before - LEEWAY_S <= now <= claims.expires + LEEWAY_S:
        raise RoomError("the token is not valid at this time", "refused")
    return Place(claims.video.room, claims.identity)


def _claims(token: str) -> _Claims:
    parts = token.split(".")
    try:
        if len(parts) != 3:
            raise ValueError("not a JWT")
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(body, type=_Claims)
    except (ValueError, binascii.Error, RecursionError):
        raise RoomError("the room has refused the token", "refused") from None

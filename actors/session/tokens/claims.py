"""What a token says of itself; whether that is true is the server's matter. Pure."""

import base64

import msgspec

from actors.messages import TokenResponse


class Video(msgspec.Struct, frozen=True):
    """LiveKit's grants, as far as they are read here."""

    room: str = ""


class Claims(msgspec.Struct, frozen=True):
    """Of an access token."""

    exp: float | None = None
    nbf: float = 0.0
    video: Video = Video()


def claims_of(token: str) -> Claims | None:
    """None: it cannot be read."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(body, type=Claims)
    except (ValueError, RecursionError):  # binascii's and msgspec's errors are ValueErrors
        return None


def room_of(response: TokenResponse) -> str:
    """The room that one joins with it, whatever room was asked for; empty: it does not say."""
    claims = claims_of(response.participant_token)
    return (claims.video.room if claims else "") or response.room_name

"""What the LiveKit client says of a failure, as sentences without secrets. Pure.

Its own texts cannot be passed on: a refused token, for one, stands in them in full.
"""

import re

from actors.messages import RoomEnd

from .backend import RoomError

_DISCONNECTED = {
    "CLIENT_INITIATED": "",
    "DUPLICATE_IDENTITY": "another participant has joined with the same identity",
    "SERVER_SHUTDOWN": "the server is shutting down",
    "PARTICIPANT_REMOVED": "this terminal was removed from the room",
    "ROOM_DELETED": "the room was deleted",
    "ROOM_CLOSED": "the room was closed",
    "STATE_MISMATCH": "the server no longer knows this connection",
    "JOIN_FAILURE": "the connection could not be completed",
    "MIGRATION": "the server has asked to connect elsewhere",
    "SIGNAL_CLOSE": "the server has closed the connection",
    "CONNECTION_TIMEOUT": "the connection has timed out",
    "MEDIA_FAILURE": "no media could be exchanged with the server",
    "AGENT_ERROR": "the agent has failed",
}

_ENDS: dict[str, RoomEnd] = {
    "CLIENT_INITIATED": "",
    "DUPLICATE_IDENTITY": "replaced",
    "PARTICIPANT_REMOVED": "closed",
    "ROOM_DELETED": "closed",
    "ROOM_CLOSED": "closed",
}

_NOT_CONNECTED = (
    (r"\b40[13]\b", "refused", "the server has refused the token"),
    (r"parse the url|invalid url|url scheme|unsupported scheme", "invalid",
     "the address is not a ws:// or wss:// URL"),
    (r"connection refused", "unreachable", "nothing listens at the server's address"),
    (r"lookup|resolve|dns", "unreachable", "the server's name cannot be resolved"),
    (r"certificate|tls|ssl", "unreachable", "no secure connection to the server is possible"),
    (r"timed? ?out", "unreachable", "the server does not answer in time"),
    (r"unreachable|no route", "unreachable", "there is no network to the server"),
    (r"\b404\b", "unreachable", "there is no LiveKit server at this address"),
    (r"\b5\d\d\b", "unreachable", "the server answers with an error of its own"),
)  # fmt: skip

_SECRET = re.compile(r"eyJ[\w.=-]+|access_token=\S+|https?://\S+|wss?://\S+")
_LONGEST = 200


def disconnected(name: str) -> str:
    """Why a connection ended; ``name``: of LiveKit's DisconnectReason. Empty: we asked for it."""
    return _DISCONNECTED.get(name, "the connection to the server was lost")


def end_of(name: str) -> RoomEnd:
    """Whether it is of use to come again; ``name`` as for :func:`disconnected`."""
    return _ENDS.get(name, "lost")


def left_by_itself(name: str) -> bool:
    """Whether a participant has gone on purpose, its own or of one entitled to it; what else there
    is (mostly ``CONNECTION_TIMEOUT``, 20 s after its death) happened to it.
    """
    return name in ("CLIENT_INITIATED", "PARTICIPANT_REMOVED")


def not_connected(text: str) -> RoomError:
    """The error for what the client said when it could not connect."""
    for pattern, code, reason in _NOT_CONNECTED:
        if re.search(pattern, text, re.IGNORECASE):
            return RoomError(reason, code)
    return RoomError(f"could not connect: {scrubbed(text)}")


def scrubbed(text: str) -> str:
    """Without tokens and addresses, and not longer than a line."""
    return _SECRET.sub("...", text)[:_LONGEST]

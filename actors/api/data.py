"""Packets of data, to the room and from it: LiveKit's ``publishData``."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from actors.messages import DataReceived, SendData


@dataclass(frozen=True)
class DataPacket:
    """One that has come."""

    payload: bytes
    """Whatever was sent, at most 15 KiB."""
    topic: str
    """That its sender gave it; empty: none."""
    participant_identity: str
    """Of its sender; empty: a server."""


OnData = Callable[[DataPacket], None]
"""Called in the session's loop."""


def packet_of(came: DataReceived) -> DataPacket:
    """From the wire."""
    return DataPacket(came.payload, came.topic, came.participant)


def order(payload: bytes | str, topic: str, to: Iterable[str], *, reliable: bool) -> SendData:
    """To send one."""
    content = payload.encode() if isinstance(payload, str) else bytes(payload)
    return SendData(content, topic, reliable, tuple(to))

"""Bytes to messages and back: msgpack with limits, then msgspec's validation.

A frame comes from another process and may be anything; decoding never raises but
:class:`CorruptMessage`, which keeps the bytes and the cause, and never allocates more than the
limits below.
"""

from typing import Any

import msgpack
import msgspec

from . import CATALOGUE
from .base import PROTOCOL_VERSION, Envelope, Header, Kind, Message

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Largest frame that is read: the 10 MiB of a whole pre-connect buffer, and room to spare."""

MAX_ARRAY = 10_000
"""Longest array or map in a message: a page of 1000 history messages is the largest there is."""

_HEADER_FIELDS = len(Header.__struct_fields__)

_TYPES = {message.tag(): message for message in CATALOGUE}
"""By tag: a lookup and a plain struct; a union of the whole catalogue costs 80 us to convert."""


class CorruptMessage(ValueError):
    """A frame that is not a message of the catalogue.

    ``frame`` holds the bytes as received; the exception's cause is what the decoder said.
    """

    def __init__(self, frame: bytes, cause: Exception) -> None:
        super().__init__(f"{len(frame)} bytes that are no message: {type(cause).__name__}")
        self.frame = frame
        self.__cause__ = cause


def encode(
    message: Message,
    *,
    kind: Kind,
    sender: str,
    to: str = "",
    id: int = 0,  # noqa: A002  # the field's name on the wire
    deadline: float = 0.0,
) -> bytes:
    """One frame: the envelope and the message in it. Fields as in :class:`Header`."""
    envelope = (PROTOCOL_VERSION, kind, to, sender, id, message.tag(), deadline, message)
    plain = msgspec.to_builtins(envelope, builtin_types=(bytes,))
    packed = msgpack.packb(plain, use_bin_type=True)
    assert isinstance(packed, bytes)
    return packed


def _unpack(frame: bytes) -> list[Any]:
    if len(frame) > MAX_FRAME_BYTES:
        raise ValueError(f"longer than {MAX_FRAME_BYTES} bytes")
    raw = msgpack.unpackb(
        frame,
        raw=False,
        strict_map_key=True,
        max_str_len=MAX_FRAME_BYTES,
        max_bin_len=MAX_FRAME_BYTES,
        max_array_len=MAX_ARRAY,
        max_map_len=MAX_ARRAY,
        max_ext_len=0,
    )
    if not isinstance(raw, list) or len(raw) <= _HEADER_FIELDS:
        raise ValueError("not an envelope")
    if raw[0] != PROTOCOL_VERSION:
        raise ValueError("another version of the protocol")
    return raw


def decode_header(frame: bytes) -> Header:
    """What the router needs to know of a frame. Raises :class:`CorruptMessage`."""
    try:
        return msgspec.convert(_unpack(frame)[:_HEADER_FIELDS], Header)
    except (ValueError, msgpack.UnpackException, RecursionError) as cause:
        raise CorruptMessage(frame, cause) from cause


def decode(frame: bytes) -> Envelope:
    """The envelope with its message as one of the catalogue's types.

    Raises :class:`CorruptMessage`.
    """
    try:
        raw = _unpack(frame)
        header = msgspec.convert(raw[:_HEADER_FIELDS], Header)
        if (type_ := _TYPES.get(header.topic)) is None:
            raise ValueError("no such message")
        message = msgspec.convert(raw[_HEADER_FIELDS], type_)
    except (ValueError, msgpack.UnpackException, RecursionError) as cause:
        raise CorruptMessage(frame, cause) from cause
    return Envelope(
        version=header.version,
        kind=header.kind,
        to=header.to,
        sender=header.sender,
        id=header.id,
        topic=header.topic,
        deadline=header.deadline,
        message=message,
    )

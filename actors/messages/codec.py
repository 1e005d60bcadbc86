"""Bytes to messages and back: msgpack, written and read by msgspec, which checks types as it reads.

A frame comes from another process and may be anything; decoding never raises but
:class:`CorruptMessage`, which keeps the bytes and the cause, and allocates nothing that the frame
only claims to hold: an array of four billion that is not there is refused at once.

Between two messages a process sleeps, and what it then runs is no longer in the processor's caches:
an encoding that takes 1 us in a loop takes 20. So a frame is gone through once: msgpack's own
library, whose plain values were then converted, took twice as long both ways. A call more in here
is 2 to 4 us more, in each process that a frame passes through: hence three functions much alike.
"""

import functools
import operator

import msgspec

from . import CATALOGUE
from .base import PROTOCOL_VERSION, Envelope, Header, Kind, Message

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Largest frame that is read: the 10 MiB of a whole pre-connect buffer, and room to spare."""


_ANY_MESSAGE: type[Message] = functools.reduce(operator.or_, CATALOGUE)
"""Told by the tag that it begins with. The union of a list: known to no type checker."""


class _Frame(Envelope, frozen=True, array_like=True):
    """As it is read."""

    message: _ANY_MESSAGE  # type: ignore[valid-type]


_write_frame = msgspec.msgpack.Encoder().encode
_read_frame = msgspec.msgpack.Decoder(_Frame).decode
_read_message = msgspec.msgpack.Decoder(_ANY_MESSAGE).decode
_read_header = msgspec.msgpack.Decoder(Header).decode
_TAGS = {kind: kind.tag() for kind in CATALOGUE}
"""Looked up for each frame: to ask the class makes an object of all its settings."""


_TOO_LONG = ValueError(f"longer than {MAX_FRAME_BYTES} bytes")
_ANOTHER_VERSION = ValueError("another version of the protocol")
_ANOTHER_TOPIC = ValueError("another message than its topic")


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
    after: int = 0,
) -> bytes:
    """One frame: the envelope and the message in it. Fields as in :class:`Envelope`.

    Raises KeyError when the message is of no type of the catalogue.
    """
    topic = _TAGS[type(message)]
    return _write_frame((PROTOCOL_VERSION, kind, to, sender, id, topic, deadline, message, after))


def encode_message(message: Message) -> bytes:
    """One frame of a lane of the sound: the message alone, for there are two ends that know each
    other, and the envelope would be as much work again.
    """
    return _write_frame(message)


def decode_message(frame: bytes) -> Message:
    """What :func:`encode_message` has made, as one of the catalogue's types.

    Raises :class:`CorruptMessage`.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise CorruptMessage(frame, _TOO_LONG)
    try:
        return _read_message(frame)
    except (ValueError, RecursionError) as cause:
        raise CorruptMessage(frame, cause) from cause


def decode_header(frame: bytes) -> Header:
    """What the router needs to know of a frame, whose message is only known to be well-formed.

    Raises :class:`CorruptMessage`.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise CorruptMessage(frame, _TOO_LONG)
    try:
        header = _read_header(frame)
    except (ValueError, RecursionError) as cause:
        raise CorruptMessage(frame, cause) from cause
    if header.version != PROTOCOL_VERSION:
        raise CorruptMessage(frame, _ANOTHER_VERSION)
    return header


def decode(frame: bytes) -> Envelope:
    """The envelope with its message as one of the catalogue's types.

    Raises :class:`CorruptMessage`.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise CorruptMessage(frame, _TOO_LONG)
    try:
        envelope = _read_frame(frame)
    except (ValueError, RecursionError) as cause:
        raise CorruptMessage(frame, cause) from cause
    if envelope.version != PROTOCOL_VERSION:
        raise CorruptMessage(frame, _ANOTHER_VERSION)
    if envelope.topic != _TAGS[type(envelope.message)]:
        raise CorruptMessage(frame, _ANOTHER_TOPIC)
    return envelope

"""What is known of the tape beside its samples, and how it stands in the file.

There are two slots. The older is overwritten, so that one is whole whenever the process is killed;
of two whole ones the later is true.
"""

import struct
import zlib
from typing import Any, NamedTuple

import msgspec

SLOT = 2048
"""Bytes of a slot."""
SLOTS = 2 * SLOT
MAX_GAPS = 64
"""Gaps remembered: with all of them a header still fits into its slot."""
MAX_NAME = 64
"""Bytes of a conversation's id."""

_MAGIC = b"callpnt2"
_LENGTH = struct.Struct("<I")
_CRC = struct.Struct("<I")

_MAGIC_1 = b"callpnt1"
_HEADER_1 = struct.Struct("<8sQII32sQQQdBI")
_GAP_1 = struct.Struct("<QQ")


class Gap(NamedTuple):
    """Samples that were never captured."""

    position: int
    length: int

    @property
    def end(self) -> int:
        """One past its last position."""
        return self.position + self.length


class Header(msgspec.Struct, frozen=True, array_like=True):
    """Positions and lengths in samples.

    Fields are only ever appended, with a default: a tape that an earlier version has written is
    taken over by a later one, whose process goes on in the middle of a conversation.
    """

    sample_rate: int
    """Hz."""
    capacity: int
    """Samples in the file."""
    serial: int = 0
    """Counts the updates: of two whole headers the later one is true."""
    conversation: str = ""
    """Whose words are on the tape; empty: nobody's."""
    start: int = 0
    """First position of the conversation."""
    end: int = 0
    """One past the last."""
    served: int = 0
    """Everything before it has reached the agent."""
    written_at: float = 0.0
    """CLOCK_BOOTTIME seconds when the last sample was written."""
    recording: bool = False
    """More samples are to come."""
    gaps: tuple[Gap, ...] = ()
    """In order."""
    muted: bool = False
    """The microphone is off, until somebody turns it on."""
    wiped: int = 0
    """Nothing that was said before it is in the file any more."""
    boot: str = ""
    """The start of the machine that ``written_at`` counts from; empty: unknown."""

    def pack(self) -> bytes:
        """The slot's bytes. Raises ValueError when they do not fit."""
        fields = msgspec.msgpack.encode(self)
        body = _MAGIC + _LENGTH.pack(len(fields)) + fields
        if len(body) + _CRC.size > SLOT:
            raise ValueError("the header is larger than its slot")
        return body + _CRC.pack(zlib.crc32(body))


def unpack(slot: bytes) -> Header | None:
    """None for a slot that is not whole."""
    if slot.startswith(_MAGIC_1):
        return _unpack_1(slot)
    try:
        (length,) = _LENGTH.unpack_from(slot, len(_MAGIC))
        begin = len(_MAGIC) + _LENGTH.size
        (crc,) = _CRC.unpack_from(slot, begin + length)
        if not slot.startswith(_MAGIC) or crc != zlib.crc32(slot[: begin + length]):
            return None
        return msgspec.msgpack.decode(slot[begin : begin + length], type=Header)
    except (struct.error, msgspec.DecodeError):
        return None


def newest(slots: bytes) -> Header | None:
    """The true one of both slots; None when neither is whole."""
    whole = filter(None, map(unpack, (slots[:SLOT], slots[SLOT:])))
    return max(whole, key=lambda header: header.serial, default=None)


def is_ours(slots: bytes) -> bool:
    """A tape stands or stood in this file, or nothing does."""
    heads = (slots[:SLOT], slots[SLOT:])
    return not any(slots) or any(head.startswith((_MAGIC, _MAGIC_1)) for head in heads)


def _unpack_1(slot: bytes) -> Header | None:
    """The first version: it kept the words of a conversation that was over."""
    fields: tuple[Any, ...]
    try:
        fields = _HEADER_1.unpack_from(slot)
        length = _HEADER_1.size + fields[-1] * _GAP_1.size
        (crc,) = _CRC.unpack_from(slot, length)
    except struct.error:
        return None
    if crc != zlib.crc32(slot[:length]):
        return None
    _, serial, rate, capacity, name, start, end, served, written_at, recording, _ = fields
    gaps = tuple(map(Gap._make, _GAP_1.iter_unpack(slot[_HEADER_1.size : length])))
    conversation = name.rstrip(b"\0").decode(errors="replace")
    return Header(
        rate, capacity, serial, conversation, start, end, served, written_at, bool(recording), gaps
    )

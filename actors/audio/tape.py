"""The tape: a ring of samples in a memory-mapped file that outlives its process.

Every sample has an absolute position that only ever grows. What was never captured (the device
was lost, this process was restarted) is on the tape as a gap with its length. Written by the audio
process alone.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

MAGIC = b"callpnt1"
MAX_GAPS = 64
"""Gaps remembered; of more, the oldest are forgotten (their samples read as silence)."""
SAMPLE = 2
"""Bytes of an int16 sample."""

_SLOT = 2048
"""Bytes of one of the two headers: the older is overwritten, so that one is always whole."""
_HEADER = struct.Struct("<8sQII32sQQQdBI")
_GAP = struct.Struct("<QQ")
_CRC = struct.Struct("<I")
_DATA = 2 * _SLOT


class TapeError(Exception):
    """The tape cannot be made. The text is for the operator."""


@dataclass(frozen=True)
class Header:
    """What is known of the tape beside its samples; positions in samples."""

    sample_rate: int
    capacity: int
    serial: int = 0
    """Counts the updates: of two whole headers the later one is true."""
    conversation: str = ""
    start: int = 0
    """First position of the conversation."""
    end: int = 0
    """One past the last."""
    served: int = 0
    """Everything before it has reached the agent."""
    written_at: float = 0.0
    """CLOCK_BOOTTIME seconds of the last sample: the length of a restart's gap."""
    recording: bool = False
    gaps: tuple[tuple[int, int], ...] = ()
    """(position, length) of what was never captured, in order."""

    def pack(self) -> bytes:
        """The slot's bytes."""
        fixed = _HEADER.pack(
            MAGIC,
            self.serial,
            self.sample_rate,
            self.capacity,
            self.conversation.encode()[:32],
            self.start,
            self.end,
            self.served,
            self.written_at,
            self.recording,
            len(self.gaps),
        )
        body = fixed + b"".join(_GAP.pack(*gap) for gap in self.gaps)
        return body + _CRC.pack(zlib.crc32(body))

    @staticmethod
    def unpack(slot: bytes) -> "Header | None":
        """None for a slot that is not whole."""
        try:
            magic, serial, rate, capacity, name, start, end, served, at, recording, gaps = (
                _HEADER.unpack_from(slot)
            )
            length = _HEADER.size + gaps * _GAP.size
            (crc,) = _CRC.unpack_from(slot, length)
        except struct.error:
            return None
        if magic != MAGIC or crc != zlib.crc32(slot[:length]):
            return None
        pairs = tuple(_GAP.iter_unpack(slot[_HEADER.size : length]))
        conversation = name.rstrip(b"\0").decode(errors="replace")
        return Header(
            rate, capacity, serial, conversation, start, end, served, at, bool(recording), pairs
        )


@dataclass(frozen=True)
class Run:
    """A piece of the tape: samples, or a gap of ``gap`` samples."""

    position: int
    pcm: bytes
    gap: int = 0

    @property
    def end(self) -> int:
        """One past its last position."""
        return self.position + (self.gap or len(self.pcm) // SAMPLE)


class Tape:
    """``Tape.open`` makes or takes over the file; use it as long as the process lives."""

    def __init__(self, view: mmap.mmap, header: Header) -> None:
        self._view = view
        self.header = header

    @classmethod
    def open(cls, path: Path, sample_rate: int, seconds: int) -> "Tape":
        """Take over the tape at ``path``, or make one (mode 0600, all its space reserved, so that
        a full disk is told now and not by a signal later). One that does not fit is set aside.

        Raises :class:`TapeError`.
        """
        capacity = sample_rate * seconds
        size = _DATA + capacity * SAMPLE
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as cause:
            raise TapeError(f"{path}: {cause.strerror}") from cause
        try:
            found = os.fstat(fd).st_size
            if found not in (0, size):
                os.close(fd)
                path.rename(path.with_name(f"{path.name}.set-aside"))
                return cls.open(path, sample_rate, seconds)
            os.posix_fallocate(fd, 0, size)
            view = mmap.mmap(fd, size)
        except OSError as cause:
            raise TapeError(f"no room for {size >> 20} MiB of tape: {cause.strerror}") from cause
        finally:
            if found in (0, size):
                os.close(fd)
        slots = [Header.unpack(view[at : at + _SLOT]) for at in (0, _SLOT)]
        whole = [h for h in slots if h and (h.sample_rate, h.capacity) == (sample_rate, capacity)]
        newest = max(whole, key=lambda header: header.serial, default=None)
        return cls(view, newest or Header(sample_rate, capacity))

    def close(self) -> None:
        """Unmap; the file stays."""
        self._view.close()

    @property
    def oldest(self) -> int:
        """First position that can still be read."""
        return max(self.header.start, self.header.end - self.header.capacity)

    def begin(self, conversation: str, now: float) -> None:
        """A conversation begins at the next position; nothing before it can be read any more."""
        end = self.header.end
        self._update(
            conversation=conversation,
            start=end,
            served=end,
            recording=True,
            gaps=(),
            written_at=now,
        )

    def resume(self, now: float) -> int:
        """Go on after a restart: what was not captured meanwhile is a gap; returns its length."""
        missed = round((now - self.header.written_at) * self.header.sample_rate)
        missed = max(0, missed)
        if missed:
            self.skip(missed, now)
        self._update(recording=True)
        return missed

    def stop(self) -> None:
        """The conversation has ended."""
        self._update(recording=False)

    def append(self, pcm: bytes, now: float) -> int:
        """Add samples; returns the position of the first."""
        position = self.header.end
        count = len(pcm) // SAMPLE
        at = position % self.header.capacity
        first = min(count, self.header.capacity - at)
        self._put(at, pcm[: first * SAMPLE])
        self._put(0, pcm[first * SAMPLE :])
        # The samples are there before the end says so: a crash between costs only this block.
        self._update(end=position + count, written_at=now)
        return position

    def skip(self, count: int, now: float) -> None:
        """Note that ``count`` samples were never captured."""
        gaps = (*self.header.gaps, (self.header.end, count))[-MAX_GAPS:]
        self._update(end=self.header.end + count, gaps=gaps, written_at=now)

    def serve(self, position: int) -> None:
        """Everything before ``position`` has reached the agent; it never goes back."""
        if self.header.served < position <= self.header.end:
            self._update(served=position)

    def read(self, position: int, limit: int) -> Run | None:
        """The run at ``position`` of at most ``limit`` samples; None at the end of the tape.

        What is no longer there is a gap.
        """
        if position >= self.header.end:
            return None
        if position < self.oldest:
            return Run(position, b"", self.oldest - position)
        stop = min(position + limit, self.header.end)
        for begin, length in self.header.gaps:
            if begin <= position < begin + length:
                return Run(position, b"", begin + length - position)
            if position < begin:
                stop = min(stop, begin)
                break
        return Run(position, b"".join(self._pieces(position, stop)))

    def _pieces(self, position: int, stop: int) -> Iterator[bytes]:
        at = position % self.header.capacity
        first = min(stop - position, self.header.capacity - at)
        yield self._get(at, first)
        yield self._get(0, stop - position - first)

    def _get(self, at: int, count: int) -> bytes:
        begin = _DATA + at * SAMPLE
        return self._view[begin : begin + count * SAMPLE]

    def _put(self, at: int, pcm: bytes) -> None:
        begin = _DATA + at * SAMPLE
        self._view[begin : begin + len(pcm)] = pcm

    def _update(self, **changes: object) -> None:
        self.header = replace(self.header, serial=self.header.serial + 1, **changes)  # type: ignore[arg-type]
        slot = self.header.pack()
        begin = (self.header.serial % 2) * _SLOT
        self._view[begin : begin + len(slot)] = slot

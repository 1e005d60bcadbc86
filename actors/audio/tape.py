"""The tape: a ring of samples in a memory-mapped file that outlives its process.

Every sample has an absolute position that only ever grows. What was never captured (the device
was lost, this process was restarted) is on the tape as a gap with its length. Written and read by
the audio process alone, in its loop's thread.

The process may be killed between any two stores. So samples are written before the header says
that they are there, and where they are written nothing is readable any more: the ring has a guard
of 0.1 s between its oldest and its newest sample. What nobody may hear any more is first taken out
of the header and then overwritten with zeros, at the next start if need be.
"""

import mmap
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .header import MAX_GAPS, MAX_NAME, SLOT, SLOTS, Gap, Header, is_ours, newest

SAMPLE = 2
"""Bytes of an int16 sample."""
GUARD_S = 0.1
"""Of the ring, unreadable: longer than a block. Longer appends are made in pieces of it."""
_ZEROS = bytes(65536)


class TapeError(Exception):
    """The tape cannot be made. The text is for the operator."""


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
        self._guard = round(GUARD_S * header.sample_rate)
        self.header = header

    @classmethod
    def open(cls, path: Path, sample_rate: int, seconds: int, boot: str = "") -> "Tape":
        """Take over the tape at ``path``, or make one (mode 0600, all its space reserved, so that
        a full disk is told now and not by a signal later).

        Of a tape of another rate or length, or one that is damaged, the words are gone; what is
        no tape is set aside. ``boot`` names this start of the machine: a conversation of an
        earlier one is over, because how long ago it was cannot be told.

        Raises :class:`TapeError`.
        """
        view, header = _mapped(path, sample_rate, sample_rate * seconds)
        tape = cls(view, header)
        if header.boot == boot:
            tape._wipe()
        else:
            tape.stop()
            tape._update(boot=boot)
        return tape

    def close(self) -> None:
        """Unmap; the file stays."""
        self._view.close()

    @property
    def oldest(self) -> int:
        """First position that can still be read."""
        header = self.header
        return max(header.start, header.end - header.capacity + self._guard)

    def outlived(self, now: float) -> bool:
        """More has been missed since the last sample than the tape can hold."""
        return now - self.header.written_at > self.header.capacity / self.header.sample_rate

    # -- the conversation ------------------------------------------------------------------------

    def begin(self, conversation: str, now: float) -> None:
        """A conversation begins at the next position; of one before it nothing is left.

        Raises ValueError for an id that is empty or has more than 64 bytes.
        """
        if not 0 < len(conversation.encode()) <= MAX_NAME:
            raise ValueError(f"a conversation's id has 1 to {MAX_NAME} bytes")
        self._forget(conversation=conversation, recording=True, written_at=now)

    def stop(self) -> None:
        """The conversation has ended: nothing of it is left."""
        self._forget(conversation="", recording=False)

    def interrupt(self) -> None:
        """Keep what there is and record no more, until :meth:`resume` or :meth:`stop`."""
        self._update(recording=False)

    def resume(self, now: float) -> int:
        """Go on after a break; ``now`` is when the next sample to be written was captured. What
        was missed until then is a gap; returns its length.
        """
        missed = max(0, round((now - self.header.written_at) * self.header.sample_rate))
        self._update(recording=True)
        self.skip(missed, now)
        return missed

    def mute(self, muted: bool) -> None:
        """Remember, also for the next process, whether the microphone is off."""
        for _slot in range(2):  # damage to one of them must not turn it on
            self._update(muted=muted)

    # -- samples ---------------------------------------------------------------------------------

    def append(self, pcm: bytes, now: float) -> int:
        """Add samples, of which the last was captured at ``now``; returns the position of the
        first. An odd byte at the end is no sample.
        """
        position = self.header.end
        whole = memoryview(pcm)[: len(pcm) // SAMPLE * SAMPLE]
        for begin in range(0, len(whole), self._guard * SAMPLE):
            piece = whole[begin : begin + self._guard * SAMPLE]
            end = self.header.end + len(piece) // SAMPLE
            for at, count in self._places(self.header.end, end):
                self._put(at, piece[: count * SAMPLE])
                piece = piece[count * SAMPLE :]
            self._update(end=end, written_at=now)
        return position

    def skip(self, count: int, now: float) -> None:
        """Note that ``count`` samples were never captured, the last of them at ``now``."""
        end = self.header.end + count
        oldest = end - self.header.capacity + self._guard
        gaps = [gap for gap in self.header.gaps if gap.end > oldest]
        if gaps and gaps[-1].end == self.header.end:
            gaps[-1] = gaps[-1]._replace(length=gaps[-1].length + count)
        elif count:
            gaps.append(Gap(self.header.end, count))
        if len(gaps) > MAX_GAPS:  # the oldest is silence from now on, not what lies under it
            first = gaps.pop(0)
            self._zero(max(first.position, oldest), first.end)
        self._update(end=end, gaps=tuple(gaps), written_at=now)

    def serve(self, position: int) -> None:
        """Everything before ``position`` has reached the agent. It goes back within a conversation:
        what was sent may turn out not to have got there.
        """
        if self.header.start <= position <= self.header.end and position != self.header.served:
            self._update(served=position)

    def read(self, position: int, limit: int) -> Run | None:
        """The run at ``position`` of at most ``limit`` samples; None at the end of the tape.

        What is no longer there is a gap. The samples are copied: the ring may go on.
        """
        if position >= self.header.end:
            return None
        if position < self.oldest:
            return Run(position, b"", self.oldest - position)
        stop = min(position + limit, self.header.end)
        for gap in self.header.gaps:
            if gap.position <= position < gap.end:
                return Run(position, b"", gap.end - position)
            if position < gap.position:
                stop = min(stop, gap.position)
                break
        pieces = (self._get(at, count) for at, count in self._places(position, stop))
        return Run(position, b"".join(pieces))

    # -- within ----------------------------------------------------------------------------------

    def _forget(self, **changes: object) -> None:
        end = self.header.end
        self._update(start=end, served=end, gaps=(), **changes)
        self._wipe()

    def _wipe(self) -> None:
        """Zero what was said before the conversation, and where no sample of it is yet: there an
        append may have been cut off.
        """
        header = self.header
        stop = header.start if header.end > header.start else header.end + self._guard
        self._zero(max(header.wiped, header.end + self._guard - header.capacity), stop)
        if header.wiped < header.start:
            self._update(wiped=header.start)

    def _places(self, position: int, stop: int) -> Iterator[tuple[int, int]]:
        """Where these positions are in the ring: (index, count), at most two."""
        capacity = self.header.capacity
        while position < stop:
            at = position % capacity
            count = min(stop - position, capacity - at)
            yield at, count
            position += count

    def _get(self, at: int, count: int) -> bytes:
        begin = SLOTS + at * SAMPLE
        return self._view[begin : begin + count * SAMPLE]

    def _put(self, at: int, pcm: bytes | memoryview) -> None:
        begin = SLOTS + at * SAMPLE
        self._view[begin : begin + len(pcm)] = pcm

    def _zero(self, position: int, stop: int) -> None:
        step = len(_ZEROS) // SAMPLE
        for begin in range(position, stop, step):
            for at, count in self._places(begin, min(begin + step, stop)):
                self._put(at, _ZEROS[: count * SAMPLE])

    def _update(self, **changes: object) -> None:
        header = msgspec.structs.replace(self.header, serial=self.header.serial + 1, **changes)
        slot = header.pack()
        begin = (header.serial % 2) * SLOT
        self._view[begin : begin + len(slot)] = slot
        self.header = header


def _mapped(path: Path, sample_rate: int, capacity: int) -> tuple[mmap.mmap, Header]:
    """The file in memory, and what is true of it. Raises :class:`TapeError`."""
    size = SLOTS + capacity * SAMPLE
    with _opened(path) as fd:
        slots = os.pread(fd, SLOTS, 0)
        header = newest(slots)
        shape = (sample_rate, capacity, size)
        fits = header and shape == (header.sample_rate, header.capacity, os.fstat(fd).st_size)
        if header is None or not fits:
            # The old header stays until there is a new one: the microphone must not come on.
            os.ftruncate(fd, len(slots))
            header = _successor(header, sample_rate, capacity)
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as cause:
            if not fits:
                os.ftruncate(fd, len(slots))
            raise TapeError(
                f"no room for {size / 2**20:.1f} MiB of tape at {path}: {cause.strerror}"
            ) from cause
        return mmap.mmap(fd, size), header


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The file, which is ours. Raises :class:`TapeError`, also for what is done with it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with ExitStack() as fds:
        try:
            fd = os.open(path, flags, 0o600)
            fds.callback(os.close, fd)
            if not is_ours(os.pread(fd, SLOTS, 0)):
                path.rename(path.with_name(f"{path.name}.set-aside"))
                fd = os.open(path, flags | os.O_EXCL, 0o600)
                fds.callback(os.close, fd)
            os.fchmod(fd, 0o600)
            yield fd
        except OSError as cause:
            raise TapeError(f"the tape {path} cannot be used: {cause.strerror}") from cause


def _successor(found: Header | None, sample_rate: int, capacity: int) -> Header:
    """Of a tape without words: its positions go on, and a microphone that was off stays off."""
    if found is None:
        return Header(sample_rate, capacity)
    end = found.end
    return Header(
        sample_rate,
        capacity,
        found.serial,
        start=end,
        end=end,
        served=end,
        muted=found.muted,
        wiped=end,
    )

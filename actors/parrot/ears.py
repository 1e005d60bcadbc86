"""What the parrot hears: the user's track, and before it the pre-connect buffer. Pure.

As livekit-agents does it: a track that announces a buffer is not listened to until the buffer is
there or 3.0 s are over; what comes live meanwhile waits. A stream without ``trackId`` is dropped,
and so is one that was complete for more than 1.0 s before it was asked for.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from actors.messages import PracticeBytes

from .vad import RATE, Samples
from .voice import resampled

log = logging.getLogger(__name__)

TOPIC = "lk.agent.pre-connect-audio-buffer"
WAIT_S = 3.0
TOO_OLD_S = 1.0
MAX_BYTES = 11 * 1024 * 1024
"""Of a buffer: the 10 MiB of LiveKit's own clients; ours is shorter."""
MAX_FRAME_BYTES = 2 * 96_000
"""A second; a frame has 10 or 20 ms."""
MAX_STREAMS = 4
MAX_HELD = int(RATE * WAIT_S) * 2
"""Live samples that wait for a buffer; then the buffer is not waited for."""
MAX_S = 140
"""Of a buffer that is heard: its end. The terminal sends 131 s at the most."""
PIECE_BYTES = 8 * 1024
"""So much of a buffer is taken at a time: what is made of it meanwhile stays small."""
RATES = range(8_000, 96_001)

_RATES = {str(rate): rate for rate in (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)}

Heard = Iterable[Samples]
"""One sound, in pieces."""


@dataclass
class _Stream:
    opened_at: float
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, content: bytes) -> None:
        """Small parts become one: there are not more of them than the size allows."""
        if self.parts and len(self.parts[-1]) < PIECE_BYTES:
            self.parts[-1] += content
        else:
            self.parts.append(content)
        self.size += len(content)


def samples_of(parts: Iterable[bytes], rate: int) -> Iterator[Samples]:
    """int16 little endian at ``rate`` to samples at ours; half a sample at the end is dropped."""
    return resampled(_pieces(parts), rate)


def _pieces(parts: Iterable[bytes]) -> Iterator[Samples]:
    """Of whole samples, wherever the parts are cut."""
    odd = b""
    for part in parts:
        for start in range(0, len(part), PIECE_BYTES):
            piece = odd + part[start : start + PIECE_BYTES]
            whole = len(piece) // 2 * 2
            odd = piece[whole:]
            if whole:
                yield np.frombuffer(piece[:whole], "<i2").astype(np.int16)


def _from(first: int, parts: Iterable[bytes]) -> Iterator[bytes]:
    """From that byte on."""
    for part in parts:
        yield part[first:]
        first = max(0, first - len(part))


class Ears:
    """Of one agent; :meth:`subscribe` for each track that the user publishes."""

    def __init__(self) -> None:
        self._sid = ""
        self._waiting_until: float | None = None
        self._held: list[Samples] = []
        self._held_samples = 0
        self._streams: dict[str, _Stream] = {}
        self._buffer: tuple[str, float, Heard] | None = None

    @property
    def waiting_until(self) -> float | None:
        """Until when a buffer is waited for, if one is."""
        return self._waiting_until

    def subscribe(self, sid: str, now: float, *, preconnect: bool) -> Heard:
        """A new track, in place of the last one."""
        self._sid = sid
        self._held, self._held_samples = [], 0
        self._waiting_until = now + WAIT_S if preconnect else None
        if not preconnect or self._buffer is None or self._buffer[0] != sid:
            return ()
        _, at, buffer = self._buffer
        self._buffer = None
        if now - at > TOO_OLD_S:
            log.warning("the pre-connect buffer is too old")
            buffer = ()
        self._waiting_until = None
        return buffer

    def close(self) -> None:
        """The track is gone."""
        self._sid = ""
        self._waiting_until = None
        self._held, self._held_samples = [], 0

    def live(self, sid: str, rate: int, pcm: bytes) -> Heard:
        """A frame of a track."""
        if not sid or sid != self._sid or rate not in RATES or len(pcm) > MAX_FRAME_BYTES:
            return ()
        samples = samples_of([pcm], rate)
        if self._waiting_until is None:
            return samples
        held = list(samples)
        self._held += held
        self._held_samples += sum(len(each) for each in held)
        return self._release() if self._held_samples > MAX_HELD else ()

    def stream(self, part: PracticeBytes, now: float) -> Heard:
        """A part of a byte stream on the buffer's topic."""
        for key in [key for key, old in self._streams.items() if now - old.opened_at > WAIT_S]:
            del self._streams[key]  # not completed in time
        if part.stream_id not in self._streams and len(self._streams) >= MAX_STREAMS:
            return ()
        stream = self._streams.setdefault(part.stream_id, _Stream(now))
        if stream.size + len(part.content) <= MAX_BYTES:
            stream.add(part.content)
        if not part.ended:
            return ()
        del self._streams[part.stream_id]
        return self._complete(part.attributes, stream, now)

    def tick(self, now: float) -> Heard:
        """Time has passed."""
        if self._waiting_until is None or now < self._waiting_until:
            return ()
        log.warning("no pre-connect buffer came in time")
        return self._release()

    def _complete(self, attributes: dict[str, str], stream: _Stream, now: float) -> Heard:
        if not (sid := attributes.get("trackId", "")):
            log.warning("a pre-connect buffer without trackId is dropped")
            return ()
        rate = _RATES.get(attributes.get("sampleRate", ""), 0)
        if not rate or attributes.get("channels") != "1":
            log.warning("a pre-connect buffer of unknown format is dropped")
            buffer: Heard = ()
        else:
            too_early = max(0, stream.size - MAX_S * rate * 2)
            buffer = samples_of(_from(too_early, stream.parts), rate)
        if sid == self._sid and self._waiting_until is not None:
            return self._release(buffer)
        self._buffer = (sid, now, buffer)
        return ()

    def _release(self, first: Heard = ()) -> Heard:
        samples = chain(first, self._held)
        self._waiting_until = None
        self._held, self._held_samples = [], 0
        return samples

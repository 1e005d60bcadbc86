"""A long pre-connect buffer at a lower sample rate, so that it arrives while the agent waits; on a
slow line so much of it.

An agent waits 3.0 s for the whole of it, and the client's byte streams carry about a megabyte a
second (measured on loopback: 10 MiB in 9 s). Speech recognition works at 16 kHz; more than half a
minute goes as a telephone would carry it, because what comes too late is not heard at all.
"""

import asyncio

from livekit import rtc

from .uplink import SAMPLE_BYTES

EASY_BYTES = 1024 * 1024
"""Half a minute at 16 kHz. Measured on loopback and two cores: there within 1.0 to 1.7 s, and 2.4 s
at the most beside four busy loops; twice as much took 1.8 to 2.6 s, and 4.0 to 6.3 s."""
BAD_LINE_BYTES = 80 * 1024
"""The same where a fifth of the packets is lost: 60 kB a second were carried there, and 236 kB came
a second too late."""
WITHIN_S = 2.0
"""Of an agent's 3 s, what is counted on."""
MEASURABLE_BYTES = 256 * 1024
"""Less tells nothing of a line: the agent may have been busy, and a small buffer arrives in the
end."""
SLOWEST_S = 20.0
"""A buffer is waited for so long, to learn what the line carries, and because what is sent next
comes behind it on the same ordered channel."""
RATES = (48_000, 24_000, 16_000, 8_000)
PART_S = 1
"""Resampled at a time, about 2 ms; then the live audio of others gets its turn."""


def carried(size: int, seconds: float) -> int:
    """Bytes that arrive :data:`WITHIN_S` where ``size`` of them took ``seconds``, or more."""
    return int(size * WITHIN_S / seconds)


def longest(most: int, rate: int) -> int:
    """Samples at ``rate`` that are ``most`` bytes at the lowest of the usual rates."""
    return most // SAMPLE_BYTES * rate // min(rate, RATES[-1])


def rate_for(size: int, rate: int, easy: int = EASY_BYTES) -> int:
    """The highest of the usual rates, not above ``rate``, at which ``size`` bytes of ``rate`` are
    ``easy``; the lowest if none is.
    """
    for lower in RATES:
        if lower <= rate and size * lower // rate <= easy:
            return lower
    return min(rate, RATES[-1])


async def fitted(pcm: bytes, rate: int, easy: int = EASY_BYTES) -> tuple[bytes, int]:
    """int16 mono samples and their rate: unchanged when they are ``easy``, else fewer of them."""
    wanted = rate_for(len(pcm), rate, easy)
    if wanted == rate:
        return pcm, rate
    resampler = rtc.AudioResampler(rate, wanted, quality=rtc.AudioResamplerQuality.HIGH)
    out = bytearray()
    part = PART_S * rate * SAMPLE_BYTES
    for start in range(0, len(pcm), part):
        piece = pcm[start : start + part]
        frame = rtc.AudioFrame(piece, rate, 1, len(piece) // SAMPLE_BYTES)
        for resampled in resampler.push(frame):
            out += bytes(resampled.data)
        await asyncio.sleep(0)
    for resampled in resampler.flush():
        out += bytes(resampled.data)
    return bytes(out), wanted

"""A token used again for as long as it is good. ``clock`` is an argument."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from actors.messages import TokenOptions, TokenResponse

from .claims import claims_of
from .source import TokenSource

TOLERANCE_S = 60.0
"""A token is not used in its last minute; and one that is good from a moment on is good already:
the clocks of two machines differ.
"""
MAX_SLOTS = 64
"""Different requests remembered; of more, the oldest go."""


class CachingTokens:
    """Around any source. One slot for each distinct request; equal requests at a time are one."""

    def __init__(self, source: TokenSource, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._clock = clock
        self._kept: dict[bytes, TokenResponse] = {}
        self._under_way: dict[bytes, asyncio.Task[TokenResponse]] = {}

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        """From the slot, or a fresh one. Raises as the source does; a failure is not kept."""
        slot = msgspec.json.encode(request, order="sorted")
        kept = self._kept.get(slot)
        if kept is not None and is_good(kept.participant_token, self._clock()):
            return kept
        if slot not in self._under_way:
            task = asyncio.ensure_future(self._source.fetch(request))
            task.add_done_callback(lambda done: self._done(slot, done))
            self._under_way[slot] = task
        # Whoever gives up does not take it from the others.
        return await asyncio.shield(self._under_way[slot])

    def invalidate(self) -> None:
        """Forget all: the server has refused one."""
        self._kept.clear()

    def _done(self, slot: bytes, done: "asyncio.Task[TokenResponse]") -> None:
        del self._under_way[slot]
        self._kept.pop(slot, None)
        if done.cancelled() or done.exception() is not None:
            return
        if is_good(done.result().participant_token, self._clock()):
            self._kept[slot] = done.result()
        while len(self._kept) > MAX_SLOTS:
            del self._kept[next(iter(self._kept))]


def is_good(token: str, now: float) -> bool:
    """Whether a token can be used at ``now`` (Unix seconds), by its own word; its signature is
    the server's matter. One without ``exp``, or that cannot be read, is used once only.
    """
    claims = claims_of(token)
    if claims is None or claims.exp is None:
        return False
    return claims.nbf - TOLERANCE_S <= now < claims.exp - TOLERANCE_S

"""Orders to an actor that may just be coming back."""

import asyncio
from collections.abc import Awaitable, Callable

from actors.messages import Message

from .errors import OrderFailed, Unreachable

ANSWER_S = 30.0
"""Longer than the session takes to decide on any order: a text may wait for others before it, a
connection and the room, a start for the end before it and the sound device."""
PATIENCE_S = 5.0
"""How long an order waits for an actor that has just crashed; it is back in a fraction of it."""
_AGAIN_S = 0.1


async def insist(ask: Callable[[], Awaitable[Message]], patience_s: float = PATIENCE_S) -> Message:
    """Ask, and ask again while there is nobody: an actor that crashed is back in a moment.

    For what does no harm when it is done twice. Raises as ``ask`` does: in doubt if any of the
    asks was, for whoever has died over one may have carried it out.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + patience_s
    in_doubt = False
    while True:
        try:
            return await ask()
        except OrderFailed as failed:
            in_doubt = failed.in_doubt = failed.in_doubt or in_doubt
            if not isinstance(failed, Unreachable) or loop.time() > give_up:
                raise
        await asyncio.sleep(_AGAIN_S)

"""Whether what was sent to a participant has got there: a call behind it that comes back.

A call of a method that nobody has travels behind all that was sent before it, on the same ordered
channel, and every client answers it by itself.
"""

import asyncio

from .backend import RoomBackend, RoomError
from .rpc import DISCONNECTED, NO_RECIPIENT, NOT_RECEIVED, TIMED_OUT, UNSUPPORTED

METHOD = "callpoint.echo"


async def has_come_back(room: RoomBackend, to: str, timeout_s: float) -> bool | None:
    """Whether it has, in time; None: what has come back tells nothing.

    Raises ``RoomError`` when there is no connection, or whoever was to answer is gone: then nobody
    will ever know.
    """
    code = NOT_RECEIVED.code
    try:
        async with asyncio.timeout(timeout_s):
            while code == NOT_RECEIVED.code:  # LiveKit's client gives up after 7 s without a sign
                code = (await room.perform_rpc(METHOD, "", to=to, timeout_s=timeout_s)).code
    except TimeoutError:
        return False
    if code in (NO_RECIPIENT.code, DISCONNECTED.code):
        raise RoomError("whoever it was sent to is gone")
    return {UNSUPPORTED.code: True, TIMED_OUT.code: False}.get(code)

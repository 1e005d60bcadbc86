"""Asking the supervisor of a running terminal, from a program that is not an actor.

Its socket is its own and answers also while the router is down.
"""

import asyncio
import os
import random
import time
from pathlib import Path

from actors.messages import Failed, Message
from actors.messages.codec import CorruptMessage, decode, encode

from .bus import Bus
from .client import NotAllowed, NotRunning
from .errors import NoAnswer, OrderFailed
from .host import SUPERVISOR
from .listening import somebody_listens

CONTROL = "control"
"""Name of the operator's socket."""


async def ask_supervisor(runtime_dir: Path, message: Message, timeout_s: float = 5.0) -> Message:
    """Send an order to the supervisor and wait for its answer.

    Raises :class:`NotRunning` at once when nobody listens, :class:`NotAllowed`, :class:`NoAnswer`,
    and :class:`OrderFailed` with what it answered.
    """
    try:
        if not somebody_listens(runtime_dir, CONTROL):
            raise NotRunning(runtime_dir)
    except PermissionError:
        raise NotAllowed(runtime_dir) from None
    answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def on_frame(_peer: bytes, frame: bytes) -> None:
        try:
            envelope = decode(frame)
        except CorruptMessage:
            return
        if envelope.kind == "reply" and not answer.done():
            answer.set_result(envelope.message)

    name = f"control-{os.getpid()}-{random.SystemRandom().randrange(1 << 32):08x}"
    bus = Bus(runtime_dir)
    try:
        lane = bus.connect("dealer", CONTROL, on_frame, identity=name)
        deadline = time.monotonic() + timeout_s
        lane.send(encode(message, kind="ask", sender=name, to=SUPERVISOR, id=1, deadline=deadline))
        async with asyncio.timeout(timeout_s):
            reply = await answer
    except TimeoutError:
        raise NoAnswer(SUPERVISOR, timeout_s) from None
    finally:
        bus.close()
    if isinstance(reply, Failed):
        raise OrderFailed.told(reply)
    return reply

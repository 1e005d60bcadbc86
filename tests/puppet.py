"""An actor whose faults are orders: the one puppet of all supervision tests."""

import asyncio
import os
import signal
import time
from typing import NoReturn

from actors.messages import Custom, Message
from actors.runtime.actor import Actor
from actors.runtime.errors import StartError


class Puppet(Actor):
    """Options: ``start`` (``ok``, ``fail``, ``hang``, ``exit``, ``fail-again``)."""

    async def on_start(self) -> None:
        match self.options.get("start", "ok"):
            case "fail":
                raise StartError("told to fail", "tell it otherwise")
            case "fail-again" if self.incarnation == 2:
                raise StartError("told to fail the second time")
            case "hang":
                await asyncio.Event().wait()
            case "exit":
                os._exit(9)

    async def on_message(self, message: Message, sender: str) -> Message | None:
        match message:
            case Custom(topic="incarnation"):
                return Custom("incarnation", {"number": self.incarnation, "pid": os.getpid()})
            case Custom(topic="raise"):
                raise RuntimeError("told to")
            case Custom(topic="exit", payload={"code": int(code)}):
                os._exit(code)
            case Custom(topic="signal", payload={"number": int(number)}):
                os.kill(os.getpid(), number)
            case Custom(topic="ignore-term"):
                asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                self.spawn(_busy(), "busy")
        return None


async def _busy() -> NoReturn:
    """A loop that gives nobody else a turn: no stop order is ever read."""
    await asyncio.sleep(0)
    while True:
        time.sleep(3600)  # the fault itself

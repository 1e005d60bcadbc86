"""A program that is not an actor, attached to a running terminal: commands, tests, your own."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.messages import Envelope, Message

from .bus import Bus
from .errors import OrderFailed
from .post import Post, runtime_socket_exists

OnMessage = Callable[[Message, str], None]
"""Called with a message and the name of its sender, in the loop."""


class NotRunning(OrderFailed):
    """There is no terminal in the runtime directory."""

    def __init__(self, runtime_dir: Path) -> None:
        super().__init__(
            "not-running",
            f"no terminal is running in {runtime_dir}",
            "start one with: callpoint run CONFIG (or name another with --runtime-dir)",
        )


class Client:
    """``async with Client(runtime_dir) as client: await client.ask("session", StartSession())``.

    ``subscribes`` and ``on_message``: facts, states and levels to be called with. Entering raises
    :class:`NotRunning`.
    """

    def __init__(
        self,
        runtime_dir: Path,
        *,
        subscribes: tuple[type[Message], ...] = (),
        on_message: OnMessage = lambda _message, _sender: None,
    ) -> None:
        self._runtime_dir = runtime_dir
        self._subscribes = subscribes
        self._on_message = on_message
        self.name = f"client-{os.getpid()}-{random.SystemRandom().randrange(1 << 32):08x}"

    async def __aenter__(self) -> Self:
        if not runtime_socket_exists(self._runtime_dir):
            raise NotRunning(self._runtime_dir)
        self._bus = Bus(self._runtime_dir)
        self.post = Post(self._bus, self.name, self._on_envelope)
        try:
            await self.post.join(tuple(kind.tag() for kind in self._subscribes), timeout_s=2.0)
        except OrderFailed as cause:
            await self.__aexit__(None, None, None)
            raise NotRunning(self._runtime_dir) from cause
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.post.close()
        self._bus.close(linger_ms=100)

    async def ask(self, to: str, message: Message, timeout_s: float = 5.0) -> Message:
        """Send an order and wait for its answer. Raises as :meth:`Post.ask`."""
        return await self.post.ask(to, message, timeout_s)

    def _on_envelope(self, envelope: Envelope) -> None:
        self._on_message(envelope.message, envelope.sender)

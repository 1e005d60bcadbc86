"""External programs as children: what they are started with, and when they count as Ready."""

import asyncio
import contextlib
from collections.abc import Callable
from urllib.parse import urlsplit

from actors.messages import Stop
from actors.settings.credentials import SECRETS

from .begin import ProgramJob
from .child import Child
from .spec import ProgramSpec
from .work import environ

_TRY_S = 2.0
"""For one answer."""
_AGAIN_S = (0.02, 0.5)
"""Between two tries, at first and at the longest."""
_STATUS_LINE_BYTES = 1000


class ProgramWork:
    """A program is Ready when it runs, or when its address answers."""

    beats = False

    def __init__(self, spec: ProgramSpec) -> None:
        self._spec = spec
        self._waiting: asyncio.Task[None] | None = None

    def job(self, mark: str) -> ProgramJob:
        """With the present environment, without secrets unless the operator wants them given."""
        inherited = {
            key: value
            for key, value in environ(mark).items()
            if self._spec.credentials or key not in SECRETS
        }
        return ProgramJob(
            self._spec.command, inherited | self._spec.environment, self._spec.directory
        )

    def born(self, child: Child, ready: Callable[[], None]) -> None:
        """Wait for it beside everything else."""
        self._waiting = asyncio.get_running_loop().create_task(self._until_ready(child, ready))

    async def _until_ready(self, child: Child, ready: Callable[[], None]) -> None:
        await child.begun.wait()
        if child.first_word:
            return  # it could not be run, and ends
        if self._spec.ready:
            await answered(self._spec.ready)
        ready()

    def ask_to_end(self, _child: Child, _order: Stop) -> bool:
        """A program takes no orders but signals."""
        return False

    def over(self) -> None:
        """Do not wait any longer."""
        if self._waiting is not None:
            self._waiting.cancel()


async def answered(address: str) -> None:
    """Return when somebody answers at ``tcp://HOST:PORT`` or, with a status from 200 to 399, at
    ``http://HOST:PORT/PATH``.
    """
    pause = _AGAIN_S[0]
    while True:
        with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_TRY_S):
                if await _answers(address):
                    return
        await asyncio.sleep(pause)
        pause = min(2 * pause, _AGAIN_S[1])


async def _answers(address: str) -> bool:
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port or 80, limit=_STATUS_LINE_BYTES
    )
    try:
        if parts.scheme == "tcp":
            return True
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
        )
        _version, code, *_words = (await reader.readuntil(b"\n")).split(maxsplit=2)
        return 200 <= int(code) < 400
    finally:
        writer.close()

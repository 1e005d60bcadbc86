"""Incoming text streams: one task a stream, so that none waits for another. Pure but for tasks.

Knows LiveKit's reader only by its shape: an async iterator of whole characters with ``info`` and
``close``, which raises ``ConnectionError`` at an abnormal end.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from .backend import TextChunk, TextEnded

MAX_READERS = 128
"""Streams open at a time, before new ones are refused: someone floods the room."""
ORDER_GRACE_S = 0.02
"""Two streams that follow each other on the wire may reach us through the client's threads the
wrong way round; a stream lets those opened shortly before it end first, for this long."""

BROKEN_OFF = "the stream was broken off"


class Reader(Protocol):
    """LiveKit's TextStreamReader, as far as it is used."""

    @property
    def info(self) -> Any:
        """With ``stream_id``, ``topic`` and ``attributes`` (the trailer's too, once ended)."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    def close(self) -> None:
        """Stop reading."""


class TextReaders:
    """All streams of one room. ``emit`` gets their chunks and ends.

    ``is_down``: the connection is lost. LiveKit's client then ends what is still open, and now
    and then without an error: nothing that ends while it is down is taken for whole.
    """

    def __init__(
        self,
        emit: Callable[[TextChunk | TextEnded], None],
        is_down: Callable[[], bool] = lambda: False,
    ) -> None:
        self._emit = emit
        self._is_down = is_down
        self._tasks: dict[asyncio.Task[None], float] = {}

    def opened(self, reader: Reader, participant: str) -> None:
        """A stream has begun. Called in the loop, in wire order."""
        if len(self._tasks) >= MAX_READERS:
            reader.close()
            self._emit(self._ended(reader, participant, "too many streams at a time"))
            return
        loop = asyncio.get_running_loop()
        since = loop.time() - ORDER_GRACE_S
        before = [task for task, opened_at in self._tasks.items() if opened_at >= since]
        task = loop.create_task(self._read(reader, participant, before), name="text stream")
        self._tasks[task] = loop.time()
        task.add_done_callback(self._tasks.pop)

    async def close(self) -> None:
        """Stop reading; streams still open get no end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(
        self, reader: Reader, participant: str, before: list[asyncio.Task[None]]
    ) -> None:
        header = dict(reader.info.attributes or {})
        error = ""
        try:
            if before:
                await asyncio.wait(before, timeout=ORDER_GRACE_S)
            async for content in reader:
                info = reader.info
                self._emit(TextChunk(info.stream_id, info.topic, participant, header, content))
            if self._is_down():
                error = BROKEN_OFF
        except ConnectionError:
            error = BROKEN_OFF
        finally:
            reader.close()
        self._emit(self._ended(reader, participant, error))

    @staticmethod
    def _ended(reader: Reader, participant: str, error: str) -> TextEnded:
        info = reader.info
        return TextEnded(
            info.stream_id, info.topic, participant, dict(info.attributes or {}), error
        )

"""A text stream sent header by chunk by trailer, as LiveKit's writers never would."""

import asyncio
import time
from typing import Any

from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import ffi_pb2

from tests.children import DEADLINE_S


class RawStream:
    """``me``: the local participant that sends it."""

    def __init__(self, me: Any, stream_id: str, topic: str = "lk.transcription") -> None:
        self._me = me
        self._id = stream_id
        self._topic = topic

    async def open(self, total: int | None = None) -> None:
        request = ffi_pb2.FfiRequest()
        header = request.send_stream_header.header
        header.stream_id, header.topic = self._id, self._topic
        header.mime_type, header.timestamp = "text/plain", int(time.time() * 1000)
        header.text_header.operation_type = 0
        if total is not None:
            header.total_length = total
        await self._send(request, "send_stream_header")

    async def chunk(self, index: int, content: bytes) -> None:
        request = ffi_pb2.FfiRequest()
        chunk = request.send_stream_chunk.chunk
        chunk.stream_id, chunk.chunk_index, chunk.content = self._id, index, content
        await self._send(request, "send_stream_chunk")

    async def close(self, reason: str = "") -> None:
        request = ffi_pb2.FfiRequest()
        trailer = request.send_stream_trailer.trailer
        trailer.stream_id, trailer.reason = self._id, reason
        await self._send(request, "send_stream_trailer")

    async def _send(self, request: Any, kind: str) -> None:
        order = getattr(request, kind)
        order.local_participant_handle = self._me._ffi_handle.handle
        order.sender_identity = self._me.identity
        queue = FfiClient.instance.queue.subscribe()
        try:
            number = getattr(FfiClient.instance.request(request), kind).async_id
            async with asyncio.timeout(DEADLINE_S):
                answer = await queue.wait_for(lambda event: getattr(event, kind).async_id == number)
        finally:
            FfiClient.instance.queue.unsubscribe(queue)
        assert not getattr(answer, kind).error

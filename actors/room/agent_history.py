"""What a LiveKit agent remembers of its conversation, asked of it over ``lk.agent.session``.

Agents of livekit-agents answer there by themselves, in protobuf; others do not.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from livekit import rtc
from livekit.protocol.agent_pb import agent_session as pb

from actors.messages import ChatMessage, MessageKind

TOPIC = "lk.agent.session"
MAX_BYTES = 4 * 1024 * 1024
"""Of an answer: days of talk."""
NEWEST = 200
"""Messages of it: more than can be missed by one who was gone for minutes."""
MAX_ID = 100
"""Characters; livekit-agents' own have 17."""
_KINDS: dict[int, MessageKind] = {pb.USER: "user_transcript", pb.ASSISTANT: "agent_transcript"}


async def ask(
    room: Any, of: str, send: Callable[[bytes, str], Awaitable[None]]
) -> tuple[ChatMessage, ...]:
    """Of the participant with that identity; ``send`` sends it a stream of bytes with a name.

    Agents tell much else on the same topic, to everyone: it is listened to only for the answer.
    Raises ValueError when the agent could not tell; waits for ever when it does not.
    """
    readers: asyncio.Queue[Any] = asyncio.Queue()

    def came(reader: Any, identity: str) -> None:
        if identity == of:
            readers.put_nowait(reader)

    room.register_byte_stream_handler(TOPIC, came)
    try:
        id_, asked = question()
        await send(asked, id_)
        while True:
            told = answer(id_, await _whole(await readers.get()))
            if told is not None:
                return told
    finally:
        room.unregister_byte_stream_handler(TOPIC)


async def _whole(reader: Any) -> bytes:
    """Empty: it is too long, or has broken off."""
    content = bytearray()
    try:
        async for part in reader:
            content += part
            if len(content) > MAX_BYTES:
                return b""
    except rtc.StreamError:
        return b""
    return bytes(content)


def question() -> tuple[str, bytes]:
    """Its id, and what to send."""
    id_ = f"req_{secrets.token_hex(6)}"
    request = pb.SessionRequest(request_id=id_, get_chat_history=pb.SessionRequest.GetChatHistory())
    return id_, pb.AgentSessionMessage(request=request).SerializeToString()


def answer(id_: str, content: bytes) -> tuple[ChatMessage, ...] | None:
    """Of the question with that id; None: it is something else. Raises ValueError when the agent
    could not tell.
    """
    message = pb.AgentSessionMessage()
    try:
        message.ParseFromString(content)
    except Exception:  # protobuf's error types are not the same in all its versions
        return None
    if not message.HasField("response") or message.response.request_id != id_:
        return None
    if message.response.error:
        raise ValueError("the agent could not tell its history")
    items = message.response.get_chat_history.items
    said = (_said(item.message) for item in items if _is_said(item))
    useful = [each for each in said if each.text.strip() and 0 < len(each.id) <= MAX_ID]
    return tuple(useful[-NEWEST:])


def _is_said(item: Any) -> bool:
    return bool(item.HasField("message")) and item.message.role in _KINDS


def _said(message: Any) -> ChatMessage:
    text = "\n".join(content.text for content in message.content if content.text)
    at = message.created_at
    return ChatMessage(message.id, _KINDS[message.role], text, at.seconds + at.nanos / 1e9, True)

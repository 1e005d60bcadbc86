"""What an agent remembers, asked over the room: a request of livekit-agents' remote session.

A request is a byte stream on ``lk.agent.session`` that holds a protobuf ``AgentSessionMessage``
(livekit_agent_session.proto of LiveKit's protocol); the answer is another, sent to everyone. An
agent answers unless it was started with ``session_host=False``; others, that are not made with
livekit-agents, may not know of it.
"""

import asyncio
import secrets
from typing import Any

from google.protobuf.message import DecodeError
from livekit import rtc
from livekit.protocol.agent_pb import agent_session as protocol

from actors.messages import ChatMessage, MessageKind

from .backend import RoomError

TOPIC = "lk.agent.session"
MAX_BYTES = 8 * 1024 * 1024
"""Of an answer: many days of talk."""
NEWEST = 200
"""Messages of it: more than can be missed by one who was gone for minutes."""
MAX_ID = 100
"""Characters; livekit-agents' own have 17."""

_KINDS: dict[int, MessageKind] = {
    protocol.USER: "user_transcript",
    protocol.ASSISTANT: "agent_transcript",
}
"""Other roles (instructions) are not part of the talk."""


async def history(room: Any, agent: str, timeout_s: float) -> tuple[ChatMessage, ...]:
    """The newest of what the agent of that identity remembers.

    ``room``: LiveKit's, connected. One request at a time. Raises :class:`RoomError` when there is
    no answer in time, and what the client raises when it cannot be sent.
    """
    request = protocol.SessionRequest(
        request_id=secrets.token_hex(8), get_chat_history=protocol.SessionRequest.GetChatHistory()
    )
    answers = _Answers(agent, request.request_id)
    room.register_byte_stream_handler(TOPIC, answers.on_stream)
    try:
        async with asyncio.timeout(timeout_s):
            await room.local_participant.send_bytes(
                protocol.AgentSessionMessage(request=request).SerializeToString(),
                name=request.request_id,
                topic=TOPIC,
                destination_identities=[agent],
            )
            answer = await answers.first
    except TimeoutError:
        raise RoomError(f"the agent did not answer within {timeout_s:g} s") from None
    finally:
        room.unregister_byte_stream_handler(TOPIC)
        answers.close()
    if answer.error:
        raise RoomError("the agent does not tell what was said")
    return items_of(answer.get_chat_history)


def items_of(answer: Any) -> tuple[ChatMessage, ...]:
    """The messages of user and agent in a ``GetChatHistoryResponse`` that have words."""
    said = (item.message for item in answer.items if item.HasField("message"))
    messages = [
        ChatMessage(
            message.id,
            _KINDS[message.role],
            "\n".join(part.text for part in message.content if part.HasField("text")),
            message.created_at.ToNanoseconds() / 1e9,
        )
        for message in said
        if message.role in _KINDS
    ]
    useful = (each for each in messages if each.text.strip() and 0 < len(each.id) <= MAX_ID)
    return tuple(useful)[-NEWEST:]


class _Answers:
    """Reads what comes on the topic until it is the answer to our request."""

    def __init__(self, agent: str, request_id: str) -> None:
        self._agent = agent
        self._request_id = request_id
        self._tasks: set[asyncio.Task[None]] = set()
        self.first: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def on_stream(self, reader: Any, identity: str) -> None:
        """Of LiveKit's client: a stream begins."""
        if identity == self._agent:
            task = asyncio.create_task(self._read(reader))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _read(self, reader: Any) -> None:
        content = bytearray()
        message = protocol.AgentSessionMessage()
        try:
            async for part in reader:
                content += part
                if len(content) > MAX_BYTES:
                    return
            message.ParseFromString(bytes(content))
        except (rtc.StreamError, DecodeError):
            return  # whoever sends that does not answer
        response = message.response
        if response.request_id == self._request_id and not self.first.done():
            self.first.set_result(response)

    def close(self) -> None:
        """Read no more."""
        for task in self._tasks:
            task.cancel()

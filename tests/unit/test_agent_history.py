"""What an agent tells of its own history, and what it tells besides."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from livekit import rtc
from livekit.protocol.agent_pb import agent_session as pb

from actors.messages import ChatMessage
from actors.room.agent_history import MAX_BYTES, NEWEST, TOPIC, ask

pytestmark = pytest.mark.unit

BROKEN = b"and then"

Answers = Callable[[str], list[tuple[str, bytes]]]


class Room:
    """Whose agent answers with what the test says: identities and streams, given the id."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.handlers: dict[str, Any] = {}

    def register_byte_stream_handler(self, topic: str, handler: Any) -> None:
        self.handlers[topic] = handler

    def unregister_byte_stream_handler(self, topic: str) -> None:
        del self.handlers[topic]

    async def send(self, content: bytes, name: str) -> None:
        asked = pb.AgentSessionMessage()
        asked.ParseFromString(content)
        assert asked.request.HasField("get_chat_history")
        assert asked.request.request_id == name
        for identity, told in self._answers(name):
            self.handlers[TOPIC](_parts(told), identity)


async def _parts(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 1000):
        yield content[at : at + 1000]
    if content.endswith(BROKEN):
        raise rtc.StreamError("broken off")


def _told(id_: str, *items: Any, error: str = "") -> bytes:
    history = pb.SessionResponse.GetChatHistoryResponse(items=items)
    response = pb.SessionResponse(request_id=id_, get_chat_history=history, error=error)
    return pb.AgentSessionMessage(response=response).SerializeToString()


def _said(id_: str, role: Any, *texts: str) -> Any:
    content = [pb.ChatMessage.ChatContent(text=text) for text in texts]
    message = pb.ChatMessage(id=id_, role=role, content=content)
    message.created_at.FromMilliseconds(1500)
    return pb.ChatContext.ChatItem(message=message)


def _ask(answers: Answers) -> tuple[ChatMessage, ...]:
    async def play() -> tuple[ChatMessage, ...]:
        room = Room(answers)
        try:
            async with asyncio.timeout(0.5):
                return await ask(room, "agent", room.send)
        finally:
            assert room.handlers == {}

    return asyncio.run(play())


def test_what_was_said_is_told_and_nothing_else_of_the_history() -> None:
    call = pb.ChatContext.ChatItem(function_call=pb.FunctionCall(id="f"))
    items = (
        _said("0", pb.SYSTEM, "Repeat."),
        _said("1", pb.USER, "two", "tickets"),
        call,
        _said("2", pb.ASSISTANT, "You said: two tickets"),
    )
    assert _ask(lambda id_: [("agent", _told(id_, *items))]) == (
        ChatMessage("1", "user_transcript", "two\ntickets", 1.5, True),
        ChatMessage("2", "agent_transcript", "You said: two tickets", 1.5, True),
    )


def test_what_is_no_answer_is_passed_over() -> None:
    said = _said("1", pb.USER, "hello")

    def answers(id_: str) -> list[tuple[str, bytes]]:
        return [
            ("agent", b"\xff\xff\xff"),
            ("agent", bytes(MAX_BYTES + 1)),
            ("agent", _told(id_, said) + BROKEN),
            ("agent", _told("another", said)),
            ("agent", pb.AgentSessionMessage().SerializeToString()),
            ("somebody", _told(id_)),
            ("agent", _told(id_, said)),
        ]

    assert [message.text for message in _ask(answers)] == ["hello"]


def test_the_newest_are_told_and_none_without_a_word_or_an_id_that_can_be_used() -> None:
    said = [_said(str(number), pb.USER, f"word {number}") for number in range(NEWEST + 5)]
    useless = [_said("", pb.USER, "x"), _said("x" * 101, pb.USER, "x"), _said("1", pb.USER, " ")]
    told = _ask(lambda id_: [("agent", _told(id_, *said, *useless))])
    assert [message.id for message in told] == [str(number) for number in range(5, NEWEST + 5)]


def test_an_agent_that_cannot_or_does_not_tell() -> None:
    with pytest.raises(ValueError, match="could not tell"):
        _ask(lambda id_: [("agent", _told(id_, error="internal error"))])
    with pytest.raises(TimeoutError):
        _ask(lambda _: [])

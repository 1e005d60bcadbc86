"""Sending, the history, and senders and receivers of one's own."""

from collections.abc import AsyncIterator

from actors import ReceivedMessage, SentMessage, Session


async def write(session: Session, saved: list[ReceivedMessage]) -> None:
    if sent := await session.send("Hello, agent!"):
        print(f"Message sent: {sent.id}")

    print(len(session.get_message_history()), "messages")
    await session.restore_message_history(saved)


class Log:
    """A sender."""

    async def send(self, message: SentMessage) -> None:
        print("to the log:", message.text)


class News:
    """A receiver."""

    async def messages(self) -> AsyncIterator[ReceivedMessage]:
        yield ReceivedMessage("news-1", 0.0, "agent_transcript", "Platform 4 is closed")


def create(runtime_dir: str) -> Session:
    return Session(runtime_dir=runtime_dir, senders=[Log()], receivers=[News()])

"""When deliveries that nobody acknowledges are sent again. In virtual time."""

import asyncio
from typing import Any, cast

import pytest

from actors.messages import Custom, Envelope
from actors.messages.codec import decode, encode
from actors.runtime.bus import Bus, Sent
from actors.runtime.post import Post
from tests.virtual_loop import run

pytestmark = pytest.mark.unit


class Wire:
    """In place of a bus and its lane to the router: keeps what is sent."""

    def __init__(self) -> None:
        self._sent: list[Envelope] = []

    def connect(self, *_: Any, **__: Any) -> "Wire":
        return self

    def send(self, frame: bytes) -> Sent:
        self._sent.append(decode(frame))
        return Sent.OK

    def take(self) -> list[Any]:
        """What each frame since the last call says."""
        taken, self._sent = self._sent, []
        return [envelope.message.payload["number"] for envelope in taken]


class Sender:
    """A post that has delivered some numbers to ``store``."""

    def __init__(self, count: int) -> None:
        self.wire = Wire()
        self.post = Post(cast(Bus, self.wire), "session", lambda _envelope: None)
        self._ids: list[int] = []
        for number in range(count):
            self.deliver(number)
        assert self.wire.take() == list(range(count))

    def deliver(self, number: int, to: str = "store") -> None:
        self.post.deliver(to, Custom("", {"number": number}))
        self._ids.append(self.wire._sent[-1].id)

    def acknowledged(self, number: int, by: str = "store") -> None:
        frame = encode(Custom("", {}), kind="ack", sender=by, to="session", id=self._ids[number])
        self.post.on_frame(b"", frame)


def test_the_first_is_sent_again_and_the_others_when_it_is_acknowledged() -> None:
    async def scenario() -> None:
        sender = Sender(3)
        await asyncio.sleep(5.0)
        assert set(sender.wire.take()) == {0}
        sender.acknowledged(0)
        assert sender.wire.take() == [1, 2]
        sender.acknowledged(1)
        assert sender.wire.take() == []

    run(scenario())


def test_as_long_as_it_goes_on_nothing_is_sent_again() -> None:
    async def scenario() -> None:
        sender = Sender(20)
        for number in range(20):
            await asyncio.sleep(1.0)
            sender.acknowledged(number)
        assert sender.wire.take() == []
        await asyncio.sleep(60.0)
        assert sender.wire.take() == []

    run(scenario())


def test_one_that_does_not_acknowledge_is_no_matter_to_the_others() -> None:
    async def scenario() -> None:
        sender = Sender(1)
        sender.deliver(1, to="elsewhere")
        sender.wire.take()
        await asyncio.sleep(1.0)
        sender.acknowledged(1, by="elsewhere")
        await asyncio.sleep(4.0)
        assert set(sender.wire.take()) == {0}

    run(scenario())


def test_once_in_a_while_all_are_sent_again() -> None:
    """The first may be in its receiver's hands for long, and others after it be lost."""

    async def scenario() -> None:
        sender = Sender(3)
        await asyncio.sleep(60.0)
        sent = sender.wire.take()
        assert (sent.count(1), sent.count(2)) == (2, 2)
        assert sent.count(0) > 20

    run(scenario())

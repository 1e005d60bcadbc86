"""The room's process and a session that asks again because it never heard the answer."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from actors.messages import (
    Done,
    JoinRoom,
    Message,
    PracticeJoin,
    PracticeJoined,
    PracticeText,
    SendText,
)
from actors.messages.codec import decode, encode
from actors.runtime.bus import Bus
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.session.tokens import TokenOptions
from actors.session.tokens.practice import PracticeTokens
from actors.settings import Settings
from tests.children import DEADLINE_S, Children

pytestmark = pytest.mark.process

SETTINGS = msgspec.convert({"livekit": {"backend": "practice"}}, Settings)


class Server:
    """In the place of the parrot: lets everyone in, and notes the texts that are sent."""

    def __init__(self, bus: Bus) -> None:
        self.texts: list[tuple[str, str]] = []
        self._lane = bus.bind("router", "practice", self._on_frame)

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        match decode(frame).message:
            case PracticeJoin(room=room, identity=identity):
                joined = PracticeJoined(room, identity)
                to = peer.decode()
                self._lane.send(encode(joined, kind="tell", sender="parrot", to=to), to=to)
            case PracticeText(stream_id=id_, content=text):
                self.texts.append((id_, text))


def test_a_text_asked_for_again_under_its_id_is_sent_once(runtime_dir: Path) -> None:
    async def scenario() -> None:
        bus = Bus(runtime_dir)
        server = Server(bus)
        try:
            async with Children(runtime_dir, SETTINGS) as children:
                await children.start("router", "actors.router.process:Router")
                await children.start("room", "actors.room.process:RoomActor")
                async with Client(runtime_dir) as client:

                    async def ask(order: Message) -> Message:
                        return await client.ask("room", order, DEADLINE_S)

                    with pytest.raises(OrderFailed, match="no room to send to"):
                        await ask(SendText("m1", "too early"))
                    details = await PracticeTokens().fetch(TokenOptions("room-1", "terminal-1"))
                    await ask(
                        JoinRoom(
                            "c1", "", details.participant_token, microphone=False, preconnect=False
                        )
                    )
                    again = [ask(SendText("m1", "hello")) for _ in range(3)]
                    assert await asyncio.gather(*again) == [Done()] * 3
                    assert await ask(SendText("m1", "hello")) == Done()
                    assert await ask(SendText("m2", "hello")) == Done()
                    async with asyncio.timeout(DEADLINE_S):
                        while ("m2", "hello") not in server.texts:
                            await asyncio.sleep(0.01)
                    assert server.texts == [("m1", "hello"), ("m2", "hello")]
        finally:
            bus.close()

    asyncio.run(scenario())

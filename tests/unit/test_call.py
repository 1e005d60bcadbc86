"""One joined conversation: what it makes of the room's events."""

import asyncio
from typing import Any

import pytest

from actors.messages import JoinRoom, TextStream
from actors.room.backend import MicrophoneRepublished, OnEvent, TextChunk, TextEnded
from actors.room.call import TRANSCRIBED_TRACK, Call
from actors.room.microphone import Microphone
from actors.room.speaker import SpeakerLane

pytestmark = pytest.mark.unit


class Backend:
    """One that connects at once; ``on_event``: for the test to say what happens."""

    identity, name = "terminal", "room-1"

    def __init__(self, on_event: OnEvent) -> None:
        self.on_event = on_event
        self.encrypts: list[bool] = []

    def set_encryption(self, *, enabled: bool) -> None:
        self.encrypts.append(enabled)

    async def connect(self, url: str, token: str) -> None:
        assert self.encrypts, "before anything is said"

    async def publish_microphone(self, sample_rate: int, *, preconnect: bool) -> str:
        return "TR_1"


class Quiet(Microphone):
    """Has nothing to send."""

    def __init__(self) -> None:
        pass

    def published(self, sid: str) -> None:
        pass

    def republished(self, sid: str) -> None:
        pass


class Outlet:
    def __init__(self) -> None:
        self.texts: list[TextStream] = []

    def call_changed(self) -> None:
        pass

    def text(self, stream: TextStream) -> None:
        self.texts.append(stream)


async def _joined(**changes: Any) -> tuple[Call, Any, Outlet]:
    order = JoinRoom("c1", "ws://h", "t", microphone=True, preconnect=True, **changes)
    outlet = Outlet()
    call = Call(order, Backend, outlet, SpeakerLane(lambda _: True))  # type: ignore[arg-type,return-value]
    call.microphone = Quiet()
    await call.join(order, 48_000)
    return call, call.backend, outlet


def test_what_was_understood_of_our_microphone_is_in_our_name_however_it_is_sent() -> None:
    """Where streams are encrypted, LiveKit's client has them all in the name of their sender."""

    async def scenario() -> None:
        _, backend, outlet = await _joined()
        backend.on_event(MicrophoneRepublished("TR_2"))
        whose = {"TR_1": "terminal", "TR_2": "terminal", "TR_another": "agent", "": "agent"}
        for sid in whose:
            attributes = {TRANSCRIBED_TRACK: sid} if sid else {}
            stream = (f"s{sid}", "lk.transcription", "agent", attributes)
            backend.on_event(TextChunk(*stream, "hello"))
            backend.on_event(TextEnded(*stream))
        for sid, participant in whose.items():
            grown, ended = (text for text in outlet.texts if text.stream_id == f"s{sid}")
            assert (grown.participant, ended.participant) == (participant, participant)
            assert (ended.text, ended.ended) == ("hello", True)

    asyncio.run(scenario())


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_room_is_joined_encrypted_or_not_as_ordered(encrypted: bool) -> None:
    async def scenario() -> None:
        _, backend, _ = await _joined(encrypted=encrypted)
        assert backend.encrypts == [encrypted]

    asyncio.run(scenario())

"""One joined conversation: what it makes of the room's events."""

import asyncio
from typing import Any

import pytest

from actors.messages import JoinRoom, TextStream
from actors.room.backend import (
    ConnectionChanged,
    MicrophoneRepublished,
    MicrophoneSubscribed,
    OnEvent,
    TextChunk,
    TextEnded,
)
from actors.room.call import MET_S, TRANSCRIBED_TRACK, Call
from actors.room.microphone import Microphone
from actors.room.speaker import SpeakerLane
from tests import virtual_loop

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

    def subscribed(self, sid: str) -> None:
        pass

    def connection(self, *, up: bool) -> None:
        pass

    def close(self) -> None:
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


@pytest.mark.parametrize(
    ("event", "waited_s"),
    [(MicrophoneSubscribed("TR_1"), 0.2), (None, MET_S), ("left", 0.2)],
    ids=["subscribed", "takes no sound", "left"],
)
def test_who_has_just_come_waits_with_a_text_until_the_agent_knows_of_it(
    event: MicrophoneSubscribed | str | None, waited_s: float
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        call, backend, _ = await _joined()
        backend.on_event(ConnectionChanged("connected"))
        began = loop.time()
        if isinstance(event, MicrophoneSubscribed):
            loop.call_later(0.2, backend.on_event, event)
        elif event:
            loop.call_later(0.2, call.close, "the room was left")
        await call.met()
        assert loop.time() - began == pytest.approx(waited_s)
        await call.met()
        assert loop.time() - began == pytest.approx(waited_s), "once"

    virtual_loop.run(scenario())


def test_a_short_break_makes_nobody_new_but_a_reconnect_does() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        call, backend, _ = await _joined()
        backend.on_event(ConnectionChanged("connected"))
        backend.on_event(MicrophoneSubscribed("TR_1"))
        for state in ("reconnecting", "connected"):
            backend.on_event(ConnectionChanged(state))
        began = loop.time()
        await call.met()
        assert loop.time() == began
        backend.on_event(MicrophoneRepublished("TR_2"))
        loop.call_later(0.3, backend.on_event, MicrophoneSubscribed("TR_2"))
        await call.met()
        assert loop.time() - began == pytest.approx(0.3)

    virtual_loop.run(scenario())

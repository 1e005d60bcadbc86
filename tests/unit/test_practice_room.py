"""The practice room's own parts, beside the contract: bounds of its texts, its connection."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.messages import (
    Message,
    PracticeAnswer,
    PracticeAudio,
    PracticeBeat,
    PracticeCall,
    PracticeClosed,
    PracticeJoin,
    PracticeJoined,
    PracticeRoster,
    PracticeText,
)
from actors.messages.codec import decode, encode
from actors.room.backend import ConnectionChanged, RoomError, TextChunk, TextEnded
from actors.room.loss import Reception
from actors.room.practice_link import PracticeLink
from actors.room.practice_room import PracticeRoom
from actors.room.practice_text import MAX_STREAM_BYTES, MAX_STREAMS, PracticeTexts
from actors.room.practice_token import Place
from actors.room.rpc import UNSUPPORTED
from actors.runtime.bus import Bus
from tests.rooms.practice import PracticePeer, PracticeStage
from tests.rooms.terminal import Terminal

pytestmark = pytest.mark.unit


def part(stream: str, content: str = "x", *, ended: bool = False) -> PracticeText:
    return PracticeText(stream, "lk.chat", "agent", {}, content, ended)


def test_a_stream_that_is_too_long_ends_once_and_its_name_is_then_free_again() -> None:
    events: list[TextChunk | TextEnded] = []
    texts = PracticeTexts(events.append)
    for _ in range(3):
        texts.part(part("long", "é" * (MAX_STREAM_BYTES // 4)))
    assert [type(event) for event in events] == [TextChunk, TextChunk, TextEnded]
    texts.part(part("long", ended=True))
    texts.part(part("long", ended=True))
    assert [type(event) for event in events[3:]] == [TextChunk, TextEnded]


def test_what_is_remembered_of_refused_streams_is_bounded() -> None:
    events: list[TextChunk | TextEnded] = []
    texts = PracticeTexts(events.append)
    for number in range(4 * MAX_STREAMS):
        texts.part(part(str(number)))
    assert len(texts._open) == len(texts._refused) == MAX_STREAMS
    texts.break_off()
    assert len([event for event in events if isinstance(event, TextEnded)]) == 4 * MAX_STREAMS
    assert not texts._open


class Server:
    """The other end of the lane, which says what a test likes."""

    def __init__(self, bus: Bus) -> None:
        self._lane = bus.bind("router", "practice", self._on_frame)
        self.heard: list[Message] = []
        self.answers: dict[type[Message], Message] = {PracticeJoin: PracticeJoined("r", "me")}
        self._peer = ""

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        self._peer = peer.decode()
        self.heard.append(decode(frame).message)
        if (answer := self.answers.get(type(self.heard[-1]))) is not None:
            self.say(answer)

    def calls(self) -> list[PracticeCall]:
        return [message for message in self.heard if isinstance(message, PracticeCall)]

    def say(self, message: Message) -> None:
        self.raw(encode(message, kind="tell", sender="parrot"))

    def raw(self, frame: bytes) -> None:
        assert self._lane.send(frame, to=self._peer)


def _scenario(runtime_dir: Path, scenario: Any) -> None:
    """``await scenario(terminal, server)`` with a terminal that is connected."""

    async def run() -> None:
        bus = Bus(runtime_dir)
        try:
            server = Server(bus)
            terminal = Terminal(lambda on_event: PracticeRoom(on_event, bus))
            await terminal.backend.connect("", PracticeStage(runtime_dir).token())
            await scenario(terminal, server)
            await terminal.backend.disconnect()
        finally:
            bus.close()

    asyncio.run(run())


def test_a_stream_is_not_sent_over_two_connections(runtime_dir: Path) -> None:
    async def scenario(terminal: Terminal, server: Server) -> None:
        server.answers[PracticeText] = PracticeClosed("STATE_MISMATCH")
        with pytest.raises(RoomError, match="interrupted"):
            await terminal.say("x" * 2_000_000, "1")
        await terminal.until(lambda: terminal.states()[-2:] == ["reconnecting", "connected"])
        del server.answers[PracticeText]
        await terminal.say("again", "2")
        await terminal.until(lambda: [m for m in server.heard if _is_text(m, "2")])

    _scenario(runtime_dir, scenario)


def test_what_was_sent_has_not_arrived_before_the_agent_has_answered(runtime_dir: Path) -> None:
    """A process that is killed takes along what waits in its socket."""

    async def scenario(terminal: Terminal, server: Server) -> None:
        cast: Any = None
        server.say(PracticeRoster((PracticePeer(cast, "agent", "agent").shown,)))
        await terminal.until(terminal.agent)
        content = b"x" * 1_000_000
        await terminal.backend.send_bytes(content, topic="t", attributes={}, to="agent", name="n")
        async with asyncio.TaskGroup() as group:
            reached = group.create_task(terminal.backend.has_reached("agent", timeout_s=30.0))
            await terminal.until(server.calls)
            assert not reached.done()
            server.say(PracticeAnswer(server.calls()[0].id, UNSUPPORTED))
        assert reached.result()

    _scenario(runtime_dir, scenario)


def test_what_was_sent_to_one_who_is_gone_has_not_arrived(runtime_dir: Path) -> None:
    async def scenario(terminal: Terminal, server: Server) -> None:
        cast: Any = None
        server.say(PracticeRoster((PracticePeer(cast, "agent", "agent").shown,)))
        await terminal.until(terminal.agent)
        server.answers[PracticeCall] = PracticeClosed("STATE_MISMATCH")
        with pytest.raises(RoomError, match="gone"):
            await terminal.backend.has_reached("agent", timeout_s=30.0)

    _scenario(runtime_dir, scenario)


def _is_text(message: Message, stream_id: str) -> bool:
    return isinstance(message, PracticeText) and message.stream_id == stream_id


@pytest.mark.parametrize("reason", ["DUPLICATE_IDENTITY", "ROOM_CLOSED", "no such reason"])
def test_it_is_out_when_it_is_told_so(runtime_dir: Path, reason: str) -> None:
    async def scenario(terminal: Terminal, server: Server) -> None:
        server.say(PracticeClosed(reason))
        await terminal.until(lambda: terminal.states()[-1] == "disconnected")
        assert terminal.of(ConnectionChanged)[-1].reason

    _scenario(runtime_dir, scenario)


def test_once_the_bus_is_closed_it_sends_nothing_and_says_so(runtime_dir: Path) -> None:
    async def scenario() -> None:
        bus = Bus(runtime_dir)
        Server(bus)
        link = PracticeLink(bus, lambda _: None, lambda *_: None)
        await link.open(Place("r", "me"))
        assert link.send(PracticeBeat())
        bus.close()
        assert not link.send(PracticeBeat())
        link.close("")

    asyncio.run(scenario())


def test_garbage_from_the_other_end_changes_nothing(runtime_dir: Path) -> None:
    async def scenario(terminal: Terminal, server: Server) -> None:
        cast: Any = None
        agent = PracticePeer(cast, "agent", "agent").shown
        server.say(PracticeRoster((agent,)))
        sid = agent.tracks[0].sid
        for frame in (b"", b"\xc1", b"\x93\x01", bytes(100_000), b"\xdd\xff\xff\xff\xff"):
            server.raw(frame)
        for message in (
            PracticeAudio("another", 48_000, bytes(1920)),
            PracticeAudio(sid, 0, bytes(1920)),
            PracticeAudio(sid, -1, b"\0"),
            PracticeBeat(2**62),
            PracticeText("", "lk.nothing", "", {}, "x", False),
            PracticeJoined("elsewhere", "somebody"),
            PracticeJoin("r", "me"),
        ):
            server.say(message)
        server.say(part("s", "words", ended=True))
        await terminal.until(lambda: terminal.end("s"))
        assert terminal.states() == ["connecting", "connected"]
        assert (terminal.backend.name, terminal.backend.identity) == ("r", "me")
        assert terminal.heard() == b""
        assert terminal.backend.queued_s == 0.0

    _scenario(runtime_dir, scenario)


def test_what_the_other_end_has_acknowledged_is_a_report_of_this_connection(
    runtime_dir: Path,
) -> None:
    """Else all that was said since the track went live would be said again after a loss."""

    async def scenario(terminal: Terminal, server: Server) -> None:
        reports: list[Reception] = []
        for number in ("1", "2"):
            server.say(PracticeBeat(0))
            server.say(part(number, ended=True))
            await terminal.until(lambda number=number: terminal.end(number))  # type: ignore[misc]
            reports.append(await terminal.backend.reception())
        assert [report.lost for report in reports] == [0, 0]
        first, second = (report.reported_at for report in reports)
        assert first is not None
        assert second is not None
        assert first < second
        server.say(PracticeClosed("STATE_MISMATCH"))
        await terminal.until(lambda: terminal.states()[-2:] == ["reconnecting", "connected"])
        assert (await terminal.backend.reception()).reported_at is None

    _scenario(runtime_dir, scenario)

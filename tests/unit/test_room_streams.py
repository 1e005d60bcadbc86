"""Text streams as they come off the wire: whatever is wrong with one ends that one."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.room.backend import TextChunk, TextEnded
from actors.room.streams import (
    BROKEN_OFF,
    IDLE,
    IDLE_S,
    MAX_STREAM_BYTES,
    MAX_STREAMS,
    NO_TEXT,
    TOO_LONG,
    TOO_MANY,
    Header,
    TextStreams,
)

pytestmark = pytest.mark.unit

BIRD = "grüß 🦜!".encode()


class Wire:
    """What comes, and what is made of it."""

    def __init__(self) -> None:
        self.events: list[TextChunk | TextEnded] = []
        self.streams = TextStreams(self.events.append)
        self.now = 1000.0

    def open(
        self,
        stream_id: str = "s",
        *,
        topic: str = "lk.chat",
        participant: str = "agent",
        total: int | None = None,
    ) -> None:
        header = Header(stream_id, topic, participant, {"h": "1"}, total)
        self.streams.header(header, self.now)

    def chunk(self, index: int, content: bytes, stream_id: str = "s") -> None:
        self.streams.chunk(stream_id, index, content, self.now)

    def close(self, reason: str = "", stream_id: str = "s") -> None:
        self.streams.trailer(stream_id, reason, {"t": "2"})

    def text(self, stream_id: str = "s") -> str:
        chunks = (e for e in self.events if isinstance(e, TextChunk) and e.stream_id == stream_id)
        return "".join(chunk.content for chunk in chunks)

    def error(self, stream_id: str = "s") -> str | None:
        """How it has ended, once; None: not yet."""
        ends = [e for e in self.events if isinstance(e, TextEnded) and e.stream_id == stream_id]
        assert len(ends) < 2
        return ends[0].error if ends else None


def test_a_stream_is_its_chunks_and_its_end_in_order() -> None:
    wire = Wire()
    wire.open(total=2)
    wire.chunk(0, b"a")
    wire.chunk(1, b"b")
    wire.close()
    assert wire.events == [
        TextChunk("s", "lk.chat", "agent", {"h": "1"}, "a"),
        TextChunk("s", "lk.chat", "agent", {"h": "1"}, "b"),
        TextEnded("s", "lk.chat", "agent", {"h": "1", "t": "2"}),
    ]
    assert len(wire.streams) == 0


@given(st.text(max_size=60), st.lists(st.integers(0, 240), max_size=12))
def test_however_the_bytes_are_cut_characters_come_whole(text: str, cuts: list[int]) -> None:
    content = text.encode()
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    wire = Wire()
    wire.open(total=len(content))
    for index, (start, end) in enumerate(itertools.pairwise(edges)):
        wire.chunk(index, content[start:end])
    wire.close()
    assert (wire.text(), wire.error()) == (text, "")
    assert all(e.content for e in wire.events if isinstance(e, TextChunk)), "none is empty"


@pytest.mark.parametrize(
    ("chunks", "total", "reason", "text", "error"),
    [
        ([(0, b"a"), (2, b"c")], None, "", "a", BROKEN_OFF),
        ([(0, b"a"), (2, b"c"), (1, b"b")], None, "", "a", BROKEN_OFF),
        ([(1, b"b")], None, "", "", BROKEN_OFF),
        ([(0, b"a"), (0, b"a"), (1, b"b")], None, "", "ab", ""),
        ([(0, b"a\xff"), (1, b"b")], None, "", "", NO_TEXT),
        ([(0, BIRD[:-2])], None, "", "grüß ", BROKEN_OFF),
        ([(0, b"abc")], 10, "", "abc", BROKEN_OFF),
        ([(0, b"abcd")], 3, "", "abcd", BROKEN_OFF),
        ([(0, b"abc")], None, "given up", "abc", BROKEN_OFF),
        ([], None, "", "", ""),
        ([], MAX_STREAM_BYTES + 1, "", "", TOO_LONG),
        ([(0, bytes(MAX_STREAM_BYTES)), (1, b"x")], None, "", "\0" * MAX_STREAM_BYTES, TOO_LONG),
    ],
)
def test_an_end_that_is_none_is_told(
    chunks: list[tuple[int, bytes]], total: int | None, reason: str, text: str, error: str
) -> None:
    wire = Wire()
    wire.open("other")
    wire.open(total=total)
    for index, content in chunks:
        wire.chunk(index, content)
    wire.close(reason)
    assert (wire.text(), wire.error()) == (text, error)
    wire.chunk(0, b"whole", "other")
    wire.close(stream_id="other")
    assert (wire.text("other"), wire.error("other")) == ("whole", "")


def test_who_has_left_will_end_nothing_and_others_go_on() -> None:
    wire = Wire()
    wire.open("theirs")
    wire.open("others", participant="another")
    wire.streams.gone(frozenset({"agent", "somebody"}))
    assert (wire.error("theirs"), wire.error("others")) == (BROKEN_OFF, None)
    wire.chunk(0, b"late", "theirs")
    wire.close(stream_id="theirs")
    assert wire.text("theirs") == ""


def test_the_loss_of_the_connection_ends_all() -> None:
    wire = Wire()
    wire.open("1")
    wire.open("2")
    wire.streams.lost()
    assert (wire.error("1"), wire.error("2")) == (BROKEN_OFF, BROKEN_OFF)
    assert len(wire.streams) == 0


def test_one_that_nobody_goes_on_with_is_ended() -> None:
    wire = Wire()
    wire.open("silent")
    wire.open("goes on")
    for index in range(4):
        wire.now += IDLE_S / 3
        wire.chunk(index, b"x", "goes on")
        wire.streams.look(wire.now)
    assert (wire.error("silent"), wire.error("goes on")) == (IDLE, None)


def test_a_flood_is_refused_and_those_that_were_open_go_on() -> None:
    wire = Wire()
    for number in range(MAX_STREAMS + 1):
        wire.open(f"{number}")
    assert wire.error(f"{MAX_STREAMS}") == TOO_MANY
    wire.chunk(0, b"x", "0")
    assert (wire.text("0"), len(wire.streams)) == ("x", MAX_STREAMS)


def test_an_id_that_is_used_again_breaks_the_first_off() -> None:
    wire = Wire()
    wire.open()
    wire.chunk(0, b"a")
    wire.open()
    assert wire.error() == BROKEN_OFF
    wire.chunk(0, b"b")
    assert wire.text() == "ab"


def test_other_topics_are_not_for_us() -> None:
    wire = Wire()
    wire.open(topic="lk.other")
    wire.chunk(0, b"a")
    wire.close()
    assert wire.events == []

"""The transcript fold: agent-api.md, "Text and transcripts", and any disorder of deliveries."""

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import ChatMessage, TextStream
from actors.session.messages import MessageList
from actors.session.transcripts import (
    FINAL,
    KEPT_SEGMENTS,
    OVERTAKEN_S,
    SEGMENT,
    TOPIC,
    Folded,
    Segment,
    Transcripts,
)

pytestmark = pytest.mark.unit

USER, AGENT = "terminal", "agent-1"


def _stream(
    segment: str,
    text: str,
    *,
    id_: str = "",
    who: str = AGENT,
    final: str | None = "false",
    ended: bool = False,
    error: str = "",
    at: float = 100.0,
    conversation: str = "c1",
) -> TextStream:
    attributes = {SEGMENT: segment} if segment else {}
    if final is not None:
        attributes[FINAL] = final
    return TextStream(
        stream_id=id_ or f"{segment}-stream",
        topic=TOPIC,
        participant=who,
        attributes=attributes,
        text=text,
        opened_at=at,
        ended=ended,
        error=error,
        conversation=conversation,
    )


def _fold(fold: Transcripts, stream: TextStream) -> Folded:
    own = stream.participant == USER
    return fold.fold(stream, is_own=own, has_interims=own)


def _texts(fold: Transcripts, *streams: TextStream) -> list[tuple[str, bool]]:
    """Text and finality of each change."""
    messages = [_fold(fold, stream).message for stream in streams]
    return [(message.text, message.is_final) for message in messages if message is not None]


# -- an agent: one stream of deltas a segment ------------------------------------------------------


def test_same_segment_same_stream_the_text_grows() -> None:
    fold = Transcripts()
    assert _texts(
        fold, _stream("s1", "Hey"), _stream("s1", "Hey there!"), _stream("s1", "Hey there! Hi!")
    ) == [("Hey", False), ("Hey there!", False), ("Hey there! Hi!", False)]


def test_final_may_come_only_in_the_trailer() -> None:
    fold = Transcripts()
    assert _texts(fold, _stream("s1", "Hey"), _stream("s1", "Hey", final="true", ended=True)) == [
        ("Hey", False),
        ("Hey", True),
    ]


def test_final_by_the_end_of_the_stream_though_the_header_said_false() -> None:
    fold = Transcripts()
    assert _texts(fold, _stream("s1", "Hey"), _stream("s1", "Hey", ended=True)) == [
        ("Hey", False),
        ("Hey", True),
    ]


def test_final_by_the_header_holds_for_the_whole_stream_and_not_for_its_first_chunk() -> None:
    fold = Transcripts()
    assert _texts(
        fold,
        _stream("s1", "Hello ", final="true"),
        _stream("s1", "Hello Apple!", final="true"),
        _stream("s1", "Hello Apple!", final="true", ended=True),
    ) == [("Hello ", False), ("Hello Apple!", False), ("Hello Apple!", True)]


@pytest.mark.parametrize("word", ["true", "True", "TRUE"])
def test_final_in_any_case(word: str) -> None:
    stream = _stream("s1", "Hey", who=USER, final=word, ended=True)
    assert _texts(Transcripts(), stream) == [("Hey", True)]


def test_no_doubled_message_when_header_and_end_both_say_final() -> None:
    fold = Transcripts()
    ended = _stream("s1", "Hey", final="true", ended=True)
    assert _texts(fold, ended, ended, _stream("s1", "Hey", final="true")) == [("Hey", True)]


def test_a_sender_that_vanishes_ends_that_one_message_with_what_was_heard_of_it() -> None:
    fold = Transcripts()
    broken = _stream("s1", "I was just abo", ended=True, error="broken off")
    assert _texts(fold, _stream("s1", "I was"), broken) == [
        ("I was", False),
        ("I was just abo", True),
    ]
    assert not _fold(fold, broken).is_news, "told once"


def test_that_a_text_was_broken_off_is_news_once() -> None:
    fold = Transcripts()
    for broken in (
        _stream("s1", "I was", ended=True, error="broken off"),
        _interim("Hel", "a", error="broken off"),
    ):
        assert _fold(fold, broken).is_news
        assert not _fold(fold, broken).is_news


def test_two_segments_of_an_agent_that_overlap_do_not_disturb_each_other() -> None:
    fold = Transcripts()
    _fold(fold, _stream("s1", "first"))
    assert _fold(fold, _stream("s2", "second", at=101.0)).purged == ()
    assert _texts(fold, _stream("s1", "first goes on")) == [("first goes on", False)]


# -- a user: a new stream for every interim --------------------------------------------------------


def _interim(text: str, id_: str, **more: object) -> TextStream:
    given_: dict[str, object] = {"who": USER, "ended": True, "segment": "u1", **more}
    return _stream(text=text, id_=id_, **given_)  # type: ignore[arg-type]


def test_same_segment_new_stream_the_text_is_replaced() -> None:
    fold = Transcripts()
    assert _texts(
        fold,
        _interim("Hello", "a", at=100.0),
        _interim("Yellow", "b", at=101.0),
        _interim("Yellow apple.", "c", at=102.0, final="true"),
    ) == [("Hello", False), ("Yellow", False), ("Yellow apple.", True)]


def test_the_end_of_an_interim_is_not_that_of_its_segment() -> None:
    assert _texts(Transcripts(), _interim("Hello", "a")) == [("Hello", False)]


def test_a_stream_that_says_nothing_of_finality_is_final_when_it_ended_well() -> None:
    fold = Transcripts()
    assert _texts(fold, _interim("Hello", "a", final=None)) == [("Hello", True)]
    broken = _interim("Hello", "b", segment="u2", final=None, error="broken off")
    assert _texts(fold, broken) == [("Hello", False)]


def test_a_new_segment_of_a_participant_purges_its_older_partials() -> None:
    fold = Transcripts()
    _fold(fold, _interim("uh", "a", segment="u1"))
    _fold(fold, _stream("s1", "agent"))
    _fold(fold, _stream("s2", "other", who="agent-2"))
    folded = _fold(fold, _interim("Hello", "b", segment="u2", at=101.0))
    assert folded.purged == ("u1",)
    assert [segment.message.id for segment in fold.open] == ["s1", "s2", "u2"]


def test_a_finished_segment_is_not_purged() -> None:
    fold = Transcripts()
    _fold(fold, _interim("Hello", "a", segment="u1", final="true"))
    assert _fold(fold, _interim("you", "b", segment="u2", at=101.0)).purged == ()


def test_a_purged_segment_that_becomes_final_after_all_comes_back_with_its_time() -> None:
    fold = Transcripts()
    _fold(fold, _interim("Hel", "a", segment="u1", at=100.0))
    _fold(fold, _interim("you", "b", segment="u2", at=101.0))
    assert _fold(fold, _interim("Hello", "c", segment="u1", at=100.5)).message is None
    folded = _fold(fold, _interim("Hello", "d", segment="u1", at=102.0, final="true"))
    assert folded.message is not None
    assert (folded.message.text, folded.message.timestamp, folded.is_late) == ("Hello", 100.0, True)
    assert folded.purged == ()


def test_a_segment_of_which_only_the_end_is_heard_has_the_place_of_its_time() -> None:
    fold = Transcripts()
    assert not _fold(fold, _stream("s2", "It is", at=102.0)).is_late
    assert _fold(fold, _stream("s1", "What time is it?", ended=True, at=101.0)).is_late
    assert not _fold(fold, _stream("s2", "It is noon.", ended=True, at=102.0)).is_late


# -- ids, kinds, times -----------------------------------------------------------------------------


def test_the_messages_id_is_the_segment_id_or_else_the_stream_id() -> None:
    fold = Transcripts()
    named = _fold(fold, _stream("s1", "a", id_="x")).message
    nameless = _fold(fold, _stream("", "b", id_="y", final=None)).message
    assert named is not None
    assert nameless is not None
    assert (named.id, nameless.id) == ("s1", "y")


def test_identity_is_the_local_one_user_transcript_else_agent_transcript() -> None:
    fold = Transcripts()
    own = _fold(fold, _stream("u1", "a", who=USER)).message
    other = _fold(fold, _stream("s1", "b")).message
    assert own is not None
    assert other is not None
    assert (own.kind, other.kind) == ("user_transcript", "agent_transcript")


def test_its_timestamp_is_that_of_the_first_chunk_and_never_changes() -> None:
    fold = Transcripts()
    at = []
    for number, opened in enumerate((100.0, 101.0, 102.0)):
        final = "true" if number == 2 else "false"
        message = _fold(fold, _interim(f"{number}", f"{number}", at=opened, final=final)).message
        assert message is not None
        at.append(message.timestamp)
    assert at == [100.0, 100.0, 100.0]


def test_a_message_belongs_to_the_conversation_in_which_it_began() -> None:
    fold = Transcripts()
    _fold(fold, _stream("s1", "a", conversation="c1"))
    message = _fold(fold, _stream("s1", "ab", conversation="c1", ended=True)).message
    assert message is not None
    assert message.conversation == "c1"


# -- empty, late, twice, overtaken -----------------------------------------------------------------


def test_empty_chunks_are_skipped() -> None:
    fold = Transcripts()
    assert _texts(fold, _stream("s1", ""), _stream("s1", "", ended=True)) == []
    assert _texts(fold, _stream("s2", "Hey"), _stream("s2", "", id_="another")) == [("Hey", False)]


def test_an_empty_end_keeps_the_text() -> None:
    fold = Transcripts()
    _fold(fold, _interim("Hello", "a"))
    assert _texts(fold, _interim("", "b", final="true", at=101.0)) == [("Hello", True)]


def test_a_chunk_that_was_overtaken_is_skipped() -> None:
    fold = Transcripts()
    assert _texts(fold, _stream("s1", "Hey there"), _stream("s1", "Hey")) == [("Hey there", False)]


def test_an_interim_that_was_overtaken_is_skipped() -> None:
    fold = Transcripts()
    assert _texts(fold, _interim("Hello", "b", at=101.0), _interim("Hel", "a", at=100.0)) == [
        ("Hello", False)
    ]


def test_an_interim_from_before_the_clock_was_set_back_is_not_an_overtaken_one() -> None:
    fold = Transcripts()
    later = 100.0 + 2 * OVERTAKEN_S
    assert _texts(fold, _interim("Hel", "a", at=later), _interim("Hello", "b", at=100.0)) == [
        ("Hel", False),
        ("Hello", False),
    ]


def test_a_repeated_state_changes_nothing() -> None:
    fold = Transcripts()
    _fold(fold, _stream("s1", "Hey"))
    assert _fold(fold, _stream("s1", "Hey")).message is None
    end = _stream("s1", "Hey", ended=True)
    assert _fold(fold, end).message is not None
    assert _fold(fold, end) == Folded()


def test_finished_segments_are_forgotten_beyond_a_bound_and_open_ones_kept() -> None:
    fold = Transcripts()
    _fold(fold, _stream("open", "still talking"))
    for number in range(3 * KEPT_SEGMENTS):
        _fold(fold, _stream(f"s{number}", "x", ended=True, at=200.0 + number))
    assert [segment.message.id for segment in fold.open] == ["open"]
    assert len(fold._segments) == KEPT_SEGMENTS
    newest = 3 * KEPT_SEGMENTS - 1
    assert _fold(fold, _stream(f"s{newest}", "x", ended=True)) == Folded()


def test_a_flood_of_open_segments_is_bounded() -> None:
    fold = Transcripts()
    for number in range(2 * KEPT_SEGMENTS):
        _fold(fold, _stream(f"s{number}", "x"))
    assert len(fold.open) == KEPT_SEGMENTS


# -- ends that nobody sends ------------------------------------------------------------------------


def test_when_the_receiver_of_the_streams_is_gone_what_an_agent_said_so_far_is_final() -> None:
    fold = Transcripts()
    _fold(fold, _stream("s1", "I was just"))
    _fold(fold, _interim("Hel", "a"))
    (ended,) = fold.break_off()
    assert (ended.id, ended.text, ended.is_final) == ("s1", "I was just", True)
    assert _fold(fold, _stream("s1", "I was just about")) == Folded()
    assert _texts(fold, _interim("Hello", "b", at=101.0, final="true")) == [("Hello", True)]


def test_when_the_conversation_is_over_what_was_never_final_leaves() -> None:
    fold = Transcripts()
    _fold(fold, _interim("Hel", "a"))
    assert fold.withdraw_all() == ("u1",)
    assert fold.open == ()


# -- another process goes on -----------------------------------------------------------------------


def test_a_segment_begun_before_the_kill_keeps_id_time_and_conversation() -> None:
    before = Transcripts()
    _fold(before, _interim("Hel", "a", at=100.0))
    _fold(before, _stream("s1", "Good mor", at=101.0))
    wire = msgspec.json.encode(before.unfinished)
    after = Transcripts()
    after.recall((), msgspec.json.decode(wire, type=tuple[Segment, ...]), USER)
    said = _fold(after, _interim("Hello", "b", at=103.0, final="true")).message
    morning = _fold(after, _stream("s1", "Good morning", at=101.0)).message
    assert said is not None
    assert (said.id, said.timestamp, said.is_final) == ("u1", 100.0, True)
    assert morning is not None
    assert (morning.id, morning.timestamp, morning.text) == ("s1", 101.0, "Good morning")


def test_a_segment_finished_before_the_kill_is_not_put_again() -> None:
    after = Transcripts()
    after.recall(
        [
            ChatMessage("s1", "agent_transcript", "Good morning", 101.0),
            ChatMessage("m1", "user_input", "typed", 102.0),
        ],
        (),
        USER,
    )
    assert _fold(after, _stream("s1", "Good morning", ended=True, at=101.0)) == Folded()
    assert _fold(after, _stream("m1", "a segment of that name", ended=True)).message is not None


def test_an_interim_from_before_the_kill_is_overtaken_by_what_was_said_since() -> None:
    after = Transcripts()
    after.recall([ChatMessage("u2", "user_transcript", "Hello", 101.0)], (), USER)
    assert _fold(after, _interim("uh", "a", segment="u1", at=100.0)) == Folded()
    assert _fold(after, _stream("s1", "no hurry", at=100.0)).message is not None


# -- any order -------------------------------------------------------------------------------------


@dataclass
class _Script:
    """What a room publishes of a conversation, in its true order."""

    events: list[TextStream] = field(default_factory=list)
    final: dict[str, str] = field(default_factory=dict)
    """Text of each segment that becomes final."""
    dangling: dict[str, str] = field(default_factory=dict)
    """Of the user's newest segment, if it does not."""


@st.composite
def _scripts(draw: st.DrawFn) -> _Script:
    script, at = _Script(), 100.0
    for number in range(draw(st.integers(1, 5))):
        segment, at = f"seg{number}", at + 1.0
        if draw(st.booleans()):
            _agent_segment(draw, script, segment, at)
        else:
            at = _user_segment(draw, script, segment, at)
    return script


def _agent_segment(draw: st.DrawFn, script: _Script, segment: str, at: float) -> None:
    text = ""
    for _ in range(draw(st.integers(1, 4))):
        text += draw(st.sampled_from(["Hey", " there", "", " ünï"]))
        script.events.append(_stream(segment, text, at=at))
    final = draw(st.sampled_from(["true", "false", None]))
    error = draw(st.sampled_from(["", "broken off"]))
    script.events.append(_stream(segment, text, at=at, ended=True, final=final, error=error))
    if text:
        script.final[segment] = text


def _user_segment(draw: st.DrawFn, script: _Script, segment: str, at: float) -> float:
    script.dangling.clear()
    texts = draw(st.lists(st.sampled_from(["a", "ab", "b", "abc"]), min_size=1, max_size=3))
    ends = draw(st.booleans())
    for number, text in enumerate(texts):
        at += 0.125
        final = "true" if ends and number == len(texts) - 1 else "false"
        for ended in (False, True):
            id_ = f"{segment}.{number}"
            script.events.append(
                _stream(segment, text, id_=id_, who=USER, final=final, ended=ended, at=at)
            )
    (script.final if ends else script.dangling)[segment] = texts[-1]
    return at


@st.composite
def _disorders(draw: st.DrawFn) -> tuple[_Script, list[TextStream]]:
    """A script, and what reaches the session of it: every end at least once, in any order."""
    script = draw(_scripts())
    ends = [event for event in script.events if event.ended]
    again = draw(st.lists(st.sampled_from(script.events), max_size=8))
    chunks = [event for event in script.events if not event.ended and draw(st.booleans())]
    return script, draw(st.permutations([*ends, *again, *chunks]))


class _Watched:
    """A list fed by a fold, as the session does it, that checks what may never change."""

    def __init__(self) -> None:
        self.fold = Transcripts()
        self.list = MessageList()
        self._times: dict[str, float] = {}
        self._finals: set[str] = set()

    def take(self, stream: TextStream) -> None:
        places = [message.id for message in self.list.all()]
        folded = _fold(self.fold, stream)
        for id_ in folded.purged:
            assert id_ not in self._finals
            self.list.purge(id_)
        if folded.message is not None:
            self._check(folded.message)
            (self.list.insert if folded.is_late else self.list.put)(folded.message)
        after = [message.id for message in self.list.all()]
        kept = [id_ for id_ in places if id_ not in folded.purged]
        assert [id_ for id_ in after if id_ in kept] == kept, "a place has changed"

    def _check(self, message: ChatMessage) -> None:
        assert message.id not in self._finals, "changed after it was final"
        assert self._times.setdefault(message.id, message.timestamp) == message.timestamp
        if message.is_final:
            self._finals.add(message.id)

    def texts(self, *, final: bool) -> dict[str, str]:
        return {each.id: each.text for each in self.list.all() if each.is_final is final}


@given(_disorders())
def test_any_order_of_deliveries_ends_in_the_same_list(
    case: tuple[_Script, list[TextStream]],
) -> None:
    script, delivered = case
    watched = _Watched()
    for stream in delivered:
        watched.take(stream)
    assert watched.texts(final=True) == script.final
    assert watched.texts(final=False) == script.dangling


@given(_scripts())
def test_in_the_true_order_messages_stand_in_it(script: _Script) -> None:
    watched = _Watched()
    for stream in script.events:
        watched.take(stream)
    ids = [message.id for message in watched.list.all()]
    assert ids == sorted(ids)
    assert set(ids) == {*script.final, *script.dangling}


@given(_disorders(), st.data())
def test_a_kill_between_any_two_changes_nothing(
    case: tuple[_Script, list[TextStream]], data: st.DataObject
) -> None:
    """The next process has the list's finals from history and the open segments from the file."""
    script, delivered = case
    watched = _Watched()
    kills = data.draw(st.sets(st.integers(0, len(delivered)), max_size=3))
    for number, stream in enumerate(delivered):
        if number in kills:
            successor = Transcripts()
            finals = [message for message in watched.list.all() if message.is_final]
            successor.recall(finals, watched.fold.unfinished, USER)
            watched.fold = successor
        watched.take(stream)
    assert watched.texts(final=True) == script.final

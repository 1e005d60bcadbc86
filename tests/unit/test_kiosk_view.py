"""What the page shows, folded from messages."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kiosk.view import MAX_MESSAGES, MAX_SHOWN, View, face
from actors.kiosk.wire import (
    AudioChanged,
    DownChanged,
    Level,
    MessageAppeared,
    MessageWithdrawn,
    SessionChanged,
    encode,
)
from actors.messages import (
    AgentView,
    AudioLevel,
    AudioState,
    ChatMessage,
    GetMessages,
    MessageChanged,
    MessagePurged,
    SessionError,
    SessionState,
)
from actors.runtime.feed import Feed
from tests.scripted import NOBODY, OFF, talking

pytestmark = pytest.mark.unit


@pytest.fixture
def view() -> View:
    return View("Platform 4", "abc")


def _said(identity: str, text: str = "hello", *, final: bool = True) -> ChatMessage:
    return ChatMessage(identity, "agent_transcript", text, 1.0, final, "c1")


def _texts(view: View) -> list[tuple[str, str]]:
    return [(message.id, message.text) for message in view.snapshot().messages]


# -- states ----------------------------------------------------------------------------------------


def test_before_anything_was_said_there_is_no_session(view: View) -> None:
    snapshot = view.snapshot()
    assert (snapshot.terminal, snapshot.page) == ("Platform 4", "abc")
    assert (snapshot.session, snapshot.audio, snapshot.messages) == (None, None, ())


def test_the_last_states_are_in_the_snapshot(view: View) -> None:
    changed = view.apply(talking("thinking", muted=True))
    assert isinstance(changed, SessionChanged)
    assert changed.session.face == "thinking"
    audio = view.apply(AudioState(True, True, "c1", 48_000, "default", "none", "no device"))
    assert isinstance(audio, AudioChanged)
    snapshot = view.snapshot()
    assert (snapshot.session, snapshot.audio) == (changed.session, audio.audio)


def test_a_session_error_is_told_with_its_kind(view: View) -> None:
    shown = view.apply(talking(error=SessionError("sender", "nobody took it")))
    assert isinstance(shown, SessionChanged)
    assert (shown.session.error_kind, shown.session.error) == ("sender", "nobody took it")


def test_nothing_on_the_page_names_a_person_or_room(view: View) -> None:
    state = talking(room_name="room-of-someone")
    state = msgspec.structs.replace(
        state, agent=msgspec.structs.replace(state.agent, identity="agent-identity")
    )
    view.apply(state)
    text = encode(view.snapshot())
    assert "someone" not in text
    assert "agent-identity" not in text


def _agent(**fields: Any) -> AgentView:
    return msgspec.structs.replace(NOBODY, **fields)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (OFF, "disconnected"),
        (talking("idle"), "idle"),
        (talking("initializing"), "initializing"),
        (talking("listening"), "listening"),
        (talking("thinking"), "thinking"),
        (talking("speaking"), "speaking"),
        (talking(connection_state="reconnecting"), "reconnecting"),
        (talking(agent=_agent(life="connected")), "idle"),
        (talking(agent=_agent(life="connecting")), "connecting"),
        (talking(agent=_agent(life="connecting", can_listen=True)), "buffering"),
        (talking(agent=_agent(life="failed", error="left")), "failed"),
        (talking(agent=NOBODY), "connecting"),
    ],
)
def test_each_state_has_its_word(state: SessionState, expected: str) -> None:
    assert face(state) == expected


def test_a_page_is_told_that_what_is_said_is_being_kept(view: View) -> None:
    audio = AudioState(True, False, "c1", 48_000, "default", "none", kept_in="/var/lib/x")
    changed = view.apply(audio)
    assert isinstance(changed, AudioChanged)
    assert changed.audio.is_kept
    assert "/var/lib" not in repr(changed)


def test_a_page_is_told_that_the_microphone_is_listened_to(view: View) -> None:
    audio = AudioState(False, False, "", 48_000, "default", "none", listens="voice")
    changed = view.apply(audio)
    assert isinstance(changed, AudioChanged)
    assert changed.audio.listens == "voice"


@pytest.mark.parametrize(
    ("dbfs", "shown"),
    [(-23.456, -23.5), (3.0, 0.0), (-200.0, -120.0), (math.nan, -120.0), (math.inf, -120.0)],
)
def test_a_level_is_a_number_a_meter_can_show(view: View, dbfs: float, shown: float) -> None:
    assert view.apply(AudioLevel(dbfs, -120.0)) == Level(shown, -120.0)


def test_an_actor_is_down_until_it_is_up_again(view: View) -> None:
    assert view.peer("room", up=True) is None
    assert view.peer("room", up=False) == DownChanged(("room",))
    assert view.peer("room", up=False) is None
    assert view.peer("audio", up=False) == DownChanged(("room", "audio"))
    assert view.peer("room", up=True) == DownChanged(("audio",))
    assert view.snapshot().down == ("audio",)


def test_a_message_of_no_interest_changes_nothing(view: View) -> None:
    assert view.apply(GetMessages()) is None


# -- messages --------------------------------------------------------------------------------------


def test_a_message_keeps_its_place_while_it_grows(view: View) -> None:
    for message in (_said("1", "he", final=False), _said("2"), _said("1", "hello there")):
        assert isinstance(view.apply(MessageChanged(message)), MessageAppeared)
    assert _texts(view) == [("1", "hello there"), ("2", "hello")]


def test_the_same_message_again_is_not_sent_again(view: View) -> None:
    view.apply(MessageChanged(_said("1")))
    assert view.apply(MessageChanged(_said("1"))) is None


def test_a_withdrawn_message_is_gone(view: View) -> None:
    view.apply(MessageChanged(_said("1", final=False)))
    assert view.apply(MessagePurged("1")) == MessageWithdrawn("1")
    assert view.apply(MessagePurged("1")) is None
    assert _texts(view) == []


def test_only_the_newest_messages_are_kept(view: View) -> None:
    for number in range(MAX_MESSAGES + 5):
        view.apply(MessageChanged(_said(str(number))))
    texts = _texts(view)
    assert len(texts) == MAX_MESSAGES
    assert texts[0][0] == "5"


def test_a_text_is_cut_to_what_a_page_can_show(view: View) -> None:
    view.apply(MessageChanged(_said("1", "x" * (MAX_SHOWN + 1))))
    assert _texts(view) == [("1", "x" * MAX_SHOWN + "…")]


@pytest.mark.parametrize("time", [math.nan, math.inf])
def test_a_time_that_is_none_is_still_json(view: View, time: float) -> None:
    view.apply(MessageChanged(ChatMessage("1", "user_input", "hi", time)))
    assert json.loads(encode(view.snapshot()))["messages"][0]["timestamp"] == 0.0


# -- the whole list --------------------------------------------------------------------------------


def test_the_list_replaces_what_was_known(view: View) -> None:
    view.apply(MessageChanged(_said("old")))
    view.expect_list()
    view.take_list([_said("1"), _said("2")])
    assert _texts(view) == [("1", "hello"), ("2", "hello")]


def test_what_changed_since_the_list_was_asked_for_is_newer_than_it(view: View) -> None:
    view.apply(MessageChanged(_said("1", "he", final=False)))
    view.expect_list()
    view.apply(MessageChanged(_said("1", "hello there")))
    view.apply(MessagePurged("2"))
    view.apply(MessageChanged(_said("4")))
    view.take_list([_said("1", "he", final=False), _said("2"), _said("3")])
    assert _texts(view) == [("1", "hello there"), ("3", "hello"), ("4", "hello")]


_facts = st.lists(
    st.one_of(
        st.builds(
            lambda i, t: MessageChanged(_said(i, t)), st.sampled_from("abc"), st.text(max_size=2)
        ),
        st.builds(MessagePurged, st.sampled_from("abc")),
    ),
    max_size=8,
)


def _session_after(facts: list[Any]) -> dict[str, ChatMessage]:
    messages: dict[str, ChatMessage] = {}
    for fact in facts:
        if isinstance(fact, MessageChanged):
            messages[fact.message.id] = fact.message
        else:
            messages.pop(fact.id, None)
    return messages


@given(_facts, st.data())
def test_whenever_the_answer_is_handled_the_list_ends_as_the_sessions(facts, data) -> None:
    """Facts up to ``lost`` never came; the answer tells of all up to ``answered``; it is handled
    after any of the facts from ``asked`` on.
    """
    lost = data.draw(st.integers(0, len(facts)))
    answered = data.draw(st.integers(lost, len(facts)))
    handled = data.draw(st.integers(lost, len(facts)))
    view = View("", "")
    view.expect_list()
    for fact in facts[lost:handled]:
        view.apply(fact)
    view.take_list(_session_after(facts[:answered]).values())
    for fact in facts[handled:]:
        view.apply(fact)
    expected = {identity: said.text for identity, said in _session_after(facts).items()}
    assert dict(_texts(view)) == expected


# -- what waits to be sent -------------------------------------------------------------------------


def test_the_latest_of_each_thing_is_sent_in_the_order_of_its_first_change() -> None:
    feed = Feed[str]()
    for key, text in [("a", "a1"), ("b", "b1"), ("a", "a2")]:
        assert feed.put(key, text)
    assert [feed.take(), feed.take(), feed.take()] == ["a2", "b1", None]


def test_a_full_feed_takes_no_new_things_but_newer_ones() -> None:
    feed = Feed[str](capacity=2)
    assert feed.put("a", "a1")
    assert feed.put("b", "b1")
    assert not feed.put("c", "c1")
    assert feed.put("a", "a2")


def test_answers_never_supersede_each_other_nor_are_superseded() -> None:
    feed = Feed[str]()
    feed.put("", "first")
    feed.put("a", "a1")
    feed.put("", "second")
    feed.restart("snapshot")
    assert [feed.take() for _ in range(4)] == ["snapshot", "first", "second", None]


@given(_facts, st.lists(st.booleans(), min_size=8, max_size=8))
def test_however_slowly_a_page_reads_it_ends_with_the_same_messages(facts, reads) -> None:
    view, feed = View("", ""), Feed[str]()
    page: dict[str, str] = {}

    def read() -> bool:
        if (text := feed.take()) is None:
            return False
        frame = json.loads(text)
        if frame["type"] == "purged":
            page.pop(frame["id"], None)
        else:
            page[frame["message"]["id"]] = frame["message"]["text"]
        return True

    for fact, reads_now in zip(facts, reads, strict=False):
        if (frame := view.apply(fact)) is not None:
            feed.put(frame.key(), encode(frame))
        if reads_now:
            read()
    while read():
        pass
    assert page == dict(_texts(view))

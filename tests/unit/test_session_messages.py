"""The session's list of messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import ChatMessage
from actors.session.messages import KEPT, MessageList

pytestmark = pytest.mark.unit


def _message(id_: str, text: str = "hello", at: float = 1.0) -> ChatMessage:
    return ChatMessage(id_, "agent_transcript", text, at)


def _ids(messages: MessageList) -> list[str]:
    return [message.id for message in messages.all()]


def test_a_message_keeps_its_first_place() -> None:
    messages = MessageList()
    for id_, text in (("a", "1"), ("b", "2"), ("a", "3")):
        messages.put(_message(id_, text))
    assert [(message.id, message.text) for message in messages.all()] == [("a", "3"), ("b", "2")]
    assert messages.get("a") == _message("a", "3")
    assert messages.get("c") is None


def test_a_purged_message_has_left_and_others_keep_their_places() -> None:
    messages = MessageList()
    for id_ in "abc":
        messages.put(_message(id_))
    messages.purge("b")
    messages.purge("never there")
    assert _ids(messages) == ["a", "c"]


def test_restore_replaces_all_sorted_by_timestamp_last_one_wins_on_a_doubled_id() -> None:
    messages = MessageList()
    messages.put(_message("old"))
    messages.restore([_message("b", "1", 3.0), _message("a", "2", 2.0), _message("b", "3", 1.0)])
    assert messages.all() == (_message("b", "3", 1.0), _message("a", "2", 2.0))


def test_equal_timestamps_are_restored_in_the_order_given() -> None:
    messages = MessageList()
    messages.restore([_message(id_) for id_ in "cab"])
    assert _ids(messages) == ["c", "a", "b"]


def test_one_that_comes_back_goes_where_its_time_puts_it() -> None:
    messages = MessageList()
    for id_, at in (("a", 1.0), ("b", 2.0), ("d", 4.0), ("e", 5.0)):
        messages.put(_message(id_, at=at))
    messages.insert(_message("c", at=3.0))
    assert _ids(messages) == ["a", "b", "c", "d", "e"]
    messages.insert(_message("f", at=5.0))
    assert _ids(messages) == ["a", "b", "c", "d", "e", "f"]
    messages.purge("f")
    messages.insert(_message("c", "again", at=9.0))
    assert _ids(messages) == ["a", "b", "c", "d", "e"]
    assert messages.get("c") == _message("c", "again", at=9.0)


def test_only_the_newest_are_held() -> None:
    messages = MessageList()
    for number in range(KEPT + 10):
        messages.put(_message(str(number)))
    assert _ids(messages) == [str(number) for number in range(10, KEPT + 10)]
    messages.restore(_message(str(n), at=float(n)) for n in range(KEPT + 10))
    assert _ids(messages) == [str(number) for number in range(10, KEPT + 10)]


def test_an_answer_holds_the_newest_that_fit() -> None:
    messages = MessageList()
    for id_, text in (("a", "xx"), ("b", "yyy"), ("c", "ü")):
        messages.put(_message(id_, text))
    assert [message.id for message in messages.newest(100)] == ["a", "b", "c"]
    assert [message.id for message in messages.newest(5)] == ["b", "c"]
    assert [message.id for message in messages.newest(4)] == ["c"]
    assert messages.newest(1) == ()


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9))),
    st.lists(st.sampled_from("abcdef")),
)
def test_each_id_is_there_once_whatever_is_put_and_inserted(
    put: list[tuple[str, int]], inserted: list[str]
) -> None:
    messages = MessageList()
    for id_, at in put:
        messages.put(_message(id_, at=at))
    order = _ids(messages)
    for id_ in inserted:
        messages.insert(_message(id_, at=5.0))
    assert sorted(_ids(messages)) == sorted({*order, *inserted})
    assert [id_ for id_ in _ids(messages) if id_ in order] == order, "others have moved"

"""The rules of keeping messages, without a store."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.history.store import Page, dated, newest_that_fit, supersedes
from actors.messages import ChatMessage, ListHistory

pytestmark = pytest.mark.unit


def _message(text: str = "hello", *, final: bool = True, at: float = 1.0) -> ChatMessage:
    return ChatMessage("1", "agent_transcript", text, at, is_final=final)


def test_a_final_text_takes_the_place_of_an_interim_one() -> None:
    assert supersedes(_message("hello there"), _message("hel", final=False))


def test_a_final_text_takes_the_place_of_the_same_interim_one() -> None:
    assert supersedes(_message("hello"), _message("hello", final=False))


def test_a_longer_interim_text_takes_the_place_of_a_shorter_one() -> None:
    assert supersedes(_message("hello", final=False), _message("hel", final=False))


def test_the_same_interim_text_again_changes_nothing() -> None:
    assert not supersedes(_message("hel", final=False), _message("hel", final=False))


@pytest.mark.parametrize("final", [True, False])
def test_nothing_takes_the_place_of_a_final_text(final: bool) -> None:
    assert not supersedes(_message("other", final=final), _message("hello"))


@given(st.permutations([("h", False), ("he", False), ("hello", True)]))
def test_whatever_the_order_of_deliveries_the_final_text_stays(order) -> None:
    kept = _message(*order[0][:1], final=order[0][1])
    for text, final in order[1:]:
        new = _message(text, final=final)
        kept = new if supersedes(new, kept) else kept
    assert kept == _message("hello")


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_no_time_becomes_that_of_arrival(wrong: float) -> None:
    assert dated(_message(at=wrong), 42.0) == _message(at=42.0)


def test_a_good_time_is_kept() -> None:
    assert dated(_message(at=7.0), 42.0) == _message(at=7.0)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_of_an_impossible_size_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        Page.of(ListHistory(limit=limit))


def test_a_page_before_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="time"):
        Page.of(ListHistory(before=math.nan))


@given(st.lists(st.text(max_size=20)), st.integers(0, 100))
def test_a_page_holds_the_newest_that_fit(texts: list[str], room: int) -> None:
    messages = [_message(text) for text in texts]
    fitting = newest_that_fit(messages, room)
    assert list(fitting) == messages[len(messages) - len(fitting) :]
    size = sum(len(message.text.encode()) for message in fitting)
    assert size <= room or len(fitting) == 1
    if len(fitting) < len(messages):
        assert size + len(messages[-len(fitting) - 1].text.encode()) > room

"""The list of messages as an observer keeps it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.mirror import Mirror

pytestmark = pytest.mark.unit

IDS = st.sampled_from("abcd")


def test_a_change_keeps_its_place_and_the_oldest_go() -> None:
    mirror = Mirror[str](2)
    assert mirror.put("a", "a1")
    assert mirror.put("b", "b1")
    assert mirror.put("a", "a2")
    assert not mirror.put("a", "a2")
    assert mirror.all() == ("a2", "b1")
    mirror.put("c", "c1")
    assert mirror.all() == ("b1", "c1")
    assert mirror.purge("b")
    assert not mirror.purge("b")


def test_what_was_said_while_the_list_was_asked_for_is_newer_than_the_list() -> None:
    mirror = Mirror[str](10)
    mirror.put("gone", "of a session that has died")
    mirror.expect_list()
    mirror.put("b", "b2")
    mirror.purge("c")
    mirror.put("d", "d1")
    mirror.take_list([("a", "a1"), ("b", "b1"), ("c", "c1")])
    assert mirror.all() == ("a1", "b2", "d1")


@given(before=st.lists(IDS), said=st.lists(IDS), late=st.integers(0, 20))
def test_facts_and_an_answer_in_whatever_order_end_at_the_truth(
    before: list[str], said: list[str], late: int
) -> None:
    """The session answers after ``late`` of its facts; all facts reach the observer."""
    truth = dict.fromkeys(before, "before")
    mirror = Mirror[str](10)
    mirror.expect_list()
    answer = list(truth.items())
    for number, id_ in enumerate(said):
        truth[id_] = f"{number}"
        if number < late:
            answer = list(truth.items())
        mirror.put(id_, truth[id_])
    mirror.take_list(answer)
    assert sorted(mirror.all()) == sorted(truth.values())

"""Who gets what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import Header, Kind
from actors.router.routes import JOINS_BETWEEN_LOOKS, MAX_SNAPSHOTS, Routes

pytestmark = pytest.mark.unit


def _header(kind: Kind, topic: str = "t", sender: str = "a", to: str = "") -> Header:
    return Header(1, kind, to, sender, 0, topic, 0.0)


def test_what_is_for_one_but_names_nobody_is_for_nobody() -> None:
    routes = Routes()
    routes.join("b", ("t",))
    for kind in ("tell", "ask", "reply", "deliver", "ack"):
        assert routes.audience(_header(kind), b"") == []


def test_a_fact_goes_to_those_who_subscribed_in_the_order_they_joined() -> None:
    routes = Routes()
    routes.join("c", ("t",))
    routes.join("b", ("t", "u"))
    assert routes.audience(_header("fact"), b"") == ["c", "b"]
    assert routes.audience(_header("fact", topic="u"), b"") == ["b"]
    assert routes.audience(_header("fact", topic="v"), b"") == []


def test_nobody_hears_himself() -> None:
    routes = Routes()
    routes.join("a", ("t",))
    assert routes.audience(_header("fact", sender="a"), b"") == []


def test_joining_again_replaces_what_was_wanted() -> None:
    routes = Routes()
    routes.join("b", ("t",))
    routes.join("b", ("u",))
    assert routes.audience(_header("fact"), b"") == []


def test_a_late_joiner_gets_the_last_snapshot_of_each_sender() -> None:
    routes = Routes()
    for sender, frame in (("a", b"a1"), ("a", b"a2"), ("b", b"b1")):
        routes.audience(_header("state", sender=sender), frame)
    routes.audience(_header("fact"), b"no snapshot")
    assert routes.join("late", ("t",)) == [b"a2", b"b1"]
    assert routes.join("other", ("u",)) == []


def test_who_left_gets_nothing() -> None:
    routes = Routes()
    routes.join("b", ("t",))
    routes.leave("b")
    routes.leave("never there")
    assert routes.audience(_header("fact"), b"") == []


def test_snapshots_are_bounded_and_the_oldest_goes() -> None:
    routes = Routes()
    for number in range(MAX_SNAPSHOTS + 1):
        routes.audience(_header("state", sender=f"s{number}"), b"%d" % number)
    kept = routes.join("late", ("t",))
    assert len(kept) == MAX_SNAPSHOTS
    assert kept[0] == b"1"


def test_after_many_joins_all_are_looked_for() -> None:
    routes = Routes()
    routes.join("gone", ("t", "u"))
    for _ in range(JOINS_BETWEEN_LOOKS - 2):
        routes.join("b", ("t",))
        assert not routes.to_look_for()
    routes.join("b", ("t",))
    assert routes.to_look_for() == {"gone", "b"}
    assert not routes.to_look_for()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sets(st.sampled_from("tuv")))))
def test_the_last_join_of_each_decides(joins: list[tuple[str, set[str]]]) -> None:
    routes = Routes()
    for name, tags in joins:
        routes.join(name, tuple(tags))
    last = dict(joins)
    for tag in "tuv":
        expected = {name for name, tags in last.items() if tag in tags}
        assert set(routes.audience(_header("fact", topic=tag, sender="x"), b"")) == expected

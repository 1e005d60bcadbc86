"""What a sender keeps until it is acknowledged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import DismissError
from actors.runtime.outbox import Outbox, OutboxFull

pytestmark = pytest.mark.unit


def test_an_acknowledged_delivery_is_forgotten_and_the_others_kept_in_order() -> None:
    outbox = Outbox()
    first, second, third = (outbox.put("history", DismissError()) for _ in range(3))
    outbox.acknowledge(second.id, by="history")
    assert [kept.id for kept in outbox.pending()] == [first.id, third.id]


def test_each_comes_after_the_last_one_to_the_same_actor_that_is_not_yet_acknowledged() -> None:
    outbox = Outbox()
    first, second = (outbox.put("history", DismissError()) for _ in range(2))
    elsewhere = outbox.put("session", DismissError())
    third = outbox.put("history", DismissError())
    assert [each.after for each in (first, second, elsewhere, third)] == [0, first.id, 0, second.id]
    outbox.acknowledge(second.id, by="history")
    assert [(kept.id, kept.after) for kept in outbox.pending("history")] == [
        (first.id, 0),
        (third.id, first.id),
    ]
    outbox.acknowledge(first.id, by="history")
    outbox.acknowledge(third.id, by="history")
    assert outbox.put("history", DismissError()).after == 0


def test_an_acknowledgement_twice_or_of_nothing_is_no_fault() -> None:
    outbox = Outbox()
    kept = outbox.put("history", DismissError())
    outbox.acknowledge(kept.id, by="session")
    assert len(outbox) == 1
    outbox.acknowledge(kept.id, by="history")
    outbox.acknowledge(kept.id, by="history")
    outbox.acknowledge(99, by="nobody")
    assert len(outbox) == 0


def test_only_what_one_actor_is_owed() -> None:
    outbox = Outbox()
    outbox.put("history", DismissError())
    to_session = outbox.put("session", DismissError())
    assert list(outbox.pending("session")) == [to_session]


def test_a_full_outbox_says_so_and_drops_nothing() -> None:
    outbox = Outbox(capacity=2)
    outbox.put("history", DismissError())
    outbox.put("history", DismissError())
    with pytest.raises(OutboxFull):
        outbox.put("history", DismissError())
    assert len(outbox) == 2


@given(st.lists(st.integers(1, 30)))
def test_numbers_are_never_used_twice(acknowledged: list[int]) -> None:
    outbox = Outbox()
    seen = set()
    for number in acknowledged:
        delivery = outbox.put("history", DismissError())
        assert delivery.id not in seen
        seen.add(delivery.id)
        outbox.acknowledge(number, by="history")
    assert {kept.id for kept in outbox.pending()} <= seen

"""Deliveries are handled in order, whatever became of those before them."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import DismissError, Envelope
from actors.runtime.inbox import Inbox
from actors.runtime.outbox import Outbox

pytestmark = pytest.mark.unit


def _delivery(number: int, *, after: int = 0, sender: str = "room") -> Envelope:
    message = DismissError()
    return Envelope(
        1, "deliver", "session", sender, number, message.tag(), 0.0, message, after=after
    )


def test_what_comes_alone_is_taken() -> None:
    inbox = Inbox()
    assert inbox.take(_delivery(7))
    assert inbox.take(_delivery(12))


def test_one_before_it_that_has_not_come_is_waited_for() -> None:
    inbox = Inbox()
    assert not inbox.take(_delivery(8, after=7))
    assert inbox.take(_delivery(7))
    assert inbox.take(_delivery(8, after=7))
    assert inbox.take(_delivery(9, after=7)), "7 was handled; 8 has been acknowledged"


def test_a_repetition_is_taken_but_not_of_what_is_in_hand() -> None:
    inbox = Inbox()
    first, second = _delivery(7), _delivery(8, after=7)
    assert inbox.take(first)
    assert not inbox.take(first)
    assert inbox.take(second)
    inbox.handle(first)
    assert inbox.take(first), "its sender does not know"
    assert not inbox.take(second)


def test_after_a_refused_one_none_is_taken_until_it_has_come_again() -> None:
    inbox = Inbox()
    refused, behind = _delivery(7), _delivery(8, after=7)
    assert inbox.take(refused)
    assert inbox.take(behind)
    inbox.refuse(refused)
    inbox.refuse(behind)
    assert not inbox.take(behind)
    assert inbox.take(refused)
    assert inbox.take(behind)


def test_one_sender_does_not_wait_for_another() -> None:
    inbox = Inbox()
    inbox.take(_delivery(7, sender="room"))
    assert not inbox.take(_delivery(7, after=6, sender="session"))
    assert inbox.take(_delivery(6, sender="session"))
    inbox.refuse(_delivery(6, sender="session"))
    assert inbox.take(_delivery(8, after=7, sender="room"))


def test_the_next_process_of_a_name_counts_from_elsewhere() -> None:
    inbox = Inbox()
    inbox.take(_delivery(1000))
    inbox.forget("room")
    inbox.forget("never there")
    assert not inbox.take(_delivery(8, after=7))


@given(st.data())
def test_whatever_is_lost_refused_or_killed_each_is_first_handled_in_the_order_of_sending(
    data: st.DataObject,
) -> None:
    outbox, inbox = Outbox(), Inbox()
    wire: deque[Envelope] = deque()
    handled: dict[int, None] = {}

    def send_all() -> None:
        wire.extend(_delivery(each.id, after=each.after) for each in outbox.pending())

    def arrive(fate: str) -> None:
        delivery = wire.popleft()
        if fate == "lost" or not inbox.take(delivery):
            return
        if fate == "refused":
            inbox.refuse(delivery)
            return
        handled.setdefault(delivery.id)
        inbox.handle(delivery)
        if fate != "handled, and not acknowledged":
            outbox.acknowledge(delivery.id, by="session")

    fates = ("handled", "handled, and not acknowledged", "refused", "lost")
    for _ in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(("deliver", "repeat", "restart", *fates, *fates))):
            case "deliver":
                sent = outbox.put("session", DismissError())
                wire.append(_delivery(sent.id, after=sent.after))
            case "repeat":
                send_all()
            case "restart":
                inbox = Inbox()
            case fate if wire:
                arrive(fate)
    send_all()
    while wire:
        arrive("handled")
    assert len(outbox) == 0
    assert list(handled) == sorted(handled)

"""Losses are told while they go on, and forgotten."""

import pytest

from actors.runtime.losses import TOLD_FOR_S, Losses

pytestmark = pytest.mark.unit


def test_they_are_counted_until_a_minute_has_passed_without_one() -> None:
    losses = Losses()
    assert losses.recent(1000.0) == 0
    for now in (1000.0, 1000.0 + TOLD_FOR_S, 1000.0 + 2 * TOLD_FOR_S):
        losses.note(now)
    assert losses.recent(1000.0 + 3 * TOLD_FOR_S) == 3
    assert losses.recent(1001.0 + 3 * TOLD_FOR_S) == 0
    losses.note(2000.0)
    assert (losses.recent(2000.0), losses.total) == (1, 4)


def test_one_in_the_first_minute_of_the_machine_counts_too() -> None:
    losses = Losses()
    losses.note(1.0)
    losses.note(2.0)
    assert losses.recent(3.0) == 2

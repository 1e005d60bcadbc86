"""How long nothing could be sent, and for how long that matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.room.stalls import BETWEEN_S, MOST_S, SETTLED_S, Stalls

pytestmark = pytest.mark.unit


def test_one_that_runs_all_the_time_is_never_late() -> None:
    stalls = Stalls()
    assert stalls.worst_s == 0.0
    for block in range(1000):
        stalls.running(block * BETWEEN_S)
        assert stalls.worst_s == pytest.approx(0.0, abs=1e-9)


def test_a_stall_counts_until_the_agent_has_settled() -> None:
    stalls = Stalls()
    stalls.running(10.0)
    stalls.running(10.4 + BETWEEN_S)
    assert stalls.worst_s == pytest.approx(0.4)
    at = 10.4 + BETWEEN_S
    while at + BETWEEN_S < 10.4 + SETTLED_S:
        at += BETWEEN_S
        stalls.running(at)
        assert stalls.worst_s == pytest.approx(0.4)
    stalls.running(at + 2 * BETWEEN_S)
    assert stalls.worst_s == pytest.approx(BETWEEN_S)


def test_no_jitter_buffer_holds_an_hour() -> None:
    stalls = Stalls()
    stalls.running(0.0)
    stalls.running(3600.0)
    assert stalls.worst_s == MOST_S


@given(st.lists(st.floats(0.001, 3.0), min_size=1, max_size=50))
def test_it_is_the_longest_of_the_last_seconds(gaps: list[float]) -> None:
    stalls, at, all_ = Stalls(), 100.0, []
    stalls.running(at)
    for gap in gaps:
        at += gap
        stalls.running(at)
        all_.append((at, gap - BETWEEN_S))
        lately = [late for when, late in all_ if when >= at - SETTLED_S]
        assert stalls.worst_s == pytest.approx(max(0.0, *lately), abs=1e-9)

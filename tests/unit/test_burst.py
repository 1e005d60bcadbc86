"""How fast what has waited is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.room.burst import BURST_S, PACE, Burst

pytestmark = pytest.mark.unit

FRAME_S = 0.02


def test_what_comes_in_its_time_never_waits() -> None:
    burst = Burst(0.0)
    for number in range(1000):
        assert burst.wait_s(number * FRAME_S, FRAME_S) == 0.0
        burst.sent(FRAME_S)


def test_a_stall_is_over_at_once_and_a_long_one_in_its_five_fold() -> None:
    for stalled_s, within_s in ((BURST_S, 0.0), (3 * BURST_S, 2 * BURST_S / (PACE - 1))):
        burst, now, spoken_s, sent_s = Burst(0.0), stalled_s, stalled_s, 0.0
        while sent_s < spoken_s - 1e-6:
            wait_s = burst.wait_s(now, FRAME_S)
            now += wait_s
            spoken_s += wait_s
            if not wait_s:
                burst.sent(FRAME_S)
                sent_s += FRAME_S
        assert now - stalled_s <= within_s + FRAME_S


def test_what_was_sent_ahead_of_its_time_is_heard_in_its_time() -> None:
    burst = Burst(0.0)
    for _ in range(25):
        assert burst.wait_s(10.0, FRAME_S) == 0.0
        burst.sent(FRAME_S)
    assert burst.ahead_s(10.0) == pytest.approx(0.5)
    assert burst.ahead_s(10.3) == pytest.approx(0.2)
    assert burst.ahead_s(11.0) == 0.0


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.01, 0.02)), max_size=200))
def test_never_more_than_a_receiver_can_keep(steps: list[tuple[float, float]]) -> None:
    burst, now, sent = Burst(0.0), 0.0, [(0.0, 0.0)]
    for passed, frame_s in steps:
        now += passed
        if burst.wait_s(now, frame_s) == 0.0:
            burst.sent(frame_s)
            sent.append((now, frame_s))
    for first in range(len(sent)):
        total = 0.0
        for at, frame_s in sent[first:]:
            total += frame_s
            assert total <= BURST_S + PACE * (at - sent[first][0]) + 1e-6

"""When a dead actor is started again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.restart import BackOff, Crashes

pytestmark = pytest.mark.unit


def _in_a_row(count: int, *, chance: float = 0.0) -> list[float]:
    crashes = Crashes(BackOff(0.1, 1.0, 30.0), lambda: chance)
    return [crashes.died(ran_s=0.0) for _ in range(count)]


def test_the_first_crash_restarts_at_once_and_the_next_wait_longer_up_to_a_cap() -> None:
    assert _in_a_row(7) == [0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_chance_only_shortens_and_by_a_fifth_at_the_most() -> None:
    assert _in_a_row(3, chance=1.0) == [0.0, pytest.approx(0.08), pytest.approx(0.16)]


def test_a_stable_time_makes_the_next_crash_the_first_again() -> None:
    crashes = Crashes(BackOff(0.1, 1.0, 30.0), lambda: 0.0)
    assert [crashes.died(ran_s=ran) for ran in (1.0, 1.0, 29.9, 30.0, 1.0)] == [
        0.0, 0.1, 0.2, 0.0, 0.1,
    ]  # fmt: skip


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_a_delay_is_never_negative_nor_beyond_the_cap(crashes: int, chance: float) -> None:
    assert 0.0 <= BackOff().delay(crashes, chance) <= BackOff().maximum

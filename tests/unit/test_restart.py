"""Whether and when a dead process is started again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.death import Death, by_exit
from supervisor.restart import BackOff, Crashes, Window, wants_restart

pytestmark = pytest.mark.unit

# -- how it ended ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (0, "normal", "exit 0"),
        (7, "code", "exit 7"),
        (-11, "signal", "signal SIGSEGV"),
        (-9, "signal", "signal SIGKILL"),
        (-40, "signal", "signal 40"),
        (None, "unknown", "unknown"),
    ],
)
def test_exits_are_told_apart(code: int | None, kind: str, words: str) -> None:
    death = by_exit(code)
    assert (death.kind, str(death)) == (kind, words)


def test_a_death_without_words_is_named_by_its_kind() -> None:
    assert str(Death("start failed")) == "start failed"
    assert str(Death("asked", "config changed")) == "config changed"


# -- restart types ---------------------------------------------------------------------------------

CRASHES = [
    by_exit(3),
    by_exit(-11),
    by_exit(None),
    *map(Death, ("memory", "cpu", "hang", "unhealthy", "start failed")),
]


@pytest.mark.parametrize("death", [by_exit(0), *CRASHES], ids=str)
def test_permanent_is_always_started_again(death: Death) -> None:
    assert wants_restart("permanent", death)


@pytest.mark.parametrize("death", CRASHES, ids=str)
def test_transient_is_started_again_after_a_crash(death: Death) -> None:
    assert wants_restart("transient", death)


def test_transient_may_end_by_itself() -> None:
    assert not wants_restart("transient", by_exit(0))


@pytest.mark.parametrize("death", [by_exit(0), *CRASHES], ids=str)
def test_temporary_is_never_started_again(death: Death) -> None:
    assert not wants_restart("temporary", death)


@pytest.mark.parametrize("type_", ["permanent", "transient", "temporary"])
def test_who_was_asked_to_end_is_not_started_again(type_: str) -> None:
    assert not wants_restart(type_, Death("asked", "terminal stopped"))  # type: ignore[arg-type]


# -- the intensity ---------------------------------------------------------------------------------


def test_more_restarts_than_the_intensity_within_the_period_are_too_many() -> None:
    window = Window(3, 10.0)
    assert [window.add(now) for now in (0.0, 1.0, 2.0, 3.0)] == [True, True, True, False]


def test_the_period_slides_and_counts_both_its_ends() -> None:
    window = Window(1, 10.0)
    assert [window.add(now) for now in (0.0, 10.0, 20.5, 31.0)] == [True, False, True, True]


def test_no_restart_is_borne_at_intensity_0() -> None:
    assert not Window(0, 10.0).add(0.0)


def test_what_was_counted_can_be_forgotten() -> None:
    window = Window(1, 10.0)
    window.add(0.0)
    window.clear()
    assert window.add(1.0)


@given(
    st.integers(0, 5),
    st.floats(0.1, 100.0),
    st.lists(st.floats(0.0, 50.0), max_size=60),
)
def test_the_window_is_otps_add_restart(intensity: int, period: float, gaps: list[float]) -> None:
    """OTP keeps every restart of the period and compares their number with the intensity."""
    window, all_of_them, now = Window(intensity, period), [], 0.0
    for gap in gaps:
        now += gap
        all_of_them.append(now)
        within = [then for then in all_of_them if then >= now - period]
        assert window.add(now) == (len(within) <= intensity)


# -- the back-off ----------------------------------------------------------------------------------


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

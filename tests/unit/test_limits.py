"""When an actor that is unwell, too large or too busy is replaced."""

import pytest

from supervisor.ceiling import CPU_OVER_S, Ceiling, Load, Measure
from supervisor.complaint import PATIENCE_MAX_S, Complaint

pytestmark = pytest.mark.unit


def _replaced_at(complaint: Complaint, health: str, start: int, end: int) -> list[int]:
    return [now for now in range(start, end) if complaint.heard(health, float(now))]


def test_unwell_for_long_is_replaced_and_twice_as_long_the_next_time() -> None:
    complaint = Complaint(10.0)
    assert _replaced_at(complaint, "deaf", 0, 60) == [10, 31]


def test_well_in_between_begins_anew() -> None:
    complaint = Complaint(10.0)
    _replaced_at(complaint, "deaf", 0, 10)
    complaint.heard("ok", 10.0)
    assert _replaced_at(complaint, "deaf", 11, 25) == [21]


def test_well_for_as_long_as_it_had_time_to_get_well_forgives_what_was() -> None:
    complaint = Complaint(10.0)
    assert _replaced_at(complaint, "deaf", 0, 11) == [10]
    complaint.started()
    _replaced_at(complaint, "ok", 11, 23)
    assert _replaced_at(complaint, "deaf", 23, 40) == [33]


def test_patience_grows_to_an_hour_and_no_further() -> None:
    complaint, now, waits = Complaint(10.0), 0.0, []
    for _ in range(15):
        began = now
        while not complaint.heard("deaf", now):
            now += 10.0
        waits.append(now - began)
        now += 10.0
    assert waits[:3] == [10.0, 20.0, 40.0]
    assert max(waits) == waits[-1] == PATIENCE_MAX_S


def test_without_patience_it_may_say_what_it_likes() -> None:
    assert _replaced_at(Complaint(0.0), "12 messages lost", 0, 10_000) == []


def test_a_ceiling_warns_first_then_waits_for_a_quiet_moment_then_does_not() -> None:
    ceiling = Ceiling(100.0, 200.0)
    assert ceiling.judge(100.0) is Measure.NOTHING
    assert ceiling.judge(101.0) is Measure.WARNING
    assert ceiling.judge(102.0) is Measure.AT_A_QUIET_MOMENT
    assert ceiling.judge(201.0) is Measure.AT_ONCE


def test_what_swings_around_a_ceiling_is_said_once() -> None:
    ceiling = Ceiling(100.0, None)
    assert ceiling.judge(101.0) is Measure.WARNING
    assert ceiling.judge(95.0) is Measure.NOTHING
    assert ceiling.judge(101.0) is Measure.AT_A_QUIET_MOMENT
    assert ceiling.judge(89.0) is Measure.NOTHING
    assert ceiling.judge(101.0) is Measure.WARNING


def test_a_new_process_is_warned_of_anew() -> None:
    ceiling = Ceiling(100.0, None)
    ceiling.judge(101.0)
    ceiling.restarted()
    assert ceiling.judge(101.0) is Measure.WARNING


def test_without_a_ceiling_there_is_nothing_to_say() -> None:
    assert not Ceiling(None, None)
    assert Ceiling(None, None).judge(1e9) is Measure.NOTHING
    assert Ceiling(None, 10.0).judge(11.0) is Measure.AT_ONCE


def test_processor_time_is_judged_by_its_mean_over_a_minute() -> None:
    load = Load()
    assert [load.sample(float(now), now * 0.5) for now in range(0, 60, 10)] == [None] * 6
    assert load.sample(60.0, 30.0) == pytest.approx(50.0)
    assert load.sample(70.0, 45.0) == pytest.approx(100 * 40.0 / CPU_OVER_S)
    load.restarted()
    assert load.sample(80.0, 0.0) is None

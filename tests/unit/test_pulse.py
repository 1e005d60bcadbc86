"""Who is slow, who is stuck, and when nobody is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.pulse import LATE_S, Pulses, Slow, Stuck

pytestmark = pytest.mark.unit


def _look(
    pulses: Pulses, now: float, late_s: float = 0.0, slept: float = 0.0
) -> list[Slow | Stuck]:
    return pulses.look(now, late_s=late_s, suspended_s=slept)


def _pulses(*names: str) -> Pulses:
    pulses = Pulses(3.0, 0.0)
    for name in names:
        pulses.ready(name, 100.0, 10.0)
    return pulses


def test_silence_is_said_once_and_ends_in_a_verdict() -> None:
    pulses = _pulses("a")
    assert pulses.due() == 103.0
    assert _look(pulses, 103.0) == [Slow("a", 3.0)]
    assert pulses.silent_s("a", 104.0) == 4.0
    assert pulses.due() == 106.0, "it may be over"
    assert _look(pulses, 106.0) == []
    assert _look(pulses, 109.0) == []
    assert pulses.due() == 110.0
    assert _look(pulses, 110.0) == [Stuck("a", 10.0)]
    assert pulses.due() is None, "said once"


def test_a_beat_begins_the_silence_anew() -> None:
    pulses = _pulses("a")
    assert not pulses.beat("a", 102.0)
    assert _look(pulses, 103.0) == []
    assert pulses.due() == 105.0
    assert _look(pulses, 105.0) == [Slow("a", 3.0)]
    assert pulses.beat("a", 106.0), "it was slow"
    assert pulses.silent_s("a", 107.0) == 0.0


def test_each_is_judged_by_its_own_deadline() -> None:
    pulses = _pulses("a")
    pulses.ready("quick", 100.0, 1.0)
    assert pulses.due() == 101.0
    assert _look(pulses, 101.0) == [Stuck("quick", 1.0)]


def test_a_late_look_judges_nobody_and_listens_anew() -> None:
    pulses = _pulses("a", "b")
    assert _look(pulses, 200.0, late_s=97.0) == []
    assert pulses.due() == 203.0
    pulses.beat("a", 201.0)
    assert _look(pulses, 203.0) == [Slow("b", 3.0)]


def test_a_suspended_machine_judges_nobody() -> None:
    pulses = _pulses("a")
    assert _look(pulses, 110.0, slept=3600.0) == []
    assert _look(pulses, 113.0, slept=3600.0) == [Slow("a", 3.0)]


def test_who_is_gone_or_unknown_is_not_missed() -> None:
    pulses = _pulses("a")
    assert not pulses.beat("a", 99.0), "older than what was heard"
    pulses.gone("a")
    assert not pulses.beat("a", 101.0)
    assert pulses.due() is None
    assert _look(pulses, 200.0) == []
    assert pulses.silent_s("a", 200.0) == 0.0


@given(st.lists(st.floats(0.01, 2.9), min_size=1, max_size=50))
def test_who_beats_in_time_is_never_named(gaps: list[float]) -> None:
    pulses, now = _pulses("a"), 100.0
    for gap in gaps:
        due = pulses.due()
        now += gap
        if due is not None and due <= now:
            assert _look(pulses, due) == []
        pulses.beat("a", now)


@given(st.floats(LATE_S + 0.01, 1e6), st.floats(0, 1e6))
def test_no_freeze_however_long_kills_anybody(frozen: float, silent: float) -> None:
    pulses = _pulses("a")
    assert _look(pulses, 100.0 + silent + frozen, late_s=frozen) == []

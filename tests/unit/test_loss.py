"""Speech that the network has swallowed: found in the server's reports, and said again."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.room.loss import (
    BURST,
    DEAD_S,
    PATIENCE_MAX_S,
    PATIENCE_S,
    SILENT_S,
    STILL_LOOKS,
    LossWatch,
    Reception,
)

pytestmark = pytest.mark.unit

RATE = 1000
"""Samples a second."""


class Rig:
    """Someone talks; the server reports once a second; we look four times a second."""

    def __init__(self) -> None:
        self.watch = LossWatch()
        self.now = 100.0
        self.lost = 0
        self.reports = self._before = 0
        """Until now, and on the tracks before this one."""
        self.reachable = True
        self.sends = True
        """The client does."""
        self.sent = 0
        self.replays: list[int] = []
        """Positions from which something was said again."""
        self.watch.begin(0, self.now)
        self._began = self.now

    @property
    def served(self) -> int:
        return round((self.now - self._began) * RATE)

    def pass_time(self, seconds: float, *, lost: int = 0) -> None:
        """So many packets are missing at the end of it."""
        for step in range(round(seconds * 4)):
            self.now += 0.25
            last = step == round(seconds * 4) - 1
            self.lost += lost * last
            if self.reachable and (step % 4 == 3 or last):
                self.reports += 1
            self.look()

    def look(self) -> None:
        self.sent += 12 * self.sends
        reported_at = float(self.reports) if self.reports > self._before else None
        report = Reception(self.sent, reported_at, self.lost)
        if self.watch.look(report, self.served, self.now):
            self.replays.append(self.watch.confirmed)
            self.watch.replayed(self.now)
            # A new track, whose packets are counted anew.
            self.lost, self.sent, self._before = 0, 0, self.reports
            self.watch.begin(self.watch.confirmed, self.now)


def test_a_good_line_has_nothing_said_again_and_is_confirmed_to_a_look_before_the_report() -> None:
    rig = Rig()
    rig.pass_time(10)
    assert rig.replays == []
    assert rig.served - 1250 <= rig.watch.confirmed < rig.served


@pytest.mark.parametrize("lost", [1, BURST - 1])
def test_what_redundancy_mends_is_let_be(lost: int) -> None:
    rig = Rig()
    for _ in range(20):
        rig.pass_time(1, lost=lost)
    assert rig.replays == []


def test_a_hole_is_said_again_from_the_last_report_that_knew_of_none() -> None:
    rig = Rig()
    rig.pass_time(5)
    before = rig.watch.confirmed
    rig.pass_time(1, lost=BURST)
    assert rig.replays == [before]
    rig.pass_time(10)
    assert len(rig.replays) == 1


def test_without_reports_the_server_is_out_of_reach_and_nothing_more_is_confirmed() -> None:
    rig = Rig()
    rig.pass_time(5)
    rig.reachable = False
    before = rig.watch.confirmed
    rig.pass_time(SILENT_S)
    assert not rig.watch.silent(rig.now - 0.25)
    rig.pass_time(1)
    assert rig.watch.silent(rig.now)
    assert rig.watch.confirmed == before
    rig.reachable = True
    rig.pass_time(1, lost=200)
    assert rig.replays == [before]


def test_on_a_good_line_all_that_was_sent_is_taken_for_heard() -> None:
    rig = Rig()
    rig.pass_time(5)
    assert rig.watch.heard(rig.served, rig.now) == rig.served > rig.watch.confirmed


@pytest.mark.parametrize("trouble", ["silence", "hole", "cut"])
def test_in_trouble_only_what_was_confirmed_counts_as_heard(trouble: str) -> None:
    rig = Rig()
    rig.pass_time(5)
    if trouble == "silence":
        rig.reachable = False
        rig.pass_time(SILENT_S + 0.25)
    elif trouble == "hole":
        rig.pass_time(1, lost=BURST)
        rig.pass_time(1, lost=BURST)  # too soon to be said again
    else:
        rig.watch.cut_off()
    assert rig.watch.heard(rig.served, rig.now) == rig.watch.confirmed < rig.served


def test_after_a_reconnect_the_next_report_says_what_was_heard() -> None:
    rig = Rig()
    rig.pass_time(5)
    rig.watch.cut_off()
    rig.pass_time(1)
    assert rig.watch.heard(rig.served, rig.now) == rig.served


def test_a_room_that_reports_nothing_is_not_silent() -> None:
    rig = Rig()
    rig.reachable = False
    rig.pass_time(60)
    assert not rig.watch.silent(rig.now)
    assert rig.replays == []


def test_a_line_that_loses_all_the_time_is_left_alone_longer_and_longer() -> None:
    rig = Rig()
    times: list[float] = []
    for _ in range(400):
        before = len(rig.replays)
        rig.pass_time(1, lost=2 * BURST)
        if len(rig.replays) > before:
            times.append(rig.now)
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert pauses[0] >= PATIENCE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] >= PATIENCE_MAX_S


def test_after_a_good_while_the_next_hole_is_said_again_at_once() -> None:
    rig = Rig()
    for _ in range(30):
        rig.pass_time(1, lost=2 * BURST)
    rig.pass_time(10 * PATIENCE_MAX_S)
    before = len(rig.replays)
    rig.pass_time(1, lost=BURST)
    assert len(rig.replays) == before + 1


def test_what_a_client_takes_and_does_not_send_is_said_again_though_reports_go_on() -> None:
    rig = Rig()
    rig.pass_time(5)
    sent = rig.served
    rig.sends = False
    rig.pass_time(0.5)
    assert rig.watch.heard(rig.served, rig.now) == sent < rig.served
    rig.pass_time(0.5)
    (again,) = rig.replays
    assert sent - 1250 <= again <= sent
    rig.sends = True
    rig.pass_time(10)
    assert len(rig.replays) == 1


def test_a_new_track_that_sends_nothing_is_replaced_at_once_and_then_after_a_while() -> None:
    """Though the one before it was replaced a moment ago; but not again and again."""
    rig = Rig()
    rig.pass_time(5)
    rig.pass_time(1, lost=BURST)
    rig.sends = rig.reachable = False
    rig.pass_time(STILL_LOOKS * 0.25)
    assert len(rig.replays) == 2
    rig.pass_time(PATIENCE_S - 0.5)
    assert len(rig.replays) == 2
    assert rig.watch.heard(rig.served, rig.now) == rig.watch.confirmed
    rig.pass_time(DEAD_S - PATIENCE_S)
    assert len(rig.replays) == 3
    assert rig.watch.is_dead, "health is to tell"
    rig.sends = rig.reachable = True
    rig.pass_time(PATIENCE_S)
    assert not rig.watch.is_dead


def test_a_microphone_of_which_nothing_is_handed_over_does_not_stand_still() -> None:
    watch = LossWatch()
    watch.begin(0, 0.0)
    looks = [watch.look(Reception(100, None), 5000, 0.25 * each) for each in range(40)]
    assert not any(looks)


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 40)), max_size=20))
def test_every_hole_is_said_again_from_before_it(stretches: list[tuple[int, int]]) -> None:
    rig = Rig()
    for seconds, lost in stretches:
        begun = rig.served
        before = len(rig.replays)
        rig.pass_time(seconds, lost=lost)
        if lost >= BURST:
            rig.pass_time(2 * PATIENCE_MAX_S)
            assert min(rig.replays[before:]) <= begun + 1000 * seconds

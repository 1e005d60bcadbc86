"""Following the tape: acknowledgements, holes, a restarted audio process."""

from collections.abc import Iterator
from itertools import count

import pytest

from actors.messages import Captured, Follow
from actors.room.mic import SILENCE_S, MicLane

pytestmark = pytest.mark.unit

RATE = 48_000


class Rig:
    def __init__(self, position: int = -1) -> None:
        self.sent: list[Follow] = []
        streams: Iterator[int] = count(1)
        self.lane = MicLane(self.sent.append, lambda: next(streams))
        self.lane.follow(position, 0.0)

    def run(self, position: int, samples: int = 960, *, gap: int = 0) -> Captured:
        pcm = b"" if gap else bytes(2 * samples)
        return Captured(self.sent[-1].stream, position, RATE, pcm, gap)


def test_it_begins_with_what_was_not_served() -> None:
    assert Rig().sent == [Follow(1, -1, -1)]


def test_it_acknowledges_what_it_has_received() -> None:
    rig = Rig()
    for position in (5000, 5960):
        run = rig.run(position)
        assert rig.lane.received(run, 0.02) is run
    rig.lane.tick(4000, 0.1)
    assert rig.sent[-1] == Follow(1, 6920, 4000)


def test_a_tape_that_is_caught_up_with_is_acknowledged_without_waiting_for_the_next_time() -> None:
    rig = Rig()
    rig.lane.received(rig.run(0, RATE // 2 - 1), 0.0)
    assert rig.sent == [Follow(1, -1, -1)]
    rig.lane.received(rig.run(RATE // 2 - 1, 1), 0.0)
    assert rig.sent[1:] == [Follow(1, RATE // 2, -1)]


def test_with_too_much_waiting_here_nothing_is_acknowledged() -> None:
    rig = Rig()
    rig.lane.received(rig.run(0), 0.0)
    rig.lane.tick(-1, 0.1)
    rig.lane.tick(-1, 0.2, more=False)
    rig.lane.received(rig.run(960, RATE), 0.2)
    rig.lane.tick(-1, 0.3, more=False)
    assert {follow.next for follow in rig.sent[1:]} == {960}


def test_a_gap_counts_with_its_length() -> None:
    rig = Rig()
    rig.lane.received(rig.run(0), 0.0)
    rig.lane.received(rig.run(960, gap=100_000), 0.0)
    assert rig.lane.received(rig.run(100_960), 0.0) is not None
    assert rig.lane.next == 101_920


@pytest.mark.parametrize("position", [0, 900, 1000, 10**9])
def test_a_run_that_does_not_continue_is_not_used_and_asked_for_again(position: int) -> None:
    rig = Rig()
    rig.lane.received(rig.run(0), 0.0)
    assert rig.lane.received(rig.run(position), 0.0) is None
    assert (rig.sent[-1], rig.lane.holes) == (Follow(2, 960, -1), 1)


def test_what_comes_first_on_a_new_stream_is_taken_as_it_is() -> None:
    rig = Rig()
    rig.lane.received(rig.run(0), 0.0)
    rig.lane.received(rig.run(2000), 0.0)
    assert rig.lane.received(rig.run(2000), 0.0) is not None
    assert rig.lane.next == 2960


def test_runs_of_an_earlier_stream_are_ignored() -> None:
    rig = Rig()
    old = rig.run(0)
    rig.lane.follow(500, 0.0)
    assert rig.lane.received(old, 0.0) is None
    assert (rig.lane.next, rig.lane.holes) == (500, 0)


def test_silence_and_a_restarted_audio_start_a_new_stream() -> None:
    rig = Rig()
    rig.lane.received(rig.run(0), 0.0)
    rig.lane.tick(0, SILENCE_S - 0.01)
    assert rig.sent[-1].stream == 1
    rig.lane.tick(7, SILENCE_S)
    assert rig.sent[-1] == Follow(2, 960, 7)
    rig.lane.audio_up(1.0)
    assert rig.sent[-1] == Follow(3, 960, -1)


def test_with_too_much_waiting_the_acknowledgement_stands_still() -> None:
    rig = Rig()
    rig.lane.received(rig.run(0), 0.0)
    rig.lane.tick(0, 0.1)
    rig.lane.received(rig.run(960), 0.1)
    rig.lane.tick(0, 0.2, more=False)
    assert rig.sent[-1].next == 960
    rig.lane.tick(0, 5.0, more=False)
    assert rig.sent[-1] == Follow(1, 960, 0)
    rig.lane.tick(0, 0.3)
    assert rig.sent[-1].next == 1920


def test_stopped_it_says_a_last_word_and_hears_nothing() -> None:
    rig = Rig()
    run = rig.run(0)
    rig.lane.stop(7)
    last = rig.sent[-1]
    assert (last.stream, last.served) == (run.stream, 7)
    rig.lane.stop(8)
    rig.lane.tick(9, 1.0)
    rig.lane.audio_up(1.0)
    assert rig.lane.received(run, 0.0) is None
    assert rig.sent[-1] is last

"""The room's cursor over the tape: no position twice or skipped, and never too much under way."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from actors.audio.follower import CHUNK_S, WINDOW_S, Follower
from actors.audio.tape import Tape
from actors.messages import Captured, Follow

pytestmark = pytest.mark.unit

RATE = 100
SECONDS = 10
WINDOW = round(WINDOW_S * RATE)
CHUNK = round(CHUNK_S * RATE)
NO_NEWS = -1


def pcm(count: int) -> bytes:
    return b"\1\0" * count


def end_of(run: Captured) -> int:
    return run.position + (run.gap or len(run.pcm) // 2)


class FollowerMachine(RuleBasedStateMachine):
    """A room that takes what it likes of what is due, against what it may be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.tape = Tape.open(Path(self.folder.name) / "tape", RATE, SECONDS)
        self.tape.begin("c0", 0.0)
        self.follower = Follower(self.tape)
        self.conversations = 0
        self.stream = 0
        self.expected = 0
        """The next position of this stream."""
        self.under_way: list[Captured] = []

    def teardown(self) -> None:
        self.tape.close()
        self.folder.cleanup()

    # -- the tape --------------------------------------------------------------------------------

    @rule(count=st.integers(0, 3 * WINDOW))
    def append(self, count: int) -> None:
        self.tape.append(pcm(count), 0.0)

    @rule(count=st.integers(1, 20 * RATE))
    def skip(self, count: int) -> None:
        self.tape.skip(count, 0.0)

    @rule(count=st.integers(0, 50))
    def another_conversation(self, count: int) -> None:
        self.conversations += 1
        self.tape.begin(f"c{self.conversations}", 0.0)
        if self.expected < self.tape.header.start:
            self.expected = self.tape.header.start
            self.under_way = []
        self.tape.append(pcm(count), 0.0)

    # -- the room --------------------------------------------------------------------------------

    @rule(place=st.floats(0, 1))
    def stream_from(self, place: float) -> None:
        header = self.tape.header
        self.open_stream(header.start + int(place * (header.end - header.start)), NO_NEWS)

    @rule(place=st.floats(0, 1))
    def stream_from_served(self, place: float) -> None:
        header = self.tape.header
        served = header.served + int(place * (header.end - header.served))
        self.open_stream(-1, served)
        assert self.expected == served

    @rule(
        wanted=st.sampled_from([-(2**70), -7, 10**6, 2**64, 2**70]),
        served=st.sampled_from([-9, 10**6, 2**64]),
    )
    def stream_from_nowhere(self, wanted: int, served: int) -> None:
        """A position of another conversation, or of a tape that is gone."""
        before = self.tape.header.served
        self.open_stream(wanted, served)
        assert self.expected == before

    def open_stream(self, wanted: int, served: int) -> None:
        self.stream += 1
        self.follower.follow(Follow(self.stream, wanted, served))
        header = self.tape.header
        self.expected = wanted if header.start <= wanted <= header.end else header.served
        self.under_way = []

    @precondition(lambda self: self.stream)
    @rule(count=st.integers(0, 30))
    def acknowledge(self, count: int) -> None:
        self.under_way = self.under_way[count:]
        position = self.under_way[0].position if self.under_way else self.expected
        self.follower.follow(Follow(self.stream, position, NO_NEWS))

    @precondition(lambda self: self.stream)
    @rule(beyond=st.sampled_from([1, 10**9, 2**70]))
    def acknowledge_what_was_not_sent(self, beyond: int) -> None:
        self.follower.follow(Follow(self.stream, self.expected + beyond, NO_NEWS))
        self.under_way = []

    @rule(count=st.integers(0, 60))
    def take(self, count: int) -> None:
        """The socket takes so many runs and refuses the next one."""
        for taken, run in enumerate(self.follower.due()):
            if taken == count:
                break
            self.received(run)

    def received(self, run: Captured) -> None:
        assert run.stream == self.stream
        assert run.sample_rate == RATE
        assert run.position == self.expected
        assert bool(run.pcm) != bool(run.gap)
        assert run.behind == self.tape.header.end - end_of(run)
        assert len(run.pcm) <= 2 * CHUNK
        self.expected = end_of(run)
        self.under_way.append(run)
        assert sum(len(each.pcm) for each in self.under_way) <= 2 * (WINDOW + CHUNK)

    @precondition(lambda self: self.stream)
    @rule()
    def catch_up(self) -> None:
        """Acknowledging all that comes, one gets to the end, past gaps of any length."""
        while self.expected < self.tape.header.end:
            before = self.expected
            self.acknowledge(len(self.under_way))
            self.take(1000)
            assert self.expected > before


TestFollower = FollowerMachine.TestCase
TestFollower.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Tape]:
    tape = Tape.open(tmp_path / "tape", RATE, SECONDS)
    yield tape
    tape.close()


def spans(runs: Iterator[Captured]) -> list[tuple[int, int]]:
    return [(run.position, end_of(run)) for run in runs]


def test_nobody_follows_nothing_is_due(tape: Tape) -> None:
    tape.begin("c", 0.0)
    tape.append(pcm(50), 0.0)
    assert spans(Follower(tape).due()) == []


def test_a_window_is_sent_ahead_and_no_more(tape: Tape) -> None:
    tape.begin("c", 0.0)
    tape.append(pcm(5 * WINDOW // 2), 0.0)
    follower = Follower(tape)
    follower.follow(Follow(1, -1, NO_NEWS))
    assert spans(follower.due()) == [(at, at + CHUNK) for at in range(0, WINDOW, CHUNK)]
    assert spans(follower.due()) == []
    follower.follow(Follow(1, 15, NO_NEWS))
    assert spans(follower.due()) == [(WINDOW, WINDOW + CHUNK), (WINDOW + CHUNK, WINDOW + 2 * CHUNK)]


def test_a_gap_longer_than_the_window_does_not_block_it(tape: Tape) -> None:
    tape.begin("c", 0.0)
    tape.append(pcm(10), 0.0)
    tape.skip(3 * WINDOW, 0.0)
    tape.append(pcm(10), 0.0)
    follower = Follower(tape)
    follower.follow(Follow(1, -1, NO_NEWS))
    end = 10 + 3 * WINDOW
    assert spans(follower.due()) == [(0, 10), (10, end), (end, end + 10)]


def test_what_the_ring_has_lost_is_sent_as_a_gap(tape: Tape) -> None:
    tape.begin("c", 0.0)
    tape.append(pcm(3 * RATE * SECONDS), 0.0)
    follower = Follower(tape)
    follower.follow(Follow(1, 0, NO_NEWS))
    first = next(follower.due())
    assert (first.position, first.gap, first.pcm) == (0, tape.oldest, b"")


def test_a_new_stream_of_the_same_conversation_goes_back_to_what_was_served(tape: Tape) -> None:
    tape.begin("c", 0.0)
    tape.append(pcm(60), 0.0)
    follower = Follower(tape)
    follower.follow(Follow(1, -1, NO_NEWS))
    assert spans(follower.due())[-1] == (50, 60)
    follower.follow(Follow(2, -1, 47))
    assert spans(follower.due()) == [(47, 57), (57, 60)]
    assert tape.header.served == 47


def test_what_turns_out_not_to_have_been_heard_is_where_the_next_stream_begins(tape: Tape) -> None:
    tape.begin("c", 0.0)
    tape.append(pcm(60), 0.0)
    follower = Follower(tape)
    follower.follow(Follow(1, -1, 50))
    follower.follow(Follow(1, 60, 30))
    assert tape.header.served == 30
    follower.follow(Follow(2, -1, NO_NEWS))
    assert spans(follower.due())[0] == (30, 40)


def test_a_room_that_knows_a_tape_which_is_gone_is_not_left_without_sound(tape: Tape) -> None:
    tape.begin("c", 0.0)
    tape.append(pcm(5), 0.0)
    follower = Follower(tape)
    follower.follow(Follow(1, 5_000_000, 5_000_000))
    assert spans(follower.due()) == [(0, 5)]


def test_after_the_end_of_a_conversation_nothing_of_it_is_due(tape: Tape) -> None:
    tape.begin("c", 0.0)
    tape.append(pcm(60), 0.0)
    follower = Follower(tape)
    follower.follow(Follow(1, -1, NO_NEWS))
    next(follower.due())
    tape.stop()
    assert spans(follower.due()) == []
    tape.begin("d", 0.0)
    tape.append(pcm(3), 0.0)
    assert spans(follower.due()) == [(60, 63)]

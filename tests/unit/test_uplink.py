"""The microphone's way to the agent: what is kept, when it goes live, and that nothing is lost."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import Captured, Participant
from actors.room.roster import AGENT_STATE, ON_BEHALF
from actors.room.stalls import SETTLED_S
from actors.room.uplink import (
    ALLOWANCE_S,
    GAP_S,
    Action,
    Capture,
    Dropped,
    Rewind,
    Seam,
    SendBuffer,
    Uplink,
)

pytestmark = pytest.mark.unit

RATE = 1000
"""Samples a second: a sample is a millisecond."""
BLOCK = 20
SEAM = Seam(hold_s=0.2, state_wait_s=1.5)


def agent(identity: str = "agent", *, active: bool = True, state: str = "listening") -> Participant:
    attributes = {AGENT_STATE: state} if state else {}
    return Participant(identity, f"PA_{identity}", "agent", active, attributes)


def samples(start: int, count: int) -> bytes:
    """PCM in which each sample tells its position (modulo 2^15)."""
    return b"".join(((start + i) % 32768).to_bytes(2, "little") for i in range(count))


class Rig:
    """An uplink, a tape, a clock, and what has gone out, sample for sample."""

    def __init__(self, *, start: int = 0, **options: Any) -> None:
        self.uplink = Uplink(RATE, **{"seam": SEAM, **options})
        self.now = 100.0
        self.position = start
        self.heard: list[int] = []
        """Positions in the order in which the agent hears them."""
        self.buffers: list[SendBuffer] = []
        self.dropped = 0
        self.silence = 0

    def do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case SendBuffer():
                    self.buffers.append(action)
                    self.heard += _positions(action.pcm)
                    self.uplink.sent(action.end)
                case Capture(position=-1):
                    self.silence += len(action.pcm) // 2
                case Capture():
                    assert action.pcm == samples(action.position, len(action.pcm) // 2)
                    self.heard += _positions(action.pcm)
                    self.uplink.taken(action.end, self.now)
                case Rewind(position):
                    assert position <= self.uplink.served(0.0, self.now)
                    self.position = position
                case Dropped(count):
                    self.dropped += count

    def speak(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            run = Captured(1, self.position, RATE, samples(self.position, BLOCK))
            self.position += BLOCK
            self.now += BLOCK / RATE
            self.do(self.uplink.captured(run, self.now))

    def catch_up(self, left: int) -> None:
        """A block that was said long ago; so many more of them are on the tape."""
        run = Captured(1, self.position, RATE, samples(self.position, BLOCK), 0, left * BLOCK)
        self.position += BLOCK
        self.now += 0.002
        self.do(self.uplink.captured(run, self.now))

    def gap(self, count: int) -> None:
        self.do(self.uplink.captured(Captured(1, self.position, RATE, b"", count), self.now))
        self.position += count

    def publish(self, sid: str = "TR_1") -> None:
        self.do(self.uplink.published(sid, self.now))

    def subscribe(self, sid: str = "TR_1") -> None:
        self.do(self.uplink.subscribed(sid, self.now))

    def present(self, *participants: Participant) -> None:
        self.do(self.uplink.participants(participants, self.now))

    def converse(self) -> None:
        self.publish()
        self.present(agent())
        self.subscribe()
        self.speak(int(SEAM.hold_s * RATE / BLOCK) + 1)

    def served(self, queued_s: float = 0.0) -> int:
        return self.uplink.served(queued_s, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass in which the process runs, and looks every 20 ms."""
        for _ in range(round(seconds * RATE / BLOCK)):
            self.now += BLOCK / RATE
            self.served()


def _positions(pcm: bytes) -> list[int]:
    return [int.from_bytes(pcm[i : i + 2], "little") for i in range(0, len(pcm), 2)]


# -- the seam --------------------------------------------------------------------------------------


def test_what_was_said_before_the_agent_goes_ahead_of_what_is_said_live() -> None:
    rig = Rig()
    rig.speak(50)
    rig.converse()
    rig.speak(50)
    assert rig.heard == list(range(rig.position))
    (buffer,) = rig.buffers
    assert (buffer.start, buffer.sid, buffer.identity) == (0, "TR_1", "agent")
    assert 1000 + SEAM.hold_s * RATE <= buffer.end < rig.position
    assert rig.uplink.state == "live"


@pytest.mark.parametrize("missing", ["publish", "subscribe", "present"])
def test_it_waits_for_all_of_track_subscription_and_agent(missing: str) -> None:
    rig = Rig()
    for step in {"publish", "subscribe", "present"} - {missing}:
        getattr(rig, step)(*([agent()] if step == "present" else []))
    rig.speak(500)
    assert (rig.heard, rig.uplink.state) == ([], "buffering")
    getattr(rig, missing)(*([agent()] if missing == "present" else []))
    rig.speak(20)
    assert rig.heard == list(range(rig.position))


@pytest.mark.parametrize(
    "nobody",
    [
        agent(active=False),
        Participant("user", "PA_u", "standard", True, {}),
        Participant("avatar", "PA_a", "agent", True, {ON_BEHALF: "agent"}),
    ],
    ids=["joining", "standard", "avatar worker"],
)
def test_only_an_active_agent_that_is_no_avatar_worker_gets_the_buffer(nobody: Participant) -> None:
    rig = Rig()
    rig.publish()
    rig.present(nobody)
    rig.subscribe()
    rig.speak(500)
    assert rig.uplink.state == "buffering"
    rig.present(nobody, agent("later"))
    rig.speak(20)
    assert [buffer.identity for buffer in rig.buffers] == ["later"]


def test_an_agent_without_a_state_is_given_longer_and_then_believed() -> None:
    rig = Rig()
    rig.publish()
    rig.present(agent(state=""))
    rig.subscribe()
    rig.speak(int(SEAM.state_wait_s * RATE / BLOCK) - 1)
    assert rig.heard == []
    rig.speak(2)
    assert rig.uplink.state == "live"
    assert rig.heard == list(range(rig.position))


def test_the_state_attribute_ends_the_wait() -> None:
    rig = Rig()
    rig.publish()
    rig.present(agent(state=""))
    rig.subscribe()
    rig.speak(30)
    rig.present(agent(state="listening"))
    assert rig.uplink.state == "live"


def test_the_hold_begins_again_when_the_agent_goes_meanwhile() -> None:
    rig = Rig()
    rig.publish()
    rig.present(agent())
    rig.subscribe()
    rig.speak(5)
    rig.present()
    rig.speak(50)
    assert rig.uplink.state == "buffering"
    rig.present(agent("second"))
    rig.speak(11)
    assert [buffer.identity for buffer in rig.buffers] == ["second"]
    assert rig.heard == list(range(rig.position))


def test_time_alone_ends_the_hold() -> None:
    rig = Rig()
    rig.speak(3)
    rig.publish()
    rig.present(agent())
    rig.subscribe()
    rig.do(rig.uplink.tick(rig.now + SEAM.hold_s))
    assert rig.heard == list(range(60))


def test_what_is_still_on_the_tape_is_waited_for() -> None:
    rig = Rig()
    rig.publish()
    rig.present(agent())
    rig.subscribe()
    for left in range(150, 5, -1):  # blocks, which come ten times as fast as they were said
        rig.catch_up(left)
    assert rig.buffers == []
    rig.catch_up(5)
    (buffer,) = rig.buffers
    assert (buffer.start, buffer.end) == (0, rig.position)


def test_a_tape_that_is_not_caught_up_with_in_time_is_heard_live() -> None:
    rig = Rig()
    rig.publish()
    rig.present(agent())
    rig.subscribe()
    began = rig.now
    while not rig.buffers:
        rig.catch_up(1000)
    assert rig.now - began == pytest.approx(SEAM.catch_up_s, abs=0.01)
    rig.catch_up(1000)
    assert rig.heard == list(range(rig.position))


def test_after_a_rewind_the_buffer_waits_for_the_tape() -> None:
    rig = Rig()
    rig.converse()
    rig.speak(100)
    rig.do(rig.uplink.republished("TR_2", rig.now, rig.position - 1500))
    rig.subscribe("TR_2")
    rig.now += SEAM.hold_s
    rig.do(rig.uplink.tick(rig.now))
    assert len(rig.buffers) == 1, "nothing has come from the tape yet"


def test_an_agent_gets_a_buffer_even_if_nothing_was_said() -> None:
    rig = Rig()
    rig.publish()
    rig.present(agent())
    rig.subscribe()
    rig.do(rig.uplink.tick(rig.now + SEAM.hold_s))
    assert [buffer.pcm for buffer in rig.buffers] == [b""]
    rig.speak(3)
    assert rig.heard == list(range(60))


def test_silence_can_lead_the_live_audio() -> None:
    rig = Rig(seam=Seam(hold_s=0.2, lead_silence=True))
    rig.speak(10)
    assert rig.silence == 0
    rig.converse()
    assert rig.silence == pytest.approx(SEAM.hold_s * RATE, abs=BLOCK)
    assert rig.heard == list(range(rig.position))


def test_without_preconnect_only_what_follows_is_sent() -> None:
    rig = Rig(preconnect=False)
    rig.speak(10)
    assert (rig.uplink.state, rig.served()) == ("idle", rig.position)
    before = rig.position
    rig.publish()
    rig.speak(10)
    assert rig.heard == list(range(before, rig.position))
    assert (rig.buffers, rig.uplink.state) == ([], "live")


# -- limits ----------------------------------------------------------------------------------------


def test_live_before_the_first_sample_nothing_is_known_to_be_heard() -> None:
    """A track with a new sid would otherwise get what the tape holds of an hour ago."""
    rig = Rig(start=1000)
    rig.publish()
    rig.present(agent())
    rig.subscribe()
    rig.now += SEAM.hold_s
    rig.do(rig.uplink.tick(rig.now))
    assert (rig.uplink.state, rig.served()) == ("live", -1)
    assert rig.uplink.republished("TR_2", rig.now) == []


def test_past_its_limit_the_oldest_goes_and_is_counted() -> None:
    rig = Rig(limit_s=100 / RATE)
    rig.speak(20)
    assert rig.dropped == 300
    assert rig.served() == 300
    rig.converse()
    assert rig.heard == list(range(rig.dropped, rig.position))


def test_a_gap_is_silence_of_its_length() -> None:
    rig = Rig()
    rig.speak(1)
    rig.gap(100)
    rig.speak(1)
    rig.converse()
    assert rig.heard[:140] == [*range(20), *[0] * 100, *range(120, 140)]
    assert rig.buffers[0].end == rig.buffers[0].start + len(rig.buffers[0].pcm) // 2


def test_a_long_gap_is_shortened() -> None:
    rig = Rig()
    rig.speak(1)
    rig.gap(int(1000 * GAP_S * RATE))
    rig.converse()
    assert len(rig.heard) == BLOCK + int(GAP_S * RATE) + 11 * BLOCK


def test_positions_that_skip_without_a_word_are_a_gap() -> None:
    rig = Rig()
    rig.speak(1)
    rig.position += 50
    rig.converse()
    assert rig.heard[20:70] == [0] * 50


def test_a_new_tape_is_followed_from_its_start() -> None:
    rig = Rig(start=5000)
    rig.converse()
    rig.position = 0
    rig.speak(1)
    assert rig.heard[-BLOCK:] == list(range(BLOCK))
    assert rig.served() == 0


# -- discard ---------------------------------------------------------------------------------------


def test_what_is_discarded_is_not_sent_and_a_late_agent_hears_the_rest() -> None:
    rig = Rig()
    rig.publish()
    rig.speak(100)
    rig.uplink.discard()
    assert (rig.uplink.state, rig.served()) == ("idle", rig.position)
    rig.speak(100)
    assert rig.served() == rig.position
    came = rig.position
    rig.present(agent())
    rig.subscribe()
    rig.speak(50)
    assert rig.heard == list(range(came, rig.position))
    assert len(rig.buffers) == 1


def test_a_discard_comes_too_late_for_a_live_microphone() -> None:
    rig = Rig()
    rig.converse()
    rig.uplink.discard()
    rig.speak(5)
    assert rig.heard == list(range(rig.position))


# -- barred ----------------------------------------------------------------------------------------


def test_what_is_said_while_the_server_lets_nobody_hear_us_is_for_nobody() -> None:
    rig = Rig()
    rig.converse()
    rig.speak(50)
    rig.uplink.bar(barred=True)
    assert rig.uplink.state == "idle"
    barred, heard = rig.position, len(rig.heard)
    rig.speak(100)
    assert rig.served() == rig.position
    rig.uplink.bar(barred=False)
    assert rig.uplink.state == "buffering"
    again = rig.position
    rig.speak(50)
    assert rig.served() == again
    rig.do(rig.uplink.republished("TR_2", rig.now))
    rig.subscribe("TR_2")
    rig.speak(50)
    assert rig.uplink.state == "live"
    assert rig.heard[heard:] == list(range(again, rig.position))
    assert again == barred + 100 * BLOCK


def test_a_track_that_a_reconnect_publishes_while_barred_is_not_spoken_on() -> None:
    rig = Rig()
    rig.converse()
    rig.uplink.bar(barred=True)
    heard = len(rig.heard)
    rig.do(rig.uplink.republished("TR_2", rig.now))
    rig.subscribe("TR_2")
    rig.speak(100)
    assert (len(rig.heard), rig.uplink.state) == (heard, "idle")


def test_without_preconnect_a_track_that_is_allowed_again_is_live() -> None:
    rig = Rig(preconnect=False)
    rig.publish()
    rig.speak(10)
    rig.uplink.bar(barred=True)
    heard = len(rig.heard)
    rig.speak(10)
    rig.uplink.bar(barred=False)
    rig.do(rig.uplink.republished("TR_2", rig.now))
    before = rig.position
    rig.speak(10)
    assert rig.heard[heard:] == list(range(before, rig.position))


def test_what_was_discarded_before_is_not_kept_because_the_bar_is_lifted() -> None:
    rig = Rig()
    rig.publish()
    rig.speak(10)
    rig.uplink.discard()
    rig.uplink.bar(barred=True)
    rig.uplink.bar(barred=False)
    rig.speak(10)
    assert (rig.uplink.state, rig.served()) == ("idle", rig.position)


# -- served ----------------------------------------------------------------------------------------


def test_nothing_kept_counts_as_served() -> None:
    rig = Rig(start=700)
    assert rig.served() == -1
    rig.speak(10)
    assert rig.served() == 700


def test_a_buffer_counts_as_served_only_when_it_is_out() -> None:
    rig = Rig()
    rig.publish()
    rig.present(agent())
    rig.subscribe()
    rig.speak(10)
    (buffer,) = (a for a in rig.uplink.tick(rig.now + 1) if isinstance(a, SendBuffer))
    rig.speak(50)
    assert rig.served() == 0
    rig.uplink.sent(buffer.end)
    assert rig.served() > buffer.end


def test_live_samples_count_as_served_once_they_left_the_sdk() -> None:
    rig = Rig()
    rig.converse()
    rig.speak(50)
    assert rig.served(queued_s=0.1) == rig.position - (0.1 + ALLOWANCE_S) * RATE
    rig.wait(ALLOWANCE_S)
    assert rig.served(queued_s=0.0) == rig.position


def test_while_nothing_could_be_sent_nothing_was_and_it_is_late_after() -> None:
    rig = Rig()
    rig.converse()
    rig.speak(50)
    before, told = rig.served(), rig.position
    rig.now += 0.4  # the process is stopped
    assert rig.served() <= told - ALLOWANCE_S * RATE + BLOCK
    rig.speak(20)
    assert rig.served() <= before + 20 * BLOCK - 0.4 * RATE + BLOCK
    rig.speak(round(SETTLED_S * RATE / BLOCK))
    assert rig.served() == rig.position - ALLOWANCE_S * RATE


def test_served_never_goes_back() -> None:
    rig = Rig()
    rig.converse()
    rig.speak(50)
    before = rig.served(0.0)
    assert rig.served(queued_s=1.0) == before


# -- reconnects ------------------------------------------------------------------------------------


def test_a_republished_track_gets_a_buffer_from_what_was_not_heard() -> None:
    rig = Rig()
    rig.converse()
    rig.speak(100)
    served = rig.served()
    rig.do(rig.uplink.connection(up=False, now=rig.now))
    rig.speak(50)
    assert rig.served() == served
    heard = len(rig.heard)
    rig.do(rig.uplink.republished("TR_2", rig.now))
    rig.do(rig.uplink.connection(up=True, now=rig.now))
    assert (rig.position, rig.uplink.state) == (served, "buffering")
    rig.speak(60)
    rig.subscribe("TR_2")
    rig.speak(60)
    assert rig.heard[heard:] == list(range(served, rig.position))
    assert [buffer.sid for buffer in rig.buffers] == ["TR_1", "TR_2"]


def test_what_does_not_go_in_one_buffer_follows_on_the_next_tracks() -> None:
    rig = Rig()
    rig.uplink.part(600)
    rig.speak(100)
    rig.converse()
    while rig.buffers[-1].rest:
        part = rig.buffers[-1]
        assert part.end - part.start == 600
        rig.speak(5)
        assert rig.heard == list(range(part.end)), "nothing goes live before the rest"
        assert rig.served() == part.end
        said, sid = rig.position, f"TR_{len(rig.buffers) + 1}"
        rig.do(rig.uplink.republished(sid, rig.now))
        rig.speak((said - rig.position) // BLOCK)  # the tape again
        rig.subscribe(sid)
        rig.speak(int(SEAM.hold_s * RATE / BLOCK) + 1)
    rig.speak(20)
    assert rig.heard == list(range(rig.position))
    assert len(rig.buffers) > 3


def test_what_is_said_to_nobody_is_kept_for_the_next_agent() -> None:
    rig = Rig()
    rig.converse()
    rig.speak(50)
    rig.now += 1.0
    served = rig.served()
    rig.present()
    assert rig.uplink.state == "buffering"
    assert rig.position == served
    rig.speak(50)
    assert rig.served() == served
    heard = len(rig.heard)
    rig.present(agent("agent-2"))
    rig.speak(int(SEAM.hold_s * RATE / BLOCK) + 1)
    (_, buffer) = rig.buffers
    assert (buffer.start, buffer.identity) == (served, "agent-2")
    assert rig.heard[heard:] == list(range(served, rig.position))


def test_without_preconnect_an_absent_agent_changes_nothing() -> None:
    rig = Rig(preconnect=False)
    rig.publish()
    rig.present(agent())
    rig.speak(10)
    rig.present()
    assert rig.uplink.state == "live"


def test_a_resumed_connection_goes_on() -> None:
    rig = Rig()
    rig.converse()
    rig.do(rig.uplink.connection(up=False, now=rig.now))
    rig.speak(50)
    rig.do(rig.uplink.connection(up=True, now=rig.now))
    rig.wait(1.0)
    assert rig.served() == rig.position
    assert rig.heard == list(range(rig.position))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("speak"), st.integers(1, 40)),
        st.tuples(st.just("publish"), st.just(0)),
        st.tuples(st.just("subscribe"), st.just(0)),
        st.tuples(st.just("agent"), st.booleans()),
        st.tuples(st.just("tick"), st.integers(0, 2000)),
        st.tuples(st.just("reconnecting"), st.just(0)),
        st.tuples(st.just("resumed"), st.just(0)),
        st.tuples(st.just("republish"), st.just(0)),
        st.tuples(st.just("discard"), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(STEPS, st.integers(0, 10_000))
def test_every_position_goes_out_once_and_in_order(steps: list[tuple[str, int]], at: int) -> None:
    rig = Rig(start=at)
    sid, skipped, said = 1, set[int](), at
    stretches: list[list[int]] = []

    def begin_stretch() -> None:
        """Another track, or another agent: what was not surely heard is said again."""
        stretches.append(rig.heard)
        rig.heard = []

    for step, value in steps:
        served = rig.served()
        match step:
            case "speak":
                kept = rig.uplink.state != "idle"
                before, heard = rig.position, len(rig.heard)
                rig.speak(value)
                if not kept and len(rig.heard) == heard and rig.uplink.state == "idle":
                    skipped |= set(range(before, rig.position))
            case "publish":
                rig.publish(f"TR_{sid}")
            case "subscribe":
                rig.subscribe(f"TR_{sid}")
            case "agent":
                was_live = rig.uplink.state == "live"
                rig.present(*([agent()] if value else []))
                if was_live and rig.uplink.state != "live":
                    begin_stretch()
            case "tick":
                rig.now += value / 1000
                rig.do(rig.uplink.tick(rig.now))
            case "reconnecting" | "resumed":
                rig.do(rig.uplink.connection(step == "resumed", rig.now))
            case "republish":
                was_live = rig.uplink.state == "live"
                sid += 1
                rig.do(rig.uplink.republished(f"TR_{sid}", rig.now))
                if was_live:
                    begin_stretch()
            case "discard" if rig.uplink.state == "buffering":
                rig.uplink.discard()
                if served >= 0:
                    skipped |= set(range(served, rig.position))
        assert rig.served() >= served
        said = max(said, rig.position)
    stretches.append(rig.heard)
    for stretch in stretches:
        assert stretch == sorted(set(stretch))
    everything = {position for stretch in stretches for position in stretch} | skipped
    if rig.uplink.state != "buffering":
        assert everything == set(range(at, said))
    else:
        assert everything >= set(range(at, max(at, rig.served())))

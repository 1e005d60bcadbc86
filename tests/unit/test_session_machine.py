"""The session's state machine: the Agent API's statements, one test each, and its invariants."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.messages import AgentError, ConnectionState, Participant, RoomState, SessionError
from actors.session.agent import ON_BEHALF_ATTRIBUTE, STATE_ATTRIBUTE
from actors.session.dispatch import GRACE_S, MAX_S
from actors.session.effects import (
    ArmTimer,
    CancelTimer,
    Discard,
    Effect,
    Join,
    Leave,
    StartRecorder,
    Stay,
    StopRecorder,
)
from actors.session.machine import REJOIN_MAX_S, STABLE_S, Machine, rejoin_delay
from actors.session.standing import Standing

pytestmark = pytest.mark.unit

OFF = Standing()


def _agent(state: str | None = None, identity: str = "agent-1") -> Participant:
    attributes = {} if state is None else {STATE_ATTRIBUTE: state}
    return Participant(identity, f"PA_{identity}", "agent", True, attributes)


def _room(
    state: ConnectionState = "connected", *people: Participant, conversation: str = "c1"
) -> RoomState:
    return RoomState(conversation, state, "room-1", "terminal", people)


NOTHING = RoomState("", "disconnected")
"""What a room says that has not joined anything."""


class Talk:
    """A machine, with the arguments that most tests do not care for."""

    def __init__(self, **options: Any) -> None:
        given_: dict[str, Any] = {
            "pre_connect_audio": True,
            "timeout_s": 20.0,
            "redispatch": False,
            "standing": OFF,
        }
        self.machine = Machine(**{**given_, **options})
        self.now = 1000.0

    def room(self, state: ConnectionState = "connected", *people: Participant) -> list[Effect]:
        return self.say(_room(state, *people))

    def say(self, room: RoomState) -> list[Effect]:
        return self.machine.room_changed(room, 0.0, self.now)

    def connect(self, *people: Participant) -> list[Effect]:
        """From nothing to a connection that stands; what the last step wants done."""
        self.machine.start("c1")
        self.machine.recorder_started("c1")
        effects = self.room("connected", *people)
        self.machine.joined("c1", 0.0)
        return effects

    def life(self) -> tuple[str, str | None, AgentError | None]:
        view = self.machine.agent
        return view.life, view.state, view.error


# -- session: start --------------------------------------------------------------------------------


def test_start_with_preconnect_runs_the_recorder_first_then_fetches_a_token_and_connects() -> None:
    machine = Talk().machine
    assert machine.start("c1") == [StartRecorder(resume=False)]
    assert machine.recorder_started("c1") == [Join()]


def test_start_without_preconnect_connects_and_then_switches_the_microphone_on() -> None:
    talk = Talk(pre_connect_audio=False, timeout_s=None)
    assert talk.machine.start("c1") == [Join()]
    assert talk.room("connecting") == []
    assert talk.room("connected") == [StartRecorder(resume=True)]
    assert talk.machine.recorder_started("c1") == []


def test_start_when_not_disconnected_does_nothing() -> None:
    talk = Talk()
    talk.connect(_agent("listening"))
    before = talk.machine.standing
    assert talk.machine.start("c2") == []
    assert talk.machine.standing == before


def test_start_clears_the_error() -> None:
    talk = Talk()
    talk.machine.start("c1")
    talk.machine.recorder_started("c1")
    talk.machine.join_failed("c1", "no server", 0.0)
    assert talk.machine.error == SessionError("connection", "no server")
    talk.machine.start("c2")
    assert talk.machine.error is None


def test_is_connected_while_connecting_connected_and_reconnecting() -> None:
    talk = Talk()
    assert not talk.machine.is_on
    talk.machine.start("c1")
    assert (talk.machine.is_on, talk.machine.connection_state) == (True, "connecting")
    talk.machine.recorder_started("c1")
    talk.room("connected")
    assert (talk.machine.is_on, talk.machine.connection_state) == (True, "connected")
    talk.room("reconnecting")
    assert (talk.machine.is_on, talk.machine.connection_state) == (True, "reconnecting")
    talk.machine.end()
    assert (talk.machine.is_on, talk.machine.connection_state) == (False, "disconnected")


def test_network_or_token_trouble_is_error_connection_and_discards_the_recording() -> None:
    talk = Talk()
    talk.machine.start("c1")
    talk.machine.recorder_started("c1")
    effects = talk.machine.join_failed("c1", "no token", 0.0)
    assert effects == [StopRecorder(), Leave()]
    assert talk.machine.error == SessionError("connection", "no token")
    assert talk.machine.connection_state == "disconnected"
    assert talk.life() == ("disconnected", None, None)


def test_without_a_microphone_there_is_no_session_with_preconnect() -> None:
    talk = Talk()
    talk.machine.start("c1")
    assert talk.machine.recorder_failed("c1", "no device") == [StopRecorder(), Leave()]
    assert talk.machine.error == SessionError("media", "no device")
    assert not talk.machine.is_on


def test_without_preconnect_a_session_goes_on_without_a_microphone() -> None:
    talk = Talk(pre_connect_audio=False)
    talk.machine.start("c1")
    talk.room("connected")
    assert talk.machine.recorder_failed("c1", "no device") == []
    assert talk.machine.error == SessionError("media", "no device")
    assert talk.machine.connection_state == "connected"


# -- session: the agent's time ---------------------------------------------------------------------


def test_the_agent_timeout_is_armed_when_the_connection_stands() -> None:
    talk = Talk()
    talk.machine.start("c1")
    talk.machine.recorder_started("c1")
    assert talk.room("connecting") == []
    assert talk.room("connected") == [ArmTimer(20.0)]
    assert talk.room("connected", _agent()) == [], "once"


def test_none_switches_the_agent_timeout_off() -> None:
    assert Talk(timeout_s=None).connect() == []


def test_an_agent_that_is_already_talking_is_not_waited_for() -> None:
    assert Talk().connect(_agent("listening")) == []


@pytest.mark.parametrize("people", [(), (_agent(),), (_agent("initializing"),)])
def test_an_agent_not_conversing_by_then_has_failed(people: tuple[Participant, ...]) -> None:
    talk = Talk()
    talk.connect(*people)
    assert talk.machine.agent_timed_out(0.0) == [Discard()]
    assert talk.life() == ("failed", None, "timeout")
    assert talk.machine.is_on


def test_the_timeout_is_cancelled_when_the_agent_converses() -> None:
    talk = Talk()
    talk.connect(_agent("initializing"))
    assert talk.room("connected", _agent("thinking")) == [CancelTimer()]
    assert talk.machine.agent_timed_out(0.0) == [], "a timer that fired just before"
    assert talk.life() == ("connected", "thinking", None)


def test_a_late_agent_recovers_the_session_and_clears_the_failure() -> None:
    talk = Talk()
    talk.connect()
    talk.machine.agent_timed_out(0.0)
    talk.room("connected", _agent("initializing"))
    assert talk.life() == ("connected", "initializing", None)


def test_a_slow_agent_recovers_when_it_takes_part() -> None:
    talk = Talk()
    talk.connect(_agent("initializing"))
    talk.machine.agent_timed_out(0.0)
    talk.room("connected", _agent("initializing"))
    assert talk.life() == ("failed", None, "timeout"), "not overwritten by the next room event"
    talk.room("connected", _agent("listening"))
    assert talk.life() == ("connected", "listening", None)


# -- session: an agent that leaves -----------------------------------------------------------------


@pytest.mark.parametrize("state", [None, "idle", "initializing", "listening", "speaking"])
def test_an_agent_that_was_present_and_vanishes_has_failed_also_if_only_idle(
    state: str | None,
) -> None:
    talk = Talk()
    talk.connect(_agent(state))
    effects = talk.room("connected")
    assert talk.life() == ("failed", None, "left")
    assert effects in ([], [CancelTimer()])
    assert talk.machine.agent_timed_out(0.0) == []
    assert talk.life() == ("failed", None, "left")


def test_failure_stays_until_an_agent_is_back() -> None:
    talk = Talk()
    talk.connect(_agent("listening"))
    talk.room("connected")
    talk.room("connected", Participant("visitor", "PA_v", "standard", True, {}))
    talk.room("reconnecting")
    talk.room("connected")
    assert talk.life() == ("failed", None, "left")
    talk.room("connected", _agent(identity="agent-2"))
    assert talk.life() == ("connected", "idle", None)


def test_failure_stays_until_the_session_ends() -> None:
    talk = Talk()
    talk.connect(_agent("listening"))
    talk.room("connected")
    talk.machine.end()
    assert talk.life() == ("disconnected", None, None)


def test_an_avatar_worker_alone_is_no_agent() -> None:
    worker = Participant("avatar", "PA_w", "agent", True, {ON_BEHALF_ATTRIBUTE: "agent-1"})
    talk = Talk()
    talk.connect(worker)
    assert talk.life() == ("connecting", None, None)


def test_while_reconnecting_the_agent_is_as_it_was_last_seen() -> None:
    talk = Talk()
    talk.connect(_agent("speaking"))
    talk.room("reconnecting")
    assert talk.life() == ("connected", "speaking", None)
    assert talk.machine.agent.can_listen, "what is said now is on the tape and will be heard"
    talk.say(RoomState("c1", "reconnecting"))
    assert (talk.machine.room.room_name, talk.machine.room.identity) == ("room-1", "terminal")
    assert talk.life() == ("connected", "speaking", None)


# -- session: errors -------------------------------------------------------------------------------


def test_dismiss_error_clears_only_that_never_the_agents_failure() -> None:
    talk = Talk()
    talk.connect()
    talk.machine.agent_timed_out(0.0)
    talk.machine.fail("sender", "not sent")
    talk.machine.dismiss_error()
    assert talk.machine.error is None
    assert talk.life() == ("failed", None, "timeout")


def test_a_sender_or_receiver_that_fails_does_not_end_the_session() -> None:
    talk = Talk()
    talk.connect(_agent("listening"))
    talk.machine.fail("receiver", "broken off")
    assert talk.machine.error == SessionError("receiver", "broken off")
    assert talk.life() == ("connected", "listening", None)


def test_what_breaks_off_with_the_end_of_a_session_is_no_error() -> None:
    talk = Talk()
    talk.connect()
    talk.machine.end()
    talk.machine.fail("receiver", "the room was left")
    assert talk.machine.error is None


# -- session: end ----------------------------------------------------------------------------------


def test_end_leaves_nothing_armed() -> None:
    talk = Talk()
    talk.connect()
    assert talk.machine.end() == [CancelTimer(), StopRecorder(), Leave()]
    assert talk.machine.end() == []


def test_late_answers_of_an_ended_conversation_change_nothing() -> None:
    talk = Talk()
    talk.machine.start("c1")
    talk.machine.end()
    talk.machine.start("c2")
    before = talk.machine.standing
    assert talk.machine.recorder_started("c1") == []
    assert talk.machine.recorder_failed("c1", "gone") == []
    assert talk.machine.join_failed("c1", "gone", 0.0) == []
    assert talk.machine.joined("c1", 0.0) == []
    assert talk.machine.standing == before


# -- agent: buffering ------------------------------------------------------------------------------


def test_can_listen_before_the_agent_only_while_the_recorder_really_runs() -> None:
    talk = Talk()
    machine = talk.machine
    machine.start("c1")
    assert (machine.agent.can_listen, machine.agent.is_pending) == (False, True)
    machine.recorder_started("c1")
    assert (machine.agent.can_listen, machine.agent.is_pending) == (True, False)
    machine.audio_went()
    assert (machine.agent.can_listen, machine.agent.is_pending) == (False, True)
    machine.recorder_state("c1", recording=True)
    assert (machine.agent.can_listen, machine.agent.is_pending) == (True, False)
    machine.recorder_state("another", recording=True)
    assert (machine.agent.can_listen, machine.agent.is_pending) == (False, True)


def test_without_preconnect_nothing_is_buffered() -> None:
    talk = Talk(pre_connect_audio=False)
    talk.machine.start("c1")
    talk.room("connected")
    talk.machine.recorder_started("c1")
    view = talk.machine.agent
    assert (view.life, view.can_listen, view.is_pending) == ("connecting", False, True)


# -- connection: made again for ever ---------------------------------------------------------------


def test_a_connection_that_stood_is_made_again_for_ever_with_back_off() -> None:
    talk = Talk()
    talk.connect(_agent("listening"))
    effects = talk.room("disconnected")
    delays = []
    for _ in range(40):
        (join,) = effects
        assert isinstance(join, Join)
        delays.append(join.delay_s)
        assert talk.machine.connection_state == "reconnecting"
        effects = talk.machine.join_failed("c1", "no server", 0.0)
    assert delays[0] == 0.0
    assert delays == sorted(delays)
    assert delays[-1] == REJOIN_MAX_S
    assert talk.machine.error is None


def test_back_off_begins_anew_after_a_connection_that_was_stable() -> None:
    talk = Talk()
    talk.connect()

    def lose() -> list[Effect]:
        effects = talk.room("disconnected")
        talk.room("connected")
        talk.machine.joined("c1", 0.0)
        return effects

    assert lose() == [Join(0.0)]
    assert lose() != [Join(0.0)], "thrown out again at once, perhaps by another of our identity"
    talk.now += STABLE_S
    assert lose() == [Join(0.0)]


@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
def test_back_off_is_bounded_and_takes_half_by_chance(attempt: int, chance: float) -> None:
    full = rejoin_delay(attempt, 0.0)
    assert 0.0 <= full <= REJOIN_MAX_S
    assert full / 2 <= rejoin_delay(attempt, chance) <= full
    assert rejoin_delay(attempt + 1, 0.0) >= full


def test_the_room_process_dies_while_first_connecting() -> None:
    talk = Talk()
    talk.machine.start("c1")
    talk.machine.recorder_started("c1")
    talk.room("connecting")
    # The join that is under way finds the next process by itself.
    assert talk.machine.room_went(talk.now) == []
    assert talk.say(NOTHING) == []
    assert talk.machine.connection_state == "connecting"
    talk.room("connecting")
    talk.room("connected", _agent("listening"))
    assert talk.life() == ("connected", "listening", None)


def test_the_room_process_dies_while_connected() -> None:
    talk = Talk()
    talk.connect(_agent("listening"))
    assert talk.machine.room_went(talk.now) == [Join()]
    assert talk.machine.connection_state == "reconnecting"
    assert talk.life() == ("connected", "listening", None)
    assert talk.say(NOTHING) == [], "a join is under way"
    talk.room("connecting")
    assert talk.machine.connection_state == "reconnecting"
    assert talk.room("connected", _agent("listening")) == [], "its time is not armed again"


def test_the_room_process_dies_and_then_the_join_fails() -> None:
    talk = Talk()
    talk.connect()
    talk.machine.room_went(talk.now)
    assert talk.machine.join_failed("c1", "no token", 0.0) == [Join(0.0)]
    assert talk.machine.join_failed("c1", "no token", 0.0) == [Join(0.2)]


def test_a_room_that_has_lost_us_without_a_word_is_joined_again() -> None:
    talk = Talk()
    talk.connect()
    assert talk.say(NOTHING) == [Join(0.0)]
    assert talk.machine.connection_state == "reconnecting"


def test_a_room_that_is_lost_before_its_answer_to_the_join_is_seen_is_joined_again() -> None:
    talk = Talk()
    talk.machine.start("c1")
    talk.machine.recorder_started("c1")
    talk.room("connected")
    assert talk.room("disconnected") == [], "a join is under way"
    assert talk.machine.joined("c1", 0.0) == [Join(0.0)]
    assert talk.say(NOTHING) == []
    assert talk.machine.joined("c1", 0.0) == [], "its word comes after its answer"


def test_a_join_asked_for_once_too_often_does_not_disturb_a_connection() -> None:
    talk = Talk()
    talk.connect()
    talk.say(NOTHING)
    talk.room("connected")
    assert talk.machine.join_failed("c1", "no token", 0.0) == []
    assert talk.machine.connection_state == "connected"


def test_a_room_that_never_answers_is_replaced() -> None:
    talk = Talk()
    talk.connect()
    talk.machine.room_went(talk.now)
    talk.room("connecting")
    assert talk.machine.join_failed("c1", "no answer", 0.0, wedged=True) == [Leave(), Join(0.0)]


def test_a_recorder_that_has_stopped_by_itself_is_started_again() -> None:
    talk = Talk()
    talk.connect()
    assert talk.machine.recorder_state("c1", recording=True) == []
    assert talk.machine.recorder_state("c1", recording=False) == [StartRecorder(resume=True)]
    assert talk.machine.recorder_state("c1", recording=False) == [], "not again and again"
    talk.machine.recorder_failed("c1", "no device")
    assert talk.machine.connection_state == "connected"
    assert talk.machine.audio_came() == [StartRecorder(resume=True)]


def test_a_recorder_that_still_waits_for_samples_when_it_is_given_up_is_on() -> None:
    talk = Talk()
    talk.connect()
    next_ = _successor(talk)
    assert next_.machine.resume() == [StartRecorder(resume=True)]
    assert next_.machine.recorder_state("c1", recording=True) == []
    assert next_.machine.recorder_failed("c1", "no samples") == []
    assert next_.machine.error == SessionError("media", "no samples")
    assert next_.machine.audio_came() == [], "it is on"
    assert next_.machine.recorder_state("c1", recording=False) == [StartRecorder(resume=True)]


def test_a_recorder_that_dies_while_it_is_being_started_is_started_when_it_is_back() -> None:
    talk = Talk()
    talk.connect()
    next_ = _successor(talk)
    next_.machine.resume()
    next_.machine.recorder_state("c1", recording=True)
    next_.machine.audio_went()
    next_.machine.recorder_failed("c1", "audio is not there")
    assert next_.machine.audio_came() == [StartRecorder(resume=True)]


def test_a_recorder_that_is_being_started_is_not_started_twice() -> None:
    talk = Talk()
    talk.machine.start("c1")
    assert talk.machine.audio_came() == []
    talk.machine.recorder_started("c1")
    assert talk.machine.recorder_state("c1", recording=False) == [StartRecorder(resume=True)]
    assert talk.machine.audio_came() == []


def test_audio_that_comes_back_goes_on_by_itself_or_is_told_to() -> None:
    talk = Talk()
    talk.connect()
    talk.machine.audio_went()
    assert talk.machine.recorder_state("c1", recording=True) == []
    assert talk.machine.audio_came() == []
    talk.machine.audio_went()
    assert talk.machine.recorder_state("", recording=False) == []
    assert talk.machine.audio_came() == [StartRecorder(resume=True)]


# -- another process goes on -----------------------------------------------------------------------


def _successor(talk: Talk, **options: Any) -> Talk:
    wire = msgspec.json.encode(talk.machine.standing)
    return Talk(standing=msgspec.json.decode(wire, type=Standing), **options)


def test_killed_before_the_recorder_answered() -> None:
    talk = Talk()
    talk.machine.start("c1")
    next_ = _successor(talk)
    assert next_.machine.resume() == [StartRecorder(resume=True)]
    assert next_.say(NOTHING) == []
    assert next_.machine.recorder_started("c1") == [Join()]
    assert next_.machine.connection_state == "connecting"


def test_killed_before_the_join() -> None:
    talk = Talk()
    talk.machine.start("c1")
    talk.machine.recorder_started("c1")
    next_ = _successor(talk)
    next_.machine.resume()
    assert next_.machine.recorder_started("c1") == [], "the room has not been heard of yet"
    assert next_.say(NOTHING) == [Join(0.0)]


def test_killed_while_the_room_is_joining() -> None:
    talk = Talk()
    talk.machine.start("c1")
    talk.machine.recorder_started("c1")
    talk.room("connecting")
    next_ = _successor(talk)
    next_.machine.resume()
    assert next_.room("connecting") == []
    assert next_.machine.recorder_started("c1") == []
    assert next_.machine.connection_state == "connecting"
    assert next_.room("connected") == [ArmTimer(20.0)]


def test_killed_while_the_room_is_joining_and_the_join_fails() -> None:
    talk = Talk()
    talk.machine.start("c1")
    talk.machine.recorder_started("c1")
    next_ = _successor(talk)
    next_.machine.resume()
    next_.room("connecting")
    next_.machine.recorder_started("c1")
    assert next_.say(msgspec.structs.replace(NOTHING, error="refused")) == [Join(0.0)]
    assert next_.machine.join_failed("c1", "refused", 0.0) == [StopRecorder(), Leave()]
    assert next_.machine.error == SessionError("connection", "refused")


def test_killed_without_preconnect_before_the_join() -> None:
    talk = Talk(pre_connect_audio=False)
    talk.machine.start("c1")
    next_ = _successor(talk, pre_connect_audio=False)
    assert next_.machine.resume() == []
    assert next_.say(NOTHING) == [Join(0.0)]
    assert next_.room("connected") == [StartRecorder(resume=True), ArmTimer(20.0)]


def test_killed_while_connected() -> None:
    talk = Talk()
    talk.connect(_agent("speaking"))
    next_ = _successor(talk)
    assert next_.machine.connection_state == "reconnecting"
    assert next_.machine.resume() == [StartRecorder(resume=True)]
    assert next_.room("connected", _agent("speaking")) == []
    assert next_.machine.recorder_started("c1") == []
    assert next_.machine.agent == msgspec.structs.replace(talk.machine.agent)
    assert next_.machine.standing == talk.machine.standing


def test_killed_while_the_agent_was_waited_for() -> None:
    talk = Talk()
    talk.connect()
    next_ = _successor(talk)
    assert next_.machine.standing.waiting, "whoever holds the timer arms the rest of it"
    assert next_.room("connected") == []
    assert next_.machine.agent_timed_out(0.0) == [Discard()]
    assert next_.life() == ("failed", None, "timeout")


def test_killed_after_a_failure_which_stays() -> None:
    talk = Talk()
    talk.connect()
    talk.machine.agent_timed_out(0.0)
    talk.machine.fail("sender", "not sent")
    next_ = _successor(talk)
    assert next_.machine.resume() == [StartRecorder(resume=True), Discard()]
    next_.room("connected")
    assert next_.life() == ("failed", None, "timeout")
    assert next_.machine.error == SessionError("sender", "not sent")


def test_killed_while_the_agent_left() -> None:
    talk = Talk()
    talk.connect(_agent("listening"))
    next_ = _successor(talk)
    next_.room("connected")
    assert next_.life() == ("failed", None, "left")


def test_killed_together_with_the_room() -> None:
    talk = Talk()
    talk.connect(_agent("listening"))
    next_ = _successor(talk)
    next_.machine.resume()
    next_.room("connected", _agent("listening"))  # the last word of the dead one, kept for us
    assert next_.say(NOTHING) == [Join(0.0)]
    assert next_.machine.connection_state == "reconnecting"


def test_killed_in_the_middle_of_an_end_which_is_finished() -> None:
    talk = Talk()
    talk.connect(_agent("listening"))
    talk.machine.end()
    next_ = _successor(talk)
    assert next_.machine.resume() == []
    assert next_.room("connected", _agent("listening")) == [Leave()]
    assert next_.machine.recorder_state("c1", recording=True) == [StopRecorder()]
    assert not next_.machine.is_on
    assert next_.room("disconnected") == []
    assert next_.machine.recorder_state("c1", recording=False) == []


def test_nothing_known_of_the_process_before_a_joined_room_is_taken_over() -> None:
    lost = Talk(standing=None)
    assert lost.machine.resume() == []
    assert lost.machine.recorder_state("c1", recording=True) == []
    effects = lost.room("connected", _agent("listening"))
    assert effects == [StartRecorder(resume=True)]
    assert lost.life() == ("connected", "listening", None)
    assert lost.machine.conversation == "c1"


def test_nothing_known_of_the_process_before_and_no_room_stops_the_recorder() -> None:
    lost = Talk(standing=None)
    assert lost.machine.recorder_state("c1", recording=True) == []
    assert lost.say(NOTHING) == [StopRecorder()]
    assert lost.machine.recorder_state("c1", recording=True) == [StopRecorder()]


def test_nothing_known_of_the_process_before_and_nothing_to_be_seen_of_it() -> None:
    lost = Talk(standing=None)
    assert lost.say(NOTHING) == []
    assert not lost.machine.is_on


def test_a_room_that_was_taken_over_is_made_again_as_any_other() -> None:
    lost = Talk(standing=None)
    lost.room("connected", _agent("listening"))
    assert lost.room("disconnected") == [Join(0.0)]


@pytest.mark.parametrize("ordered", ["start", "end"])
def test_what_was_ordered_comes_before_what_is_found(ordered: str) -> None:
    lost = Talk(standing=None)
    if ordered == "end":
        lost.machine.end()
    else:
        lost.machine.start("c2")
        lost.machine.recorder_failed("c2", "no device")
    assert lost.room("connected", _agent("listening")) == [Leave()]
    assert not lost.machine.is_on


# -- invariants ------------------------------------------------------------------------------------

FLAGS: dict[tuple[str, bool, str | None], tuple[bool, bool, bool, bool]] = {
    ("disconnected", False, None): (False, False, False, True),
    ("connecting", False, None): (False, False, True, False),
    ("connecting", True, None): (False, True, False, False),
    ("connected", False, "initializing"): (False, False, True, False),
    ("connected", False, "idle"): (False, False, True, False),
    ("connected", False, "listening"): (True, True, False, False),
    ("connected", False, "thinking"): (True, True, False, False),
    ("connected", False, "speaking"): (True, True, False, False),
    ("failed", False, None): (False, False, False, True),
}
"""agent-api.md, "Agent": life, buffering, state to is_connected, can_listen, is_pending,
is_finished."""

CONVERSATIONS = ("c1", "c2", "")
PEOPLE = st.lists(
    st.sampled_from(
        [
            *(_agent(state) for state in (None, "initializing", "listening", "speaking", "odd")),
            _agent("thinking", "agent-2"),
            Participant("avatar", "PA_w", "agent", True, {ON_BEHALF_ATTRIBUTE: "agent-1"}),
            Participant("visitor", "PA_v", "standard", True, {STATE_ATTRIBUTE: "listening"}),
        ]
    ),
    max_size=3,
).map(tuple)
STATES = st.sampled_from(["disconnected", "connecting", "connected", "reconnecting"])


class AnyOrder(RuleBasedStateMachine):
    """Any event at any time, also of other conversations, and a kill between any two."""

    pre_connect: bool
    timeout_s: float | None

    @initialize(
        pre_connect=st.booleans(),
        timeout_s=st.sampled_from([None, 20.0]),
        redispatch=st.booleans(),
    )
    def begin(self, pre_connect: bool, timeout_s: float | None, redispatch: bool) -> None:
        self.pre_connect, self.timeout_s = pre_connect, timeout_s
        self.redispatch = redispatch
        self.moving = self.departed = False
        self.gone = self.held = False
        self.armed = False
        self.recording = False
        self.pending = False
        self.is_there = self.has_word = False
        self.failure: AgentError | None = None
        self.now = 0.0
        self.machine = self.make(OFF)

    def make(self, standing: Standing | None) -> Machine:
        return Machine(
            pre_connect_audio=self.pre_connect,
            timeout_s=self.timeout_s,
            redispatch=self.redispatch,
            standing=standing,
        )

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case ArmTimer():
                    assert not self.armed, "armed twice"
                    self.armed = True
                case CancelTimer():
                    assert self.armed, "cancelled though not armed"
                    self.armed = False
                case StartRecorder():
                    assert self.machine.is_on
                case StopRecorder():
                    assert not self.machine.is_on
                case Join(delay_s=delay_s, elsewhere=True) if not self.gone:
                    assert self.machine.is_on
                    assert self.redispatch
                    assert not self.moving or self.held, "called twice"
                    assert 0.0 <= delay_s <= (GRACE_S if self.held else MAX_S)
                    self.moving = self.pending = True  # in place of a join that is under way
                    self.departed = self.held = False
                case Join(delay_s=delay_s, elsewhere=elsewhere):
                    assert self.machine.is_on
                    assert not self.pending or self.moving, "a join is under way"
                    assert 0.0 <= delay_s <= REJOIN_MAX_S
                    assert elsewhere == self.gone, "a move is forgotten, or not waited for"
                    self.held = self.moving and not self.gone
                    self.pending, self.departed, self.has_word = True, False, False
                case Stay():
                    assert self.moving
                    assert not self.gone
                    self.moving = self.pending = self.held = False
                case Leave():
                    self.pending = self.moving = self.departed = self.gone = self.held = False
                case Discard():
                    assert self.machine.agent.error == "timeout"

    @rule(conversation=st.sampled_from(CONVERSATIONS[:2]))
    def start(self, conversation: str) -> None:
        was_on = self.machine.is_on
        before = self.machine.standing
        effects = self.machine.start(conversation)
        if was_on:
            assert (effects, self.machine.standing) == ([], before)
        else:
            assert self.machine.error is None
            assert self.machine.connection_state == "connecting"
            wanted: list[Effect] = [StartRecorder(resume=False)] if self.pre_connect else [Join()]
            assert effects == wanted
        self.do(effects)

    @rule()
    def end(self) -> None:
        was_on = self.machine.is_on
        effects = self.machine.end()
        assert (Leave() in effects) == (StopRecorder() in effects) == was_on
        self.do(effects)
        assert not self.armed
        assert not self.machine.is_on

    @rule(conversation=st.sampled_from(CONVERSATIONS))
    def recorder_started(self, conversation: str) -> None:
        self.do(self.machine.recorder_started(conversation))

    @rule(conversation=st.sampled_from(CONVERSATIONS))
    def recorder_failed(self, conversation: str) -> None:
        self.do(self.machine.recorder_failed(conversation, "no device"))

    @rule(conversation=st.sampled_from(CONVERSATIONS), recording=st.booleans())
    def recorder_state(self, conversation: str, recording: bool) -> None:
        self.do(self.machine.recorder_state(conversation, recording=recording))

    @rule()
    def audio_went(self) -> None:
        self.machine.audio_went()
        assert not (self.machine.agent.life == "connecting" and self.machine.agent.can_listen)

    @rule()
    def audio_came(self) -> None:
        self.do(self.machine.audio_came())

    @precondition(lambda self: self.pending and not self.departed)
    @rule()
    def departs(self) -> None:
        """The delay of a join is over."""
        self.machine.departs(self.machine.conversation)
        self.departed, self.has_word = True, False
        self.gone = self.moving and not self.held

    @rule(chance=st.floats(0.0, 1.0))
    def answered_too_late(self, chance: float) -> None:
        """What belongs to another conversation changes nothing."""
        before = self.machine.standing
        assert self.machine.joined("c3", chance) == []
        assert self.machine.join_failed("c3", "no room", chance) == []
        assert self.machine.standing == before

    @precondition(lambda self: self.departed)
    @rule(chance=st.floats(0.0, 1.0))
    def joined(self, chance: float) -> None:
        self.pending = self.departed = False
        self.do(self.machine.joined(self.machine.conversation, chance))

    @precondition(lambda self: self.departed)
    @rule(chance=st.floats(0.0, 1.0), wedged=st.booleans())
    def join_failed(self, chance: float, wedged: bool) -> None:
        self.pending = self.departed = False
        if self.is_there and not wedged:
            self.moving = self.gone = self.held = False
        effects = self.machine.join_failed(
            self.machine.conversation, "no room", chance, wedged=wedged
        )
        self.do([effect for effect in effects if not (wedged and isinstance(effect, Leave))])

    @rule(
        conversation=st.sampled_from(CONVERSATIONS),
        state=STATES,
        people=PEOPLE,
        seconds=st.floats(0.0, 20.0),
        chance=st.floats(0.0, 1.0),
    )
    def room_changed(
        self,
        conversation: str,
        state: ConnectionState,
        people: tuple[Participant, ...],
        seconds: float,
        chance: float,
    ) -> None:
        self.now += seconds
        self.hear(RoomState(conversation, state, "room-1", "terminal", people), chance)

    def hear(self, room: RoomState, chance: float = 0.0) -> None:
        was_joining = self.pending
        was_connected = self.machine.connection_state == "connected"
        effects = self.machine.room_changed(room, chance, self.now)
        if self.machine.connection_state == "connected" and not was_connected and self.gone:
            self.moving = self.gone = False  # arrived
        ours = room.conversation == self.machine.conversation
        self.is_there = ours and room.connection_state != "disconnected"
        # What is said during a join may be of before it, unless it is that we are there.
        self.has_word = self.is_there or self.has_word or not was_joining
        self.do(effects)

    @rule()
    def room_went(self) -> None:
        self.is_there = False
        self.do(self.machine.room_went(self.now))
        assert self.machine.connection_state != "connected"

    @rule()
    def agent_timed_out(self) -> None:
        self.armed = False
        self.do(self.machine.agent_timed_out(0.0))

    @rule(kind=st.sampled_from(["sender", "receiver"]))
    def fail(self, kind: Any) -> None:
        self.machine.fail(kind, "broken")

    @rule()
    def dismiss_error(self) -> None:
        before = self.machine.standing
        self.machine.dismiss_error()
        assert self.machine.standing == msgspec.structs.replace(before, error=None)

    @rule(forgets=st.booleans())
    def killed(self, forgets: bool) -> None:
        standing = self.machine.standing
        self.pending = self.departed = self.is_there = self.has_word = False
        self.moving = self.gone = self.held = False
        if forgets:  # its file is gone too
            self.armed, self.failure = False, None
            self.machine = self.make(None)
            assert not self.machine.is_on
        else:
            self.machine = self.make(standing)
            assert self.machine.standing == standing
        self.do(self.machine.resume())

    @precondition(lambda self: self.machine.is_on)
    @rule()
    def once_more_connected(self) -> None:
        """Whatever has happened, a room that stands with an agent in it is a conversation."""
        self.hear(_room("connected", _agent("listening"), conversation=self.machine.conversation))
        assert self.machine.agent.is_connected
        assert self.machine.agent.error is None

    @invariant()
    def flags_are_those_of_the_table(self) -> None:
        view = self.machine.agent
        buffering = view.life == "connecting" and view.can_listen
        flags = (view.is_connected, view.can_listen, view.is_pending, view.is_finished)
        assert FLAGS[view.life, buffering, view.state] == flags
        assert (view.error is None) == (view.life != "failed")
        assert not buffering or self.pre_connect

    @invariant()
    def is_on_exactly_when_not_disconnected(self) -> None:
        machine = self.machine
        assert machine.is_on == (machine.connection_state != "disconnected")
        assert machine.is_on == machine.standing.is_on
        assert machine.is_on or machine.agent.life == "disconnected"

    @invariant()
    def nothing_hangs(self) -> None:
        """Not in the room, as far as is known, means that a join or a move is under way, or waits
        for the recorder, or for the room's first word.
        """
        may_join = self.machine.standing.stood or self.machine._may_join
        if self.machine.is_on and may_join and self.has_word:
            assert self.is_there or self.pending

    @invariant()
    def the_timer_is_armed_exactly_when_the_agent_is_waited_for(self) -> None:
        assert self.armed == self.machine.standing.waiting
        if self.armed:
            assert self.machine.is_on
            assert self.machine.standing.stood
            assert self.timeout_s is not None
            # In the room that one has moved to, the failure stays until an agent is there.
            assert self.machine.agent.error is None or self.redispatch

    @invariant()
    def failure_stays_until_an_agent_is_there_or_the_session_ends(self) -> None:
        view = self.machine.agent
        if self.failure is not None and view.error != self.failure:
            assert view.error is None
            assert view.life == "connected" or not self.machine.is_on
        self.failure = view.error


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)

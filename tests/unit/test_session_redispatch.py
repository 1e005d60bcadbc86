"""An agent that does not come, or was lost, is called again into another room."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import RoomState, SessionError
from actors.session.dispatch import GRACE_S, MAX_S, Redispatch
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
from actors.session.machine import Machine
from actors.session.standing import Standing
from tests.unit.test_session_machine import NOTHING, Talk, _agent, _room

pytestmark = pytest.mark.unit

ELSEWHERE = Join(GRACE_S, elsewhere=True)


def _talk() -> Talk:
    return Talk(redispatch=True)


def _lost(room: RoomState) -> RoomState:
    return msgspec.structs.replace(room, agent_lost=True)


def _move(talk: Talk) -> list[Effect]:
    """The delay is over, the old room is left, the new one stands; what that wants done."""
    talk.machine.departs("c1")
    assert talk.say(NOTHING) == []
    assert talk.room("connecting") == []
    effects = talk.room("connected")
    assert talk.machine.joined("c1", 0.0) == []
    return effects


# -- when ------------------------------------------------------------------------------------------


def test_one_that_does_not_come_is_called_again_and_the_failure_stays() -> None:
    talk = _talk()
    talk.connect()
    assert talk.machine.agent_timed_out(0.0) == [ELSEWHERE], "what was said is kept"
    assert talk.life() == ("failed", None, "timeout")
    assert _move(talk) == [ArmTimer(20.0)]
    assert talk.life() == ("failed", None, "timeout")
    assert talk.room("connected", _agent("listening")) == [CancelTimer()]
    assert talk.life() == ("connected", "listening", None)


def test_one_that_is_lost_is_called_again() -> None:
    talk = _talk()
    talk.connect(_agent("listening"))
    assert talk.say(_lost(_room("connected"))) == [ELSEWHERE]
    assert talk.life() == ("failed", None, "left")


def test_one_that_leaves_is_not() -> None:
    talk = _talk()
    talk.connect(_agent("listening"))
    assert talk.room("connected") == []
    assert talk.life() == ("failed", None, "left")


def test_one_that_is_gone_when_the_connection_is_back_was_lost() -> None:
    talk = _talk()
    talk.connect(_agent("listening"))
    talk.room("reconnecting")
    assert talk.room("connected") == [ELSEWHERE]


def test_a_server_that_came_back_without_workers_is_left_for_a_new_room() -> None:
    talk = _talk()
    talk.connect(_agent("listening"))
    (join,) = talk.say(RoomState("c1", "disconnected", error="gone", ended="lost"))
    assert join == Join(0.0)
    talk.room("connecting")
    assert talk.room("connected") == [ELSEWHERE]
    assert talk.machine.joined("c1", 0.0) == []
    assert _move(talk) == [ArmTimer(20.0)]


def test_switched_off_it_stays() -> None:
    talk = Talk(redispatch=False)
    talk.connect()
    assert talk.machine.agent_timed_out(0.0) == [Discard()]
    assert talk.say(_lost(_room("connected"))) == []


# -- while it has not gone ------------------------------------------------------------------------


def test_an_agent_that_is_back_in_time_is_stayed_with() -> None:
    talk = _talk()
    talk.connect(_agent("listening"))
    talk.say(_lost(_room("connected")))
    assert talk.room("connected", _agent("listening", "agent-2")) == [Stay()]
    assert talk.life() == ("connected", "listening", None)


def test_a_room_that_is_lost_after_staying_is_joined_again() -> None:
    """The move had taken the place of a join whose answer has never come."""
    talk = _talk()
    talk.connect(_agent("listening"))
    assert talk.machine.room_went(talk.now) == [Join()]
    assert talk.room("connected") == [ELSEWHERE]
    assert talk.room("connected", _agent("listening", "agent-2")) == [Stay()]
    assert talk.say(NOTHING) == [Join()]


def test_a_room_that_is_lost_while_a_move_waits_is_joined_again() -> None:
    """As after a server's restart: who moved at once would leave it, and the conversation, behind;
    and a room with a name of the operator's is only made anew when it has been closed, after 30 s.
    """
    talk = _talk()
    talk.connect(_agent("listening"))
    assert talk.say(_lost(_room("connected"))) == [ELSEWHERE]
    assert talk.machine.room_went(talk.now) == [Join()]
    talk.machine.departs("c1")
    talk.room("connecting")
    assert talk.room("connected", _agent("listening", "agent-2")) == [Stay()]
    assert talk.machine.joined("c1", 0.0) == []
    assert talk.life() == ("connected", "listening", None)
    assert not talk.machine.standing.moving


def test_without_an_agent_there_the_move_is_made_soon() -> None:
    talk = _talk()
    talk.connect()
    for _ in range(6):
        talk.machine.agent_timed_out(0.0)
        _move(talk)
    (join,) = talk.machine.agent_timed_out(0.0)
    assert isinstance(join, Join)
    assert join.delay_s > 10 * GRACE_S
    for _ in range(2):
        assert talk.machine.room_went(talk.now) == [Join()]
        assert talk.machine.standing.moving
        talk.machine.departs("c1")
        talk.room("connecting")
        assert talk.room("connected") == [ELSEWHERE]
    assert _move(talk) == [ArmTimer(20.0)]
    assert talk.machine.agent_timed_out(0.0) == [Join(MAX_S, elsewhere=True)]


def test_lost_again_on_the_way_it_is_still_the_old_room_that_is_joined() -> None:
    talk = _talk()
    talk.connect(_agent("listening"))
    talk.say(_lost(_room("connected")))
    assert talk.machine.room_went(talk.now) == [Join()]
    talk.machine.departs("c1")
    (join,) = talk.machine.join_failed("c1", "no server", 0.0)
    assert isinstance(join, Join)
    assert not join.elsewhere
    talk.room("connecting")
    assert talk.room("connected") == [ELSEWHERE]


def test_an_agent_seen_in_the_room_that_is_being_left_does_not_stop_the_move() -> None:
    talk = _talk()
    talk.connect(_agent("listening"))
    talk.say(_lost(_room("connected")))
    talk.machine.departs("c1")
    assert talk.room("connected", _agent("listening", "agent-2")) == []
    talk.say(NOTHING)
    talk.room("connecting")
    assert talk.room("connected") == [ArmTimer(20.0)]


def test_a_connection_that_is_lost_on_the_move_is_made_again_in_the_new_room() -> None:
    talk = _talk()
    talk.connect()
    talk.machine.agent_timed_out(0.0)
    talk.machine.departs("c1")
    talk.say(NOTHING)
    talk.room("connecting")
    assert talk.machine.joined("c1", 0.0) == []
    assert talk.machine.room_went(talk.now) == [Join(0.0, elsewhere=True)]


def test_the_end_of_the_session_ends_the_calling() -> None:
    talk = _talk()
    talk.connect()
    talk.machine.agent_timed_out(0.0)
    assert Leave() in talk.machine.end()
    assert not talk.machine.standing.moving


# -- when it comes to nothing ----------------------------------------------------------------------


def test_a_move_without_a_token_is_tried_again_later() -> None:
    talk = _talk()
    talk.connect()
    talk.machine.agent_timed_out(0.0)
    talk.machine.departs("c1")
    assert talk.machine.join_failed("c1", "no token", 0.0) == [Join(2 * GRACE_S, elsewhere=True)]


def test_calls_become_rarer_until_an_agent_takes_part() -> None:
    talk = _talk()
    talk.connect()
    delays = []
    for _ in range(9):
        (join,) = talk.machine.agent_timed_out(0.0)
        assert isinstance(join, Join)
        delays.append(join.delay_s)
        _move(talk)
    assert delays == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
    talk.room("connected", _agent("listening"))
    assert talk.say(_lost(_room("connected"))) == [ELSEWHERE]


def test_killed_on_the_way_it_goes_on() -> None:
    talk = _talk()
    talk.connect()
    talk.machine.agent_timed_out(0.0)
    standing = talk.machine.standing
    next_ = Machine(pre_connect_audio=True, timeout_s=20.0, standing=standing)
    assert next_.standing == standing
    assert next_.resume() == [StartRecorder(resume=True), ELSEWHERE]


@given(chance=st.floats(0.0, 1.0), calls=st.integers(1, 40))
def test_chance_takes_at_most_half_of_a_delay(chance: float, calls: int) -> None:
    dispatch = Redispatch(wanted=True)
    for number in range(calls):
        (join,) = dispatch.call(chance)
        assert isinstance(join, Join)
        full = min(GRACE_S * 2.0**number, MAX_S)
        assert full / 2 <= join.delay_s <= full
        dispatch.failed()


# -- ends made by others ---------------------------------------------------------------------------


def test_a_room_that_is_closed_ends_the_session_without_an_error() -> None:
    talk = _talk()
    talk.connect(_agent("listening"))
    effects = talk.say(
        RoomState("c1", "disconnected", error="the room was deleted", ended="closed")
    )
    assert effects == [StopRecorder(), Leave()]
    assert (talk.machine.is_on, talk.machine.error) == (False, None)


def test_one_of_the_same_identity_is_told_and_the_place_is_taken_back() -> None:
    talk = _talk()
    talk.connect(_agent("listening"))
    effects = talk.say(RoomState("c1", "disconnected", error="another", ended="replaced"))
    assert effects == [Join(0.0)]
    assert talk.machine.error == SessionError("connection", "another")


def test_the_state_of_what_is_kept_can_be_read_by_the_version_before() -> None:
    kept = msgspec.to_builtins(Standing("c1", is_on=True, moving=True))
    del kept["moving"]
    assert msgspec.convert(kept, Standing) == Standing("c1", is_on=True)


def test_a_join_that_a_move_has_taken_the_place_of_is_not_waited_for() -> None:
    """Nobody will answer it: were it, a room that is lost later would never be joined again."""
    machine = Machine(pre_connect_audio=False, timeout_s=20.0)
    machine.start("c1")
    machine.room_changed(_room("connected"), 0.0, 0.0)  # ahead of the answer to our order
    assert machine.agent_timed_out(0.0) == [ELSEWHERE]
    assert machine.room_changed(_room("connected", _agent("listening")), 0.0, 1.0) == [Stay()]
    assert machine.room_went(2.0) == [Join()]

"""The session's state machine. Pure: events in, effects out; time and chance are arguments.

Its law is the Agent API as LiveKit's SDKs behave; the terminal adds that a connection that stood
is made again for ever, in the same room under the same identity, and that the machine itself may
end at any moment and go on in another process, from its :class:`~.standing.Standing`.

What others are seen to do decides, not what they were asked: whoever was killed has forgotten it.
"""

import msgspec

from actors.messages import (
    AgentView,
    ConnectionState,
    ErrorKind,
    RoomState,
    SessionError,
)

from .agent import find_agent, is_conversing, view_of
from .dispatch import Redispatch
from .effects import Discard, Effect, Join, Leave, StartRecorder, StopRecorder
from .standing import Standing
from .watch import AgentWatch

REJOIN_INITIAL_S = 0.1
REJOIN_MAX_S = 15.0
"""Between attempts when the server is gone: it is not asked more often than that."""
STABLE_S = 10.0
"""A connection that stood so long was a good one: after it the next attempt counts as the first.
Two terminals under one identity throw each other out, and must not do so as fast as they can."""


def rejoin_delay(attempt: int, chance: float) -> float:
    """Seconds before the ``attempt``-th rejoin in a row (from 0), up to half of it by chance."""
    full = min(REJOIN_INITIAL_S * 2.0 ** min(attempt, 32), REJOIN_MAX_S) if attempt else 0.0
    return full * (1.0 - 0.5 * chance)


class Machine:
    """One session. ``timeout_s`` None: the agent is waited for without end. ``redispatch``: one
    that does not come or is lost is called again, into another room.

    ``standing``: of the process before this one; None: it is not known what that did, and a room
    that is joined is taken over.
    """

    def __init__(
        self,
        *,
        pre_connect_audio: bool,
        timeout_s: float | None,
        redispatch: bool = True,
        standing: Standing | None = None,
    ) -> None:
        self._pre_connect = pre_connect_audio
        self._dispatch = Redispatch(wanted=redispatch)
        self._timeout_s = timeout_s
        self._is_unknown = standing is None
        self._recall(standing or Standing())

    def _recall(self, standing: Standing) -> None:
        self.conversation = standing.conversation
        self.error = standing.error
        self._stood = standing.stood
        self._watch = AgentWatch(
            self._timeout_s,
            had_agent=standing.had_agent,
            is_waiting=standing.waiting,
            failure=standing.failure,
        )
        self.connection_state: ConnectionState = "disconnected"
        if standing.is_on:
            self.connection_state = self._pending
        self._dispatch.end()
        self._is_abandoned = standing.moving
        self._is_recalled = standing.is_on
        self._room = RoomState(self.conversation, "disconnected")
        self._is_there = self._was_there = self._heard_of_room = False
        self._is_joining = False
        self._may_join = standing.is_on and (self._stood or not self._pre_connect)
        self._is_recording = self._is_starting = False
        self._audio_records = False
        self._attempts = 0
        self._connected_at = 0.0

    # -- what is seen ----------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """``is_connected`` of the Agent API: connecting, connected or reconnecting."""
        return self.connection_state != "disconnected"

    @property
    def room(self) -> RoomState:
        """The last snapshot of the room of this conversation."""
        return self._room

    @property
    def agent(self) -> AgentView:
        """The agent's snapshot."""
        return view_of(
            self._room.participants,
            on=self.is_on,
            buffering=self._pre_connect and self._is_recording,
            failure=self._watch.failure,
        )

    @property
    def stays(self) -> bool:
        """What is joined next is the room that was, although its agent is gone: it may be back."""
        return self._dispatch.is_held

    @property
    def standing(self) -> Standing:
        """To be kept where it outlives this process, before any effect is carried out."""
        return Standing(
            self.conversation,
            self.is_on,
            self._stood,
            self._watch.had_agent,
            self._watch.is_waiting,
            self._watch.failure,
            self.error,
            self._dispatch.is_moving or self._is_abandoned,
        )

    # -- orders ----------------------------------------------------------------------------------

    def start(self, conversation: str) -> list[Effect]:
        """Begin; nothing when one is on."""
        if self.is_on:
            return []
        self._begin(conversation)
        if self._pre_connect:
            return self._record(resume=False)
        self._may_join = True
        return self._join()

    def resume(self) -> list[Effect]:
        """The first thing that a new process does: go on with what stands."""
        if not self.is_on:
            return []
        effects: list[Effect] = self._record(resume=True) if self._should_record else []
        if self._watch.failure == "timeout" and not self._dispatch.is_wanted:
            effects.append(Discard())
        if self._is_abandoned:
            self._is_abandoned = False
            effects += self._call_agent(0.0)
        return effects

    def end(self) -> list[Effect]:
        """End; nothing when none is on."""
        self._is_unknown = False
        return self._disconnect() if self.is_on else []

    def dismiss_error(self) -> None:
        """Clear the session's error, never the agent's failure."""
        self.error = None

    def fail(self, kind: ErrorKind, reason: str) -> None:
        """Note an error of a sender or receiver; the session goes on."""
        if self.is_on:
            self.error = SessionError(kind, reason)

    def forfeit(self, reason: str) -> None:
        """Note what of a conversation will not be sent; it may be over, which is the reason."""
        self.error = SessionError("sender", reason)

    # -- the recorder ----------------------------------------------------------------------------

    def recorder_started(self, conversation: str) -> list[Effect]:
        """Samples really arrive."""
        if not self._about(conversation):
            return []
        self._is_starting, self._is_recording = False, True
        if self._may_join:
            return []
        self._may_join = True
        if self._is_there or (self._is_recalled and not self._heard_of_room):
            return []  # the room's next word says whether there is anything to do
        return self._join()

    def recorder_failed(self, conversation: str, reason: str) -> list[Effect]:
        """There is no microphone to be had: with pre-connect audio there is no session."""
        if not self._about(conversation):
            return []
        self._is_starting = False
        self._is_recording = self._audio_records  # a slow microphone's first samples are waited for
        self.error = SessionError("media", reason)
        return self._disconnect() if self._pre_connect and not self._stood else []

    def recorder_state(self, conversation: str, *, recording: bool) -> list[Effect]:
        """Audio's own snapshot: what the recorder runs for, if it does."""
        self._audio_records = recording
        if not self.is_on:
            return [StopRecorder()] if recording and not self._is_unknown else []
        was_recording = self._is_recording
        self._is_recording = recording and conversation == self.conversation
        if was_recording and not self._is_recording and not self._is_starting:
            return self._record(resume=True)
        return []

    def audio_went(self) -> None:
        """The audio process has died; it will be back, and goes on with its tape by itself."""
        self._is_recording = self._audio_records = False

    def audio_came(self) -> list[Effect]:
        """The audio process is there (again)."""
        if self.is_on and self._should_record and not (self._is_recording or self._is_starting):
            return self._record(resume=True)
        return []

    # -- the room --------------------------------------------------------------------------------

    def departs(self, conversation: str) -> None:
        """The delay of a join is over; if it is a move, what ends now is the room before."""
        if self._about(conversation):
            self._is_joining, self._was_there = True, False
            self._dispatch.departed()

    def joined(self, conversation: str, chance: float) -> list[Effect]:
        """The room has answered; its snapshots say how it stands, before that or after."""
        if not self._about(conversation):
            return []
        self._is_joining = False
        return self._rejoin(chance) if self._was_there and not self._is_there else []

    def join_failed(
        self, conversation: str, reason: str, chance: float, *, wedged: bool = False
    ) -> list[Effect]:
        """No token, or no room. The first time it ends the session, later it is tried again.

        ``wedged``: the room has not answered, and only a new process of it can do better.
        """
        if not self._about(conversation):
            return []
        self._is_joining = False
        if self._is_there and not wedged:
            if not self._dispatch.is_moving:
                return []  # it was asked for once too often
            self._dispatch.failed()
            return self._call_agent(chance)
        if not self._stood:
            self.error = SessionError("connection", reason)
            return self._disconnect()
        return [*([Leave()] if wedged else []), *self._rejoin(chance)]

    def room_changed(self, room: RoomState, chance: float, now: float) -> list[Effect]:
        """A snapshot of the room. ``now``: monotonic seconds."""
        self._heard_of_room = True
        if not self.is_on:
            return self._while_off(room)
        if room.conversation != self.conversation:
            self._is_there = False
            return self._rejoin(chance)
        match room.connection_state:
            case "connected":
                return self._connected(room, chance, now)
            case "disconnected" if room.ended == "closed":
                return self._disconnect()  # an agent hangs up by closing the room
            case "disconnected":
                if room.ended == "replaced":
                    self.error = SessionError("connection", room.error)
                self._lose(now)
                self._keep_agent(room)
                return self._rejoin(chance)
            case "reconnecting":
                self._stood = self._may_join = True
        self._is_there = self._was_there = True
        self.connection_state = self._pending
        self._keep_agent(room)
        return []

    def room_went(self, now: float) -> list[Effect]:
        """The room's process has died; it will be back, and a token can be fetched meanwhile."""
        if not self.is_on:
            return []
        self._lose(now)
        self.connection_state = self._pending
        return self._join() if self._may_join and not self._is_joining else []

    def agent_timed_out(self, chance: float) -> list[Effect]:
        """The armed timer has fired."""
        if not self._watch.timed_out(self._room.participants):
            return []
        # What was said is kept for the one that is called next.
        return self._call_agent(chance) if self._dispatch.is_wanted else [Discard()]

    # -- inside ----------------------------------------------------------------------------------

    def _about(self, conversation: str) -> bool:
        return self.is_on and conversation == self.conversation

    @property
    def _pending(self) -> ConnectionState:
        return "reconnecting" if self._stood else "connecting"

    @property
    def _should_record(self) -> bool:
        return self._stood or self._pre_connect

    def _begin(self, conversation: str) -> None:
        self._is_unknown = False
        self._recall(Standing(conversation, is_on=True))
        self._is_recalled = self._may_join = False

    def _record(self, *, resume: bool) -> list[Effect]:
        self._is_starting = True
        return [StartRecorder(resume)]

    def _join(self, delay_s: float = 0.0) -> list[Effect]:
        self._is_joining, self._was_there = True, False
        self._dispatch.joins()
        return [Join(delay_s, elsewhere=self._dispatch.has_departed)]

    def _rejoin(self, chance: float) -> list[Effect]:
        """The room has nothing of ours: join, unless that is under way or not yet its time."""
        self.connection_state = self._pending
        if self._is_joining or not self._may_join:
            return []
        delay = rejoin_delay(self._attempts, chance)
        self._attempts += 1
        return self._join(delay)

    def _lose(self, now: float) -> None:
        if self._is_there and now - self._connected_at >= STABLE_S:
            self._attempts = 0
        self._is_there = False

    def _disconnect(self) -> list[Effect]:
        effects = self._watch.stop_waiting()
        self._recall(Standing(self.conversation, error=self.error))
        return [*effects, StopRecorder(), Leave()]

    def _while_off(self, room: RoomState) -> list[Effect]:
        """A room that is joined for nobody is one that a killed process had no time to leave."""
        is_joined = room.conversation != "" and room.connection_state != "disconnected"
        if not self._is_unknown:
            return [Leave()] if is_joined else []
        self._is_unknown = False
        if not is_joined:
            return [StopRecorder()] if self._audio_records else []
        return self._take_over(room)

    def _take_over(self, room: RoomState) -> list[Effect]:
        self._begin(room.conversation)
        self._is_recalled = self._heard_of_room = self._may_join = True
        record = self._record(resume=True) if self._pre_connect else []
        return record + self.room_changed(room, 0.0, 0.0)

    def _keep_agent(self, room: RoomState) -> None:
        """Until the connection stands again, the agent is as it was last seen."""
        self._room = msgspec.structs.replace(
            room,
            room_name=room.room_name or self._room.room_name,
            identity=room.identity or self._room.identity,
            participants=room.participants or self._room.participants,
        )

    def _connected(self, room: RoomState, chance: float, now: float) -> list[Effect]:
        first, self._stood = not self._stood, True
        self._may_join = True
        is_new = self.connection_state != "connected"
        if is_new:
            self._connected_at = now
        self.connection_state = "connected"
        self._is_there = self._was_there = True
        self._room = room
        effects: list[Effect] = []
        if first and not self._pre_connect:
            effects += self._record(resume=True)
        if arrived := is_new and self._dispatch.arrived():
            self._watch.had_agent = False  # in this room there was none
        if first or arrived:
            effects += self._watch.expect(room.participants)
        return [*effects, *self._look_for_agent(room, chance, is_new=is_new)]

    def _look_for_agent(self, room: RoomState, chance: float, *, is_new: bool) -> list[Effect]:
        had_agent = self._watch.had_agent
        effects = self._watch.look(room.participants)
        if (agent := find_agent(room.participants)) is None:
            # One that is gone when we come back was lost as we were; who is seen to leave wants to.
            is_lost = had_agent and (is_new or room.agent_lost)
            is_due = is_lost or (is_new and self._dispatch.is_held)
            return effects + (self._call_agent(chance) if is_due else [])
        if is_conversing(agent):
            self._dispatch.agent_takes_part()
        return effects + self._instead_of_a_join(self._dispatch.agent_is_there())

    def _call_agent(self, chance: float) -> list[Effect]:
        return self._instead_of_a_join(self._dispatch.call(chance))

    def _instead_of_a_join(self, effects: list[Effect]) -> list[Effect]:
        """A move, or to stay: either ends the join that is under way, whose answer never comes."""
        if effects:
            self._is_joining = False
        return effects

"""The session's wishes as they are carried out, one after the other."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from actors.messages import (
    ConnectionState,
    Done,
    JoinRoom,
    LeaveRoom,
    Message,
    RoomState,
    SetEncryption,
    SetMuted,
    TokenOptions,
    TokenResponse,
)
from actors.runtime.errors import NoAnswer, OrderFailed, Unreachable
from actors.session.admission import Admission
from actors.session.cipher import Cipher
from actors.session.dispatch import GRACE_S
from actors.session.effects import Effect, Join, Leave, Stay
from actors.session.machine import Machine
from actors.session.occupancy import CLOSED_S, Occupancy, Occupied
from actors.session.work import ROOM, ROOM_CLOSED_S, Work
from actors.settings import Settings
from actors.settings.model import LiveKit
from tests.unit.test_session_machine import _agent
from tests.virtual_loop import run

pytestmark = pytest.mark.unit


class Scripted:
    """A session process that notes what is asked, and a token source; its room does as it is told.

    ``room_name``: the operator's.
    """

    def __init__(
        self,
        room_name: str = "",
        occupied: Occupied | None = None,
        cipher: Cipher | None = None,
    ) -> None:
        self.settings = Settings(livekit=LiveKit(room_name=room_name))
        self.machine = Machine(pre_connect_audio=False, timeout_s=None)
        self.machine.start("c1")
        self.asked: list[Message] = []
        self.asked_at: list[float] = []
        self.hangs: set[type[Message]] = set()
        self.occupancy = Occupancy(occupied)
        self.remembered = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.cipher = cipher or Cipher(has_key=False, enabled=False)
        self.admission = Admission(self.settings, self, "terminal", self.cipher)
        self.work = Work(self, self.machine, self.admission, self.occupancy)

    async def ask(self, to: str, message: Message, timeout_s: float) -> Message:
        self.asked.append(message)
        self.asked_at.append(asyncio.get_running_loop().time())
        if type(message) in self.hangs:
            raise NoAnswer(to, timeout_s)
        match message:
            case JoinRoom(conversation=conversation, room_name=name, microphone=microphone):
                self.room("connected", conversation, name, sid="TR_1" if microphone else "")
            case LeaveRoom():
                self.room("disconnected")
        return Done()

    def room(
        self, state: ConnectionState, conversation: str = "", name: str = "", sid: str = ""
    ) -> None:
        """It says how it is."""
        room = RoomState(conversation, state, name, microphone_sid=sid)
        self.occupancy.room_changed(room, time.time())

    def remember_soon(self) -> None:
        self.remembered += 1

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        return task

    def do(self, effects: list[Effect]) -> None:
        self.work.queue(effects)

    async def fetch(self, request: TokenOptions) -> TokenResponse:
        return TokenResponse("ws://127.0.0.1:1", "token")

    async def carry_out(self, *effects: Effect) -> None:
        """All of them, and what they have begun, in a new conversation."""
        self.work.begin()
        await self.carry_out_now(*effects)

    async def carry_out_now(self, *effects: Effect) -> None:
        """The same in this one."""
        self.work.queue(effects)
        running = asyncio.create_task(self.work.run())
        await self.work.done()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("effects", "joins"),
    [
        ([Join()], 1),
        ([Join(elsewhere=True)], 1),
        ([Join(60.0, elsewhere=True), Stay()], 0),
        ([Join(), Stay()], 1),
        ([Join(60.0, elsewhere=True), Join()], 1),
        ([Join(60.0), Join(60.0, elsewhere=True), Stay()], 0),
    ],
    ids=["join", "move", "move and stay", "a join is kept", "join instead of move", "all at once"],
)
def test_to_stay_takes_back_a_move_whose_delay_is_not_over(
    effects: list[Effect], joins: int
) -> None:
    async def scenario() -> None:
        scripted = Scripted()
        await scripted.carry_out(*effects)
        assert [type(order) for order in scripted.asked] == [JoinRoom] * joins

    asyncio.run(scenario())


@pytest.mark.parametrize("lost", [False, True], ids=["it left", "it was lost"])
def test_a_room_whose_agent_is_gone_is_joined_again_only_if_it_may_be_back(lost: bool) -> None:
    async def scenario() -> None:
        scripted = Scripted()
        machine = scripted.machine
        for people in ((_agent("listening"),), ()):
            room = RoomState("c1", "connected", "room-1", "terminal", people)
            machine.room_changed(msgspec.structs.replace(room, agent_lost=lost), 0.0, 0.0)
        assert machine.joined("c1", 0.0) == []
        assert machine.agent.error == "left"
        scripted.work.begin()
        before = scripted.admission.room_name
        await scripted.carry_out_now(*machine.room_went(1.0))
        (order,) = scripted.asked
        assert isinstance(order, JoinRoom)
        assert (order.room_name == before) is lost

    asyncio.run(scenario())


# -- a room with a name of the operator's ----------------------------------------------------------

LOBBY = "lobby"


def _joins(scripted: Scripted) -> list[tuple[str, bool] | str]:
    """What the room was asked: for which conversation to join, with a microphone or not, or to
    leave.
    """
    return [
        (order.conversation, order.microphone) if isinstance(order, JoinRoom) else "leave"
        for order in scripted.asked
        if isinstance(order, JoinRoom | LeaveRoom)
    ]


def test_a_room_that_was_left_is_joined_at_once_by_the_next_conversation() -> None:
    async def scenario() -> None:
        scripted = Scripted(LOBBY)
        scripted.room("connected", "c0", LOBBY, sid="TR_1")
        await scripted.carry_out(Leave())
        assert scripted.remembered
        await scripted.carry_out(Join())
        assert _joins(scripted) == ["leave", ("c1", True)]
        assert scripted.asked_at[0] == scripted.asked_at[-1]

    run(scenario())


@pytest.mark.parametrize("why", ["outage", "no process", "a new process", "hangs", "no time"])
def test_a_room_that_could_not_be_left_is_left_before_the_next_conversation(why: str) -> None:
    async def scenario() -> None:
        scripted = Scripted(LOBBY)
        scripted.room("connected", "c0", LOBBY, sid="TR_1")
        match why:
            case "outage":
                scripted.room("reconnecting", "c0", LOBBY, sid="TR_1")
            case "no process":
                scripted.work.peer(ROOM, up=False)
            case "a new process":
                scripted.occupancy.room_went()
            case "hangs":
                scripted.hangs.add(LeaveRoom)
        if why != "no time":
            await scripted.carry_out(Leave())
        scripted.work.peer(ROOM, up=True)
        scripted.hangs.clear()
        scripted.asked.clear()
        scripted.asked_at.clear()
        await scripted.carry_out(Join())
        assert _joins(scripted) == [("c0", False), "leave", ("c1", True)]
        joined, left, again = scripted.asked_at
        assert left - joined == GRACE_S, "its agent may have lost the same server"
        assert again - left == ROOM_CLOSED_S
        await scripted.carry_out(Join())
        assert _joins(scripted)[3:] == [("c1", True)], "it is its own"

    run(scenario())


def test_a_room_whose_process_dies_while_it_is_left_is_left_again() -> None:
    async def scenario() -> None:
        occupied = Occupied("c0", LOBBY, time.time())
        scripted = Scripted(LOBBY, occupied)
        asyncio.get_running_loop().call_later(GRACE_S / 2, scripted.occupancy.room_went)
        await scripted.carry_out(Join())
        assert _joins(scripted) == [*[("c0", False), "leave"] * 2, ("c1", True)]

    run(scenario())


def test_a_conversation_that_ends_before_the_room_was_left_leaves_it_to_the_next() -> None:
    async def scenario() -> None:
        occupied = Occupied("c0", LOBBY, time.time())
        scripted = Scripted(LOBBY, occupied)
        running = asyncio.create_task(scripted.work.run())
        scripted.work.begin()
        scripted.work.queue([Join()])
        await asyncio.sleep(GRACE_S / 2)
        scripted.work.queue([Leave()])
        await scripted.work.done()
        running.cancel()
        assert _joins(scripted) == [("c0", False), "leave"]
        assert scripted.occupancy.occupied == occupied
        scripted.asked.clear()
        await scripted.carry_out(Join())
        assert _joins(scripted) == [("c0", False), "leave", ("c1", True)]

    run(scenario())


@pytest.mark.parametrize(
    ("occupied", "room_name"),
    [
        (Occupied("c0", LOBBY, time.time()), ""),
        (Occupied("c0", LOBBY, time.time()), "another"),
        (Occupied("c0", LOBBY, time.time() - CLOSED_S - 60.0), LOBBY),
        (Occupied("c1", LOBBY, time.time()), LOBBY),
        (None, LOBBY),
    ],
    ids=["a new one each time", "another", "long closed", "its own", "none"],
)
def test_any_other_room_is_joined_at_once(occupied: Occupied | None, room_name: str) -> None:
    async def scenario() -> None:
        scripted = Scripted(room_name, occupied)
        await scripted.carry_out(Join())
        assert _joins(scripted) == [("c1", True)]

    run(scenario())


def test_a_room_that_somebody_has_closed_need_not_be_left() -> None:
    async def scenario() -> None:
        scripted = Scripted(LOBBY)
        scripted.room("connected", "c0", LOBBY, sid="TR_1")
        closed = RoomState("c0", "disconnected", ended="closed")
        scripted.occupancy.room_changed(closed, time.time())
        await scripted.carry_out(Leave(), Join())
        assert _joins(scripted) == ["leave", ("c1", True)]

    run(scenario())


@pytest.mark.parametrize("in_doubt", [True, False])
def test_encryption_that_the_room_refuses_to_switch_is_as_it_was(in_doubt: bool) -> None:
    class Refusing(Scripted):
        async def ask(self, to: str, message: Message, timeout_s: float) -> Message:
            raise OrderFailed("overloaded", "the room has too much to do", in_doubt=in_doubt)

    async def scenario() -> None:
        scripted = Refusing(cipher=Cipher(has_key=True, enabled=True))
        with pytest.raises(OrderFailed):
            await scripted.work.encrypt(SetEncryption(False))
        assert scripted.cipher.enabled is not in_doubt

    asyncio.run(scenario())


def test_what_audio_has_died_over_is_in_doubt_though_the_next_one_refuses() -> None:
    class Dying(Scripted):
        async def ask(self, to: str, message: Message, timeout_s: float) -> Message:
            await super().ask(to, message, timeout_s)
            if len(self.asked) == 1:
                raise Unreachable(to, in_doubt=True)
            raise OrderFailed("media", "the device is gone")

    async def scenario() -> None:
        with pytest.raises(OrderFailed, match="the device is gone") as failed:
            await Dying().work.mute(SetMuted(False))
        assert failed.value.in_doubt

    asyncio.run(scenario())

"""The machine's wishes carried out, one after the other: asking audio and room, fetching tokens."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol

import msgspec

from actors.messages import (
    DiscardBuffer,
    JoinRoom,
    LeaveRoom,
    Message,
    SetEncryption,
    SetMuted,
    StartRecording,
    StopRecording,
)
from actors.runtime.errors import NoAnswer, OrderFailed, Unreachable

from .admission import Admission
from .dispatch import GRACE_S
from .effects import (
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
from .machine import Machine
from .occupancy import Occupancy
from .tokens import TokenError

log = logging.getLogger(__name__)

ROOM, AUDIO = "room", "audio"
JOIN_S = 20.0
"""A connect that takes longer is taken for wedged; the SDK itself tries for about 15 s."""
LEAVE_S = 8.0
"""Longer than the room gives the SDK."""
RECORDER_S = 3.0
ORDER_S = 5.0
MUTE_S = 12.0
"""Longer than audio waits between two tries to start; whoever mutes waits longer."""
ROOM_CLOSED_S = 30.0
"""An empty room is closed by LiveKit's server after its departure timeout, 20 s by default."""
AGAIN_S = 0.05
"""Between asking a process that has just died and asking again; it is back within about this."""


class Session(Protocol):
    """What is needed of the session's process."""

    async def ask(self, to: str, message: Message, timeout_s: float) -> Message:
        """As of an actor."""

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """As of an actor."""

    def do(self, effects: list[Effect]) -> None:
        """The machine has moved."""

    def remember_soon(self) -> None:
        """Write down how things stand, when there is time."""


class Work:
    """Of one session process.

    That a process has died is no answer: it is asked again until it is back, or time is up.
    """

    def __init__(
        self, session: Session, machine: Machine, admission: Admission, occupancy: Occupancy
    ) -> None:
        self._session = session
        self._machine = machine
        self._admission = admission
        self._occupancy = occupancy
        self._queue: asyncio.Queue[Effect | asyncio.Future[None]] = asyncio.Queue()
        self._joining: asyncio.Task[None] | None = None
        self._is_back = {ROOM: asyncio.Event(), AUDIO: asyncio.Event()}
        self._down: set[str] = set()
        self._may_stay = False
        self._woken = False
        self.refusal: OrderFailed | None = None
        """Why the recorder of this conversation could not be started."""

    def begin(self, *, woken: bool = False) -> None:
        """A new conversation. ``woken``: with what was said since shortly before audio said so."""
        self.refusal = None
        self._woken = woken
        self._admission.begin()

    async def prepare(self) -> None:
        """Fetch the token of the next conversation."""
        if not self._machine.is_on:
            await self._admission.prepare()

    def queue(self, effects: Iterable[Effect]) -> None:
        """Carry these out when those before them are."""
        for effect in effects:
            if not isinstance(effect, ArmTimer | CancelTimer):  # the session's own
                self._queue.put_nowait(effect)

    async def encrypt(self, order: SetEncryption) -> None:
        """On or off; raises ``OrderFailed``. A room that is not there just now is told when it
        joins; what it refuses is not done at the next join either.
        """
        cipher = self._admission.cipher
        before = cipher.enabled
        cipher.set(enabled=order.enabled)
        if not self._machine.is_on:
            return
        try:
            await self._session.ask(ROOM, order, ORDER_S)
        except Unreachable:
            return
        except OrderFailed as failed:
            if not failed.in_doubt:
                cipher.set(enabled=before)
            raise

    async def done(self) -> None:
        """Return when all that is queued by now is carried out (a join: is under way)."""
        marker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(marker)
        await marker

    async def run(self) -> None:
        """Runs for the life of the process."""
        while True:
            match await self._queue.get():
                case StartRecorder(resume=resume):
                    await self._start_recorder(resume=resume)
                case Join(delay_s=delay_s, elsewhere=elsewhere):
                    self._cancel_join()
                    self._may_stay = elsewhere
                    self._joining = self._session.spawn(self._join(delay_s, elsewhere), "join")
                case Stay() if self._may_stay:
                    self._cancel_join()
                case Leave():
                    self._cancel_join()
                    await self._leave()
                case Discard():
                    await self._order(ROOM, DiscardBuffer())
                case StopRecorder():
                    await self._order(AUDIO, StopRecording())
                case asyncio.Future() as marker if not marker.done():
                    marker.set_result(None)

    def peer(self, name: str, *, up: bool) -> None:
        """A process has died or is back."""
        if not up:
            self._down.add(name)
            return
        self._down.discard(name)
        if name in self._is_back:
            self._is_back[name].set()

    async def mute(self, order: SetMuted) -> None:
        """Pass it on, also if audio is just being restarted. Raises ``OrderFailed``."""
        await self._insist(AUDIO, order, MUTE_S)

    # -- inside ----------------------------------------------------------------------------------

    async def _order(self, to: str, order: Message, timeout_s: float = ORDER_S) -> bool:
        """Something is to end; False when it was not carried out. Whoever is dead has ended it, or
        will show that he has not.
        """
        if to in self._down:
            return False
        try:
            await self._session.ask(to, order, timeout_s)
        except OrderFailed as failed:
            log.warning("order not carried out", extra={"to": to, "code": failed.code})
            return False
        return True

    async def _leave(self) -> None:
        is_noticed = self._occupancy.is_noticed
        if await self._order(ROOM, LeaveRoom(), LEAVE_S) and is_noticed:
            self._occupancy.occupied = None
            self._session.remember_soon()

    async def _start_recorder(self, *, resume: bool) -> None:
        conversation = self._machine.conversation
        try:
            order = StartRecording(conversation, resume, self._woken)
            self._woken = False
            await self._insist(AUDIO, order, RECORDER_S)
        except OrderFailed as failed:
            self.refusal = OrderFailed("media", failed.reason, failed.remedy)
            self._session.do(self._machine.recorder_failed(conversation, failed.reason))
        else:
            self._session.do(self._machine.recorder_started(conversation))

    async def _join(self, delay_s: float, elsewhere: bool) -> None:
        conversation, chance = self._machine.conversation, random.random()  # noqa: S311
        await asyncio.sleep(delay_s)
        self._may_stay = False
        self._machine.departs(conversation)
        leaving = self._admission.room_name if elsewhere else ""
        if elsewhere:
            log.info("no agent here: on to a new room")
        if elsewhere or (self._machine.agent.error == "left" and not self._machine.stays):
            self._admission.take_new_room()
        try:
            order = await self._order_to_join(conversation, leaving)
            await self._insist(ROOM, order, JOIN_S)
            if order.encrypted != self._admission.cipher.enabled:  # switched while it was joining
                await self._order(ROOM, SetEncryption(self._admission.cipher.enabled))
        except (TokenError, OrderFailed) as error:
            self._admission.failed(error)
            log.warning("join failed", extra={"cause": type(error).__name__})
            wedged = isinstance(error, NoAnswer)
            self._session.do(
                self._machine.join_failed(conversation, str(error), chance, wedged=wedged)
            )
        else:
            self._session.do(self._machine.joined(conversation, chance))

    async def _order_to_join(self, conversation: str, leaving: str) -> JoinRoom:
        """``leaving``: the room that is to be left for another. One with a name of the operator's,
        or of the token source's, is only made anew when it has been closed.
        """
        order = None
        if not leaving or self._admission.room_name != leaving:
            order = await self._admission.order(conversation)
        if order is None or order.room_name == leaving:
            await self._order(ROOM, LeaveRoom(), LEAVE_S)
        elif before := self._occupancy.of_another(conversation, order.room_name, time.time()):
            await self._leave_for(before.conversation, order)
        else:
            return order
        await asyncio.sleep(ROOM_CLOSED_S)
        return await self._admission.order(conversation)

    async def _leave_for(self, conversation: str, order: JoinRoom) -> None:
        """Join once more for a conversation that is over, without a sound, and leave: that its
        agent takes for the end. One that has lost the same server is waited for. Raises
        ``OrderFailed``.
        """
        log.warning("the room of the last conversation was not left: leaving it now")
        order = msgspec.structs.replace(
            order, conversation=conversation, microphone=False, preconnect=False
        )
        while True:
            await self._insist(ROOM, order, JOIN_S)
            await asyncio.sleep(GRACE_S)
            stands = self._occupancy.stands(conversation)
            if await self._order(ROOM, LeaveRoom(), LEAVE_S) and stands:
                return

    async def _insist(self, to: str, order: Message, within_s: float) -> None:
        """Ask, and ask again while nobody is there or it is busy ending, and when it is back: what
        a dead process was asked just before that was known is lost. Raises ``OrderFailed``, in
        doubt if any of them may have done it.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + within_s
        is_back = self._is_back[to]
        in_doubt = False
        while True:
            is_back.clear()
            try:
                if await _first(
                    self._session.ask(to, order, max(AGAIN_S, give_up - loop.time())), is_back
                ):
                    return
                in_doubt = True
            except OrderFailed as failed:
                in_doubt = failed.in_doubt = failed.in_doubt or in_doubt
                passes = isinstance(failed, Unreachable) or failed.code == "busy"
                if not passes or loop.time() > give_up:
                    raise
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_S):
                        await is_back.wait()

    def _cancel_join(self) -> None:
        if self._joining is not None:
            self._joining.cancel()
            self._joining = None


async def _first(asking: Coroutine[Any, Any, Message], event: asyncio.Event) -> bool:
    """Wait for the answer, unless the event comes first; raises what the asking does."""
    answer, waiting = asyncio.ensure_future(asking), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({answer, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            return False
        answer.result()
        return True
    finally:
        waiting.cancel()
        answer.cancel()
        await asyncio.gather(answer, waiting, return_exceptions=True)

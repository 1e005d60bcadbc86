"""The practice room's connection: joins, says that it is there, notices a loss, joins again."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable

from actors.messages import (
    ConnectionState,
    Message,
    PracticeBeat,
    PracticeClosed,
    PracticeJoin,
    PracticeJoined,
    PracticeLeave,
    RoomEnd,
)
from actors.messages.codec import CorruptMessage, decode, encode
from actors.runtime.bus import Bus, Lane
from actors.runtime.corrupt import CorruptFrames

from . import reasons
from .backend import RoomError
from .practice_token import Place

log = logging.getLogger(__name__)

LANE = "practice"
CONNECT_TIMEOUT_S = 5.0
"""A parrot that has crashed is back within a second."""
BEAT_S = 0.25
LOST_S = 1.5
"""Without a sign of life: six beats, of which a busy machine may swallow a few."""
RECONNECT_S = 15.0
"""LiveKit's client tries ten times; the server refusing, that has taken 15 to 33 s."""
SEND_TIMEOUT_S = 10.0
"""A stream that is to be sent while reconnecting waits for so long, as LiveKit's client does."""
FULL_S = 0.01
"""Until a full lane is looked at again."""

OnNews = Callable[[Message], None]
OnState = Callable[[ConnectionState, str, RoomEnd], None]


class PracticeLink:
    """Opened once. ``news`` gets what the parrot's process says while connected; ``changed`` each
    new state, with a reason and its kind when it is ``disconnected``.
    """

    def __init__(self, bus: Bus, news: OnNews, changed: OnState) -> None:
        self._bus = bus
        self._news = news
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._client = f"client-{secrets.token_hex(8)}"
        self._corrupt = CorruptFrames(LANE)
        self._lane: Lane | None = None
        self._wanted = Place("", "")
        self.place = self._wanted
        """Where it is, or was last."""
        self.state: ConnectionState = "disconnected"
        self._joined: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._heard_at = 0.0
        self._lost_at = 0.0
        self._changes = 0
        self._settled = asyncio.Event()

    async def open(self, place: Place) -> None:
        """Join. Raises :class:`RoomError`, and is then still to be closed."""
        self._wanted = place
        self._lane = self._bus.connect("dealer", LANE, self._on_frame, identity=self._client)
        self._beat()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._joined
        except TimeoutError:
            raise RoomError("the parrot does not answer") from None

    def connecting(self) -> None:
        """It is about to be opened, if the token allows it."""
        self._set("connecting")

    def leave(self) -> None:
        """Say good-bye, and close. Does nothing when it has ended by itself."""
        if self._lane is not None:
            self.send(PracticeLeave())
            self._close_for("CLIENT_INITIATED")

    def _close_for(self, why: str) -> None:
        self.close(reasons.disconnected(why), reasons.end_of(why))

    def close(self, reason: str, end: RoomEnd = "lost") -> None:
        """No more news."""
        if self._timer is not None:
            self._timer.cancel()
        if self._lane is not None:
            self._lane.close(linger_ms=100)
            self._lane = None
        self._set("disconnected", reason, end)

    # -- sending ---------------------------------------------------------------------------------

    def send(self, message: Message) -> bool:
        """False: the lane did not take it, or was closed with its bus: this process ends, and does
        not leave the room for that.
        """
        if self._lane is None or self._lane.is_closed:
            return False
        return bool(self._lane.send(encode(message, kind="tell", sender=self._client)))

    async def send_all(self, parts: Iterable[Message]) -> None:
        """All over one connection: the other side knows nothing of an earlier one. Raises
        :class:`RoomError`.
        """
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                if self.state == "reconnecting":
                    await self._settled.wait()
                if self.state != "connected":
                    raise RoomError("not connected to a room", "not-connected")
                connection = self._changes
                for part in parts:
                    await self._push(part, connection)
        except TimeoutError:
            raise RoomError(f"not sent within {SEND_TIMEOUT_S:g} s") from None

    async def _push(self, part: Message, connection: int) -> None:
        while True:
            if self._changes != connection:
                raise RoomError("not sent: the connection was interrupted")
            if self.send(part):
                await asyncio.sleep(0)
                return
            await asyncio.sleep(FULL_S)

    def _beat(self) -> None:
        """Say that we are here, or ask to be let in again; notice when nobody answers."""
        now = self._loop.time()
        if self._due and now - self._due > BEAT_S:
            self._heard_at = now  # we ourselves were held up: what came meanwhile is not yet read
        self._due = now + BEAT_S
        self._timer = self._loop.call_at(self._due, self._beat)
        if self.state == "connected" and now - self._heard_at > LOST_S:
            self._lost()
        elif self.state == "connected":
            self.send(PracticeBeat())
        else:
            self._join()
        if self.state == "reconnecting" and now - self._lost_at > RECONNECT_S:
            self._close_for("UNKNOWN_REASON")

    def _join(self) -> None:
        self.send(PracticeJoin(self._wanted.room, self._wanted.identity))

    # -- receiving -------------------------------------------------------------------------------

    def _on_frame(self, _peer: bytes, frame: bytes) -> None:
        try:
            message = decode(frame).message
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt)
            return
        self._heard_at = self._loop.time()
        match message:
            case PracticeJoined(room=room, identity=identity):
                self._on_joined(Place(room, identity))
            case PracticeClosed(reason="STATE_MISMATCH"):
                self._lost()
            case PracticeClosed(reason=reason):
                self._on_closed(reason)
            case _ if self.state == "connected":
                self._news(message)

    def _on_joined(self, place: Place) -> None:
        if self.state == "connected":
            return  # the answer to a join that was asked for twice
        self.place = place
        self._set("connected")
        if not self._joined.done():
            self._joined.set_result(None)

    def _lost(self) -> None:
        if self.state == "connected":
            log.warning("the parrot is lost: joining again")
            self._lost_at = self._loop.time()
            self._set("reconnecting")
            self._join()

    def _on_closed(self, why: str) -> None:
        if self.state != "connecting":
            self._close_for(why)
        elif not self._joined.done():
            self._joined.set_exception(RoomError(reasons.disconnected(why)))

    def _set(self, state: ConnectionState, reason: str = "", end: RoomEnd = "") -> None:
        if state == self.state:
            return
        self.state = state
        self._changes += 1
        if state == "reconnecting":
            self._settled.clear()
        else:
            self._settled.set()
        self._changed(state, reason, end)

"""The server's part: who is in which room, who has gone, who has replaced whom. Pure.

A room has one client, which may come back under its identity, and one agent. As LiveKit does it:
a client of the same identity replaces the old one; a client that leaves takes the conversation
with it (the agent closes it); one that falls silent has a while to come back, and the agent stays.

Inputs return what is to be sent to whom. Times are monotonic seconds, given by the caller.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from actors.messages import (
    Message,
    PracticeAnswer,
    PracticeAudio,
    PracticeBeat,
    PracticeBytes,
    PracticeCall,
    PracticeClosed,
    PracticeData,
    PracticeGetHistory,
    PracticeJoin,
    PracticeJoined,
    PracticeLeave,
    PracticePublish,
    PracticeRoster,
    PracticeText,
)

BEAT_S = 0.25
SILENT_S = 1.5
"""Six beats not heard: the client is gone."""
DEPARTURE_S = 20.0
"""LiveKit's departure timeout: so long a room waits for one who has gone silently."""
ACKNOWLEDGE_BYTES = 9600
"""100 ms at 48 kHz; together with the beats it bounds what the client counts as under way."""
MAX_ROOMS = 8
MAX_NAME = 512
"""Characters of a room's name or an identity."""

Outgoing = list[tuple[str, Message]]
"""Peer and message."""


class Resident(Protocol):
    """Who is in a room beside its client; returns what is to be sent to that."""

    @property
    def roster(self) -> PracticeRoster:
        """What the client sees of it."""

    @property
    def due_at(self) -> float | None:
        """When :meth:`tick` is to be called next, if nothing happens before."""

    def published(self, sid: str, now: float, *, preconnect: bool) -> list[Message]:
        """The client has published its microphone."""

    def client_gone(self) -> None:
        """The client is silent, or about to begin anew: its track is gone."""

    def audio(self, frame: PracticeAudio, now: float) -> list[Message]:
        """A frame of the client's track."""

    def stream(self, part: PracticeBytes, now: float) -> list[Message]:
        """A part of a byte stream from the client."""

    def text(self, part: PracticeText, now: float) -> list[Message]:
        """A part of a text stream from the client."""

    def history(self, number: int) -> list[Message]:
        """The client asks what was said."""

    def data(self, packet: PracticeData) -> list[Message]:
        """A packet of data from the client."""

    def call(self, call: PracticeCall) -> list[Message]:
        """The client calls a method."""

    def answer(self, answer: PracticeAnswer) -> list[Message]:
        """The client has answered a call."""

    def tick(self, now: float) -> list[Message]:
        """Time has passed."""


@dataclass
class _Room:
    name: str
    identity: str
    agent: Resident
    peer: str
    heard_at: float
    beat_at: float
    gone_at: float | None = None
    received: int = 0
    unacknowledged: int = 0

    def to_client(self, messages: Iterable[Message]) -> Outgoing:
        """Nobody hears what is said while the client is away."""
        return [(self.peer, message) for message in messages] if self.gone_at is None else []


class Server:
    """``make_agent(identity, now)``: an agent for the client of a new room."""

    def __init__(self, make_agent: Callable[[str, float], Resident]) -> None:
        self._make_agent = make_agent
        self._rooms: dict[str, _Room] = {}

    @property
    def is_idle(self) -> bool:
        """There is no room."""
        return not self._rooms

    def receive(self, peer: str, message: Message, now: float) -> Outgoing:
        """A message of a client."""
        if isinstance(message, PracticeJoin):
            return self._join(peer, message, now)
        room = self._room_of(peer)
        if room is None:
            # It does not know that it is out; or that this is not the process that it knew.
            beat = isinstance(message, PracticeBeat)
            return [(peer, PracticeClosed("STATE_MISMATCH"))] if beat else []
        room.heard_at = now
        match message:
            case PracticeLeave():
                del self._rooms[room.name]
            case PracticePublish(sid, preconnect):
                return room.to_client(room.agent.published(sid, now, preconnect=preconnect))
            case PracticeAudio():
                return self._audio(room, message, now)
            case PracticeBytes():
                return room.to_client(room.agent.stream(message, now))
            case PracticeText():
                return room.to_client(room.agent.text(message, now))
            case PracticeGetHistory(number):
                return room.to_client(room.agent.history(number))
            case PracticeData():
                return room.to_client(room.agent.data(message))
            case PracticeCall():
                return room.to_client(room.agent.call(message))
            case PracticeAnswer():
                return room.to_client(room.agent.answer(message))
        return []

    def unreachable(self, peer: str, now: float) -> None:
        """There is nobody of that name on the lane any more."""
        if (room := self._room_of(peer)) is not None:
            self._lose(room, now)

    def tick(self, now: float) -> Outgoing:
        """Time has passed."""
        out: Outgoing = []
        for room in list(self._rooms.values()):
            if room.gone_at is None and now - room.heard_at >= SILENT_S:
                self._lose(room, now)
            if room.gone_at is not None and now - room.gone_at >= DEPARTURE_S:
                del self._rooms[room.name]
                continue
            out += room.to_client(room.agent.tick(now))
            if now >= room.beat_at:
                room.beat_at = now + BEAT_S
                out += room.to_client([_beat(room)])
        return out

    @property
    def due_at(self) -> float | None:
        """When :meth:`tick` is to be called next; None: nobody is here."""
        return min((self._due(room) for room in self._rooms.values()), default=None)

    def woke_late(self, now: float) -> None:
        """This process was held up: what clients sent meanwhile is not yet read."""
        for room in self._rooms.values():
            room.heard_at = now

    # -- within ----------------------------------------------------------------------------------

    def _join(self, peer: str, join: PracticeJoin, now: float) -> Outgoing:
        room = self._rooms.get(join.room)
        if room is None:
            too_long = max(len(join.room), len(join.identity)) > MAX_NAME
            if too_long or not self._has_place():
                return [(peer, PracticeClosed("JOIN_FAILURE"))]
            agent = self._make_agent(join.identity, now)
            room = _Room(join.room, join.identity, agent, peer, now, now + BEAT_S)
            self._rooms[room.name] = room
        elif room.identity != join.identity:
            return [(peer, PracticeClosed("JOIN_FAILURE"))]  # one client is all that it holds
        out: Outgoing = []
        if room.peer != peer and room.gone_at is None:
            out.append((room.peer, PracticeClosed("DUPLICATE_IDENTITY")))
        room.agent.client_gone()
        room.peer, room.heard_at, room.gone_at = peer, now, None
        room.received = room.unacknowledged = 0
        joined = PracticeJoined(room.name, room.identity)
        return out + room.to_client([joined, room.agent.roster])

    def _has_place(self) -> bool:
        """Whether there may be one room more; the one that was left longest ago gives way."""
        gone = [room for room in self._rooms.values() if room.gone_at is not None]
        if len(self._rooms) >= MAX_ROOMS and gone:
            del self._rooms[min(gone, key=lambda room: room.gone_at or 0.0).name]
        return len(self._rooms) < MAX_ROOMS

    def _audio(self, room: _Room, frame: PracticeAudio, now: float) -> Outgoing:
        room.received += len(frame.pcm) // 2
        room.unacknowledged += len(frame.pcm)
        out = room.agent.audio(frame, now)
        if room.unacknowledged >= ACKNOWLEDGE_BYTES:
            out.append(_beat(room))
        return room.to_client(out)

    def _lose(self, room: _Room, now: float) -> None:
        if room.gone_at is None:
            room.gone_at = now
            room.agent.client_gone()

    def _room_of(self, peer: str) -> _Room | None:
        rooms = self._rooms.values()
        return next((room for room in rooms if room.peer == peer and room.gone_at is None), None)

    @staticmethod
    def _due(room: _Room) -> float:
        next_s = room.beat_at if room.gone_at is None else room.gone_at + DEPARTURE_S
        agent_s = room.agent.due_at
        return next_s if agent_s is None else min(next_s, agent_s)


def _beat(room: _Room) -> PracticeBeat:
    room.unacknowledged = 0
    return PracticeBeat(room.received)

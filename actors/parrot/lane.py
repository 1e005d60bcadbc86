"""The practice lane: frames in, the server's messages out, a timer for whatever is due next."""

import asyncio

from actors.messages.codec import CorruptMessage, decode, encode
from actors.runtime.bus import Bus, Sent
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.losses import Losses

from .server import SILENT_S, Outgoing, Server

LANE = "practice"


class PracticeLane:
    """Bound for as long as it is not closed. ``name``: of the process that serves it."""

    def __init__(self, bus: Bus, server: Server, name: str) -> None:
        self._server = server
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._corrupt = CorruptFrames(LANE)
        self.losses = Losses()
        """Messages that a client did not take."""
        self._lane = bus.bind("router", LANE, self._on_frame)

    def close(self) -> None:
        """Say nothing: to a client this is a server that is gone, and it will look for it again."""
        if self._timer is not None:
            self._timer.cancel()
        self._lane.close()

    @property
    def is_idle(self) -> bool:
        """There is no room."""
        return self._server.is_idle

    def look(self) -> None:
        """Send what is due by now."""
        self._say(self._server.tick(self._loop.time()))
        self._arm()

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        try:
            envelope = decode(frame)
            if envelope.sender.encode() != peer:
                raise CorruptMessage(frame, ValueError("in another's name"))
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt, peer)
            return
        self._say(self._server.receive(envelope.sender, envelope.message, self._loop.time()))
        self._arm()

    def _say(self, outgoing: Outgoing) -> None:
        for peer, message in outgoing:
            frame = encode(message, kind="tell", sender=self._name, to=peer)
            sent = self._lane.send(frame, to=peer)
            if sent is Sent.UNREACHABLE:
                self._server.unreachable(peer, self._loop.time())
            elif sent is Sent.OVERLOADED:
                self.losses.note(self._loop.time())

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (due_at := self._server.due_at) is not None:
            self._timer = self._loop.call_at(due_at, self._tick, due_at)

    def _tick(self, due_at: float) -> None:
        now = self._loop.time()
        if now - due_at > SILENT_S / 2:
            self._server.woke_late(now)
        self.look()

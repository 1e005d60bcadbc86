"""The parrot's process: frames in, messages out, and a timer for whatever is due next."""

import asyncio

from actors.messages import Message
from actors.messages.codec import CorruptMessage, decode, encode
from actors.runtime.actor import Actor
from actors.runtime.bus import Sent
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.errors import StartError

from .agent import Agent
from .server import SILENT_S, Outgoing, Server

LANE = "practice"
AGENT_DELAY_S = 0.3
"""Until the agent comes; a real one takes about as long when its worker is idle."""
LONGEST_DELAY_S = 3600.0


class Parrot(Actor):
    """Binds the practice lane; plays the server and, in every room, the agent.

    Option ``agent_delay_s``: seconds from the first join of a room until its agent comes.
    """

    async def on_start(self) -> None:
        """Check the option, open the lane."""
        delay = self.options.get("agent_delay_s", AGENT_DELAY_S)
        if not _is_delay(delay):
            raise StartError(
                "the parrot's agent_delay_s is not a number of seconds",
                f"set it to a number from 0 to {LONGEST_DELAY_S:g} under [actors.parrot] options",
            )
        if unknown := set(self.options) - {"agent_delay_s"}:
            raise StartError(
                f"the parrot has no option {min(unknown)!r}", "its only one is agent_delay_s"
            )
        self._delay = float(delay)
        self._loop = asyncio.get_running_loop()
        self._server = Server(lambda user, now: Agent(user, now + self._delay))
        self._timer: asyncio.TimerHandle | None = None
        self._refused = 0
        self._corrupt = CorruptFrames(LANE)
        self._lane = self.bus.bind("router", LANE, self._on_frame)

    async def on_stop(self) -> None:
        """Say nothing: to a client this is a server that is gone, and it will look for it again."""
        if (timer := getattr(self, "_timer", None)) is not None:
            timer.cancel()

    def health(self) -> str:
        """Messages that a client did not take, if any."""
        return "ok" if not self._refused else f"{self._refused} messages to slow clients lost"

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        try:
            envelope = decode(frame)
            if envelope.sender.encode() != peer:
                raise CorruptMessage(frame, ValueError("in another's name"))
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt, peer)
            return
        message: Message = envelope.message
        self._say(self._server.receive(envelope.sender, message, self._loop.time()))
        self._arm()

    def _say(self, outgoing: Outgoing) -> None:
        for peer, message in outgoing:
            sent = self._lane.send(encode(message, kind="tell", sender=self.name, to=peer), to=peer)
            if sent is Sent.UNREACHABLE:
                self._server.unreachable(peer, self._loop.time())
            elif sent is Sent.OVERLOADED:
                self._refused += 1

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
        self._say(self._server.tick(now))
        self._arm()


def _is_delay(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= float(value) <= LONGEST_DELAY_S  # type: ignore[arg-type]

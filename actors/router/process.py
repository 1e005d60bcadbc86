"""The router process: reads headers, forwards frames as they are."""

import asyncio
import time

from actors.messages import Failed, Header, Join, Kind, Message, Missed, Peer, Welcome
from actors.messages.codec import CorruptMessage, decode, decode_header, encode
from actors.runtime.actor import Actor, new_epoch
from actors.runtime.bus import TAKEN, Sent
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.losses import Losses
from actors.runtime.post import ROUTER

from .routes import Routes

_MISSED_AGAIN_S = 0.2
"""Between attempts to tell a peer whose queue is full that it has missed something."""


class Router(Actor):
    """Binds the one socket that everyone connects to. Bounded queues for each peer are zmq's;
    what one cannot take is answered (ask), left to its sender (delivery), superseded (state,
    level) or counted as lost (fact, tell).
    """

    async def on_start(self) -> None:
        """Bind; from here on peers find us by themselves."""
        self._epoch = new_epoch()
        self._routes = Routes()
        self._losses = Losses()
        self._missing: set[str] = set()
        """Peers that do not know yet that they have missed something."""
        self._timer: asyncio.TimerHandle | None = None
        self._corrupt = CorruptFrames(ROUTER)
        self._lane = self.bus.bind("router", ROUTER, self._on_frame, queue=10_000)

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        try:
            header = decode_header(frame)
            if header.sender.encode() != peer:
                raise CorruptMessage(frame, ValueError("in another's name"))
            if header.to == ROUTER:
                self._for_us(header, decode(frame).message)
                return
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt, peer)
            return
        # Not as an audience of one: each call more is paid in cold caches (bench/README.md).
        if not (to := header.to):
            self._broadcast(header, frame)
        elif (sent := self._lane.send(frame, to=to)) is not TAKEN:
            self._not_taken(header, to, sent)

    def _broadcast(self, header: Header, frame: bytes) -> None:
        for name in self._routes.audience(header, frame):
            sent = self._lane.send(frame, to=name)
            if sent is not TAKEN:
                self._not_taken(header, name, sent)

    def _not_taken(self, header: Header, name: str, sent: Sent) -> None:
        if sent is Sent.UNREACHABLE:
            self._routes.leave(name)  # it joins again when it is back
            self._missing.discard(name)
        if header.kind == "ask":
            self._say(
                header.sender, Failed(sent.value, f"{name}: {sent.value}"), "reply", header.id
            )
        elif header.kind == "tell" or (header.kind == "fact" and sent is Sent.OVERLOADED):
            self._losses.note(time.monotonic())
        if header.kind in ("fact", "state") and sent is Sent.OVERLOADED:
            self._missing.add(name)
            self._tell_missed_later()

    def _tell_missed_later(self) -> None:
        if self._timer is None and self._missing:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_MISSED_AGAIN_S, self._tell_missed)

    def _tell_missed(self) -> None:
        """Until there is room in their queues: what comes after it is whole again."""
        self._timer = None
        missed = encode(Missed(), kind="tell", sender=ROUTER)
        wanted = self._routes.subscribers(Missed.tag())
        for name in list(self._missing):
            if name not in wanted or self._lane.send(missed, to=name) is not Sent.OVERLOADED:
                self._missing.discard(name)
        self._tell_missed_later()

    def on_peer(self, name: str, up: bool) -> None:
        """Attached programs have no supervisor that would tell them."""
        if not hasattr(self, "_lane"):
            return  # not yet started: nobody can have joined
        frame = encode(Peer(name, up), kind="fact", sender=ROUTER)
        self._broadcast(decode_header(frame), frame)

    def _for_us(self, header: Header, message: Message) -> None:
        match message:
            case Join(subscriptions=tags):
                missed = self._routes.join(header.sender, tags)
                self._say(header.sender, Welcome(self._epoch), "tell")
                for snapshot in missed:
                    self._lane.send(snapshot, to=header.sender)
                for name in self._routes.to_look_for():
                    if self._say(name, Welcome(self._epoch), "tell") is Sent.UNREACHABLE:
                        self._routes.leave(name)
            case Missed():
                # Its facts have passed by everybody: whoever follows anybody is told.
                self._missing |= set(self._routes.subscribers(Missed.tag())) - {header.sender}
                self._tell_missed_later()
            case _ if header.kind == "ask":
                self._say(
                    header.sender,
                    Failed("invalid", "the router takes no orders"),
                    "reply",
                    header.id,
                )

    def _say(self, to: str, message: Message, kind: Kind, number: int = 0) -> Sent:
        return self._lane.send(encode(message, kind=kind, sender=ROUTER, to=to, id=number), to=to)

    def health(self) -> str:
        """Messages that were lost lately, if any."""
        lost = self._losses.recent(time.monotonic())
        return "ok" if not lost else f"{lost} messages lost to full queues"

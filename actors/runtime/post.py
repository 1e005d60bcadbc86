"""A process's connection to the router: join, tell, ask, publish, deliver.

Used by actors (:mod:`actors.runtime.host`) and by attached programs
(:mod:`actors.runtime.client`).
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from actors.messages import Done, Envelope, Failed, Join, Kind, Message, Missed, Welcome
from actors.messages.codec import CorruptMessage, decode, encode

from .bus import TAKEN, Bus, OnLink
from .corrupt import CorruptFrames
from .errors import NoAnswer, OrderFailed, Overloaded, Unreachable
from .outbox import Delivery, Outbox

log = logging.getLogger(__name__)

ROUTER = "router"
_WELCOME = Welcome.tag()
"""A string is told from another sooner than a message from another: the metaclass is asked."""
_JOIN_AGAIN_S = 0.2
"""Until the router has answered; it is normally back within 20 ms of its death."""
_REDELIVER_S = 2.0
"""When nothing was acknowledged for so long, the oldest delivery is sent again even when nobody is
known to have died: whatever is the matter, those after it are not handled before."""
_REDELIVER_ALL = 15
"""In so many times that, all are: the oldest may be in hand for long, and others be lost."""
_CONFESS_AGAIN_S = 0.2
"""Between two tries to say that facts are lost, to a router whose queue is full."""

OnEnvelope = Callable[[Envelope], None]


class Post:
    """Send and receive through the router under one name.

    ``on_envelope`` gets every message that is not an answer, in order of arrival, in the loop.
    ``on_link``: as of :meth:`Bus.connect`, for the router.
    """

    def __init__(
        self, bus: Bus, name: str, on_envelope: OnEnvelope, *, on_link: OnLink | None = None
    ) -> None:
        self.name = name
        self._on_envelope = on_envelope
        self._loop = asyncio.get_running_loop()
        self._lane = bus.connect("dealer", ROUTER, self.on_frame, identity=name, on_link=on_link)
        # Names live longer than processes: an answer to our former self must not be one to us.
        first = random.SystemRandom().randrange(1, 2**52)
        self._outbox = Outbox(after=first)
        self._handled: dict[int, asyncio.Future[None]] = {}
        self._states: dict[str, Message] = {}
        self._asks: dict[int, tuple[str, asyncio.Future[Envelope]]] = {}
        self._last_ask = first
        self._subscriptions: tuple[str, ...] = ()
        self._epoch = 0
        self._welcome = asyncio.Event()
        self._rejoin_timer: asyncio.TimerHandle | None = None
        self._redeliver_timer: asyncio.TimerHandle | None = None
        self._redeliveries = 0
        self._tried: dict[str, int] = {}
        """By receiver, the delivery after which it is known to handle them again."""
        self._confess_timer: asyncio.TimerHandle | None = None
        self.corrupt = CorruptFrames(ROUTER)
        self.refused = 0
        """Messages that the socket did not take because its queue was full."""

    # -- joining ---------------------------------------------------------------------------------

    async def join(self, subscriptions: tuple[str, ...], timeout_s: float = 5.0) -> None:
        """Tell the router which tags are wanted; returns when it has answered.

        Raises :class:`Unreachable` when it has not within ``timeout_s``.
        """
        self._subscriptions = subscriptions
        self.rejoin()
        try:
            async with asyncio.timeout(timeout_s):
                await self._welcome.wait()
        except TimeoutError:
            raise Unreachable(ROUTER) from None

    async def joined(self) -> None:
        """Wait until the router knows of us: at once, unless it is just being restarted."""
        await self._welcome.wait()

    def rejoin(self) -> None:
        """Join again: the router is said to have been restarted."""
        self._welcome.clear()
        self._join()

    def leave(self) -> None:
        """Nothing is wanted any more: for a name that does not come back."""
        self._subscriptions = ()
        self._send(Join(()), kind="tell", to=ROUTER)

    def _join(self) -> None:
        if self._rejoin_timer is not None:
            self._rejoin_timer.cancel()
            self._rejoin_timer = None
        if self._welcome.is_set():
            return
        self._send(Join(self._subscriptions), kind="tell", to=ROUTER)
        self._rejoin_timer = self._loop.call_later(_JOIN_AGAIN_S, self._join)

    def _on_welcome(self, welcome: Welcome) -> None:
        self._welcome.set()
        if welcome.epoch == self._epoch:
            return
        restarted = self._epoch != 0
        self._epoch = welcome.epoch
        if restarted:
            log.info("the router is back", extra={"epoch": welcome.epoch})
        for state in self._states.values():
            self._send(state, kind="state")
        self.redeliver()

    # -- sending ---------------------------------------------------------------------------------

    def _send(
        self,
        message: Message,
        *,
        kind: Kind,
        to: str = "",
        id: int = 0,  # noqa: A002  # the field's name on the wire
        deadline: float = 0.0,
        after: int = 0,
    ) -> bool:
        frame = encode(
            message,
            kind=kind,
            sender=self.name,
            to=to,
            id=id,
            deadline=deadline,
            after=after,
        )
        if self._lane.send(frame) is TAKEN:
            return True
        self.refused += 1
        if kind in ("fact", "state"):
            self._arm_confession()
        return False

    def _arm_confession(self) -> None:
        if self._confess_timer is None:
            self._confess_timer = self._loop.call_later(_CONFESS_AGAIN_S, self._confess)

    def _confess(self) -> None:
        """The queue was full, and something is lost: whoever follows us must know as soon as there
        is room in it again.
        """
        self._confess_timer = None
        if not self._send(Missed(), kind="tell", to=ROUTER):
            self._arm_confession()
            return
        for state in self._states.values():
            self._send(state, kind="state")

    def tell(self, to: str, message: Message) -> None:
        """Send to one actor, expecting nothing. Raises :class:`Overloaded`."""
        # As _send, which has more to pass on and asks more of what was not taken.
        if self._lane.send(encode(message, kind="tell", sender=self.name, to=to)) is not TAKEN:
            self.refused += 1
            raise Overloaded(to)

    async def ask(self, to: str, message: Message, timeout_s: float = 5.0) -> Message:
        """Send to one actor and wait for its answer.

        Raises :class:`NoAnswer` past the deadline, :class:`Unreachable` when it is not there or
        dies first, :class:`Overloaded`, and :class:`OrderFailed` with what it answered.
        """
        self._last_ask += 1
        number = self._last_ask
        answer: asyncio.Future[Envelope] = self._loop.create_future()
        self._asks[number] = (to, answer)
        deadline = time.monotonic() + timeout_s
        try:
            if not self._send(message, kind="ask", to=to, id=number, deadline=deadline):
                raise Overloaded(to)
            try:
                # Not wait_for: in Python 3.11 it drops a cancellation that comes with the answer.
                async with asyncio.timeout(timeout_s):
                    envelope = await answer
            except TimeoutError:
                raise NoAnswer(to, timeout_s) from None
        finally:
            del self._asks[number]
        reply: Message = envelope.message
        if isinstance(reply, Failed):
            if reply.code == "unreachable" and envelope.sender == ROUTER:
                raise Unreachable(to)
            raise OrderFailed.told(reply)
        return reply

    def reply(self, to: Envelope, message: Message | None) -> None:
        """Answer an ask; None says :class:`Done`."""
        self._send(message or Done(), kind="reply", to=to.sender, id=to.id)

    def acknowledge(self, delivery: Envelope) -> None:
        """Tell the sender that its delivery has been handled."""
        self._send(Done(), kind="ack", to=delivery.sender, id=delivery.id)

    def publish(self, fact: Message) -> bool:
        """Send to all subscribers; False when the queue is full (and counted in ``refused``)."""
        return self._send(fact, kind="fact")

    def publish_level(self, level: Message) -> None:
        """Send to all subscribers, or drop it: the next one is as good."""
        self._send(level, kind="level")

    def publish_state(self, snapshot: Message) -> None:
        """Send a snapshot to all subscribers, now and whenever one joins or the router restarts."""
        self._states[snapshot.tag()] = snapshot
        self._send(snapshot, kind="state")

    def deliver(self, to: str, message: Message) -> "asyncio.Future[None]":
        """Send to one actor and keep it until acknowledged, over crashes of router and receiver;
        the future is done when it is. An actor handles in order what is delivered to it.

        The receiver may get it twice and in that case must know it by its own id. Raises
        :class:`actors.runtime.outbox.OutboxFull`.
        """
        delivery = self._outbox.put(to, message)
        handled: asyncio.Future[None] = self._loop.create_future()
        self._handled[delivery.id] = handled
        self._send_delivery(delivery)
        self._arm_redelivery()
        return handled

    def redeliver(self, to: str = "") -> None:
        """Send all unacknowledged deliveries (to one actor) again, oldest first."""
        for delivery in self._outbox.pending(to):
            if not self._send_delivery(delivery):
                break
        self._arm_redelivery()

    def _send_delivery(self, delivery: Delivery) -> bool:
        return self._send(
            delivery.message,
            kind="deliver",
            to=delivery.to,
            id=delivery.id,
            after=delivery.after,
        )

    def _arm_redelivery(self) -> None:
        if self._redeliver_timer is None and len(self._outbox):
            self._redeliver_timer = self._loop.call_later(_REDELIVER_S, self._redelivery_due)

    def _redelivery_due(self) -> None:
        self._redeliver_timer = None
        self._redeliveries += 1
        for oldest in self._outbox.stuck():
            if self._redeliveries % _REDELIVER_ALL:
                self._tried[oldest.to] = oldest.id
                self._send_delivery(oldest)
            else:
                self.redeliver(oldest.to)
        self._arm_redelivery()

    @property
    def undelivered(self) -> int:
        """Deliveries not yet acknowledged."""
        return len(self._outbox)

    def peer_down(self, name: str) -> None:
        """The named actor has died: what was asked of it fails now rather than at the deadline."""
        for to, answer in list(self._asks.values()):
            if name in (to, ROUTER) and not answer.done():
                answer.set_exception(Unreachable(to if name == to else ROUTER, in_doubt=True))

    def peer_up(self, name: str) -> None:
        """The named actor is there (again)."""
        if name == ROUTER:
            self.rejoin()
        else:
            self.redeliver(name)

    # -- receiving -------------------------------------------------------------------------------

    def on_frame(self, _peer: bytes, frame: bytes) -> None:
        """From the router."""
        try:
            envelope = decode(frame)
        except CorruptMessage as corrupt:
            self.corrupt.note(corrupt)
            return
        match envelope.kind:
            case "reply":
                _, answer = self._asks.get(envelope.id, ("", None))
                if answer is not None and not answer.done():
                    answer.set_result(envelope)
            case "ack":
                self._outbox.acknowledge(envelope.id, by=envelope.sender)
                handled = self._handled.pop(envelope.id, None)
                if handled is not None and not handled.done():
                    handled.set_result(None)
                if self._tried.get(envelope.sender) == envelope.id:
                    del self._tried[envelope.sender]
                    self.redeliver(envelope.sender)
            case _ if envelope.topic == _WELCOME:
                self._on_welcome(envelope.message)
            case _:
                self._on_envelope(envelope)

    def close(self) -> None:
        """Stop all timers; the lane is closed with its bus."""
        for timer in (self._rejoin_timer, self._redeliver_timer, self._confess_timer):
            if timer is not None:
                timer.cancel()
        for _, answer in self._asks.values():
            answer.cancel()
        for handled in self._handled.values():
            handled.cancel()

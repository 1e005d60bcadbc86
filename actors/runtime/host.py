"""The thin shell around an actor: its loop, mailbox, lanes, heartbeat, drain and stop."""

import asyncio
import io
import logging
import os
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from itertools import islice
from typing import Any

from actors.messages import (
    ActorDown,
    ActorUp,
    Envelope,
    Failed,
    Heartbeat,
    Message,
    Missed,
    Ready,
    StartFailed,
    Stop,
)
from actors.messages.codec import CorruptMessage, decode, encode
from actors.settings import Settings

from .actor import Actor, Answer
from .adopted import Adopted
from .bus import Bus, Context
from .corrupt import CorruptFrames
from .dotted import load_object
from .errors import OrderFailed, StartError
from .heart import Heart
from .inbox import Inbox
from .losses import Losses
from .post import ROUTER, Post
from .refusals import Refusals
from .spec import ChildSpec

log = logging.getLogger(__name__)

SUPERVISOR = "supervisor"
MAILBOX = 1000
"""Messages waiting for ``on_message``. Beyond it, asks are refused, deliveries are left to be sent
again, and the others dropped: when there is room, states come again and the actor is told."""
_FLUSH_MS = 500
"""Time for the last acknowledgements and answers to leave at a stop."""

ESSENTIAL, DISPENSABLE = b"essential", b"dispensable"

_MISSED = Missed.tag()

EXIT_OK = 0
EXIT_CRASH = 1
EXIT_START_FAILED = 3
EXIT_STUCK = 5
"""A message was not handled in time."""


class Stuck(Exception):
    """``on_message`` does not come back."""


class Host:
    """Runs one actor. Made in the child; :meth:`run` is the whole life of the process."""

    def __init__(
        self,
        spec: ChildSpec,
        first_word: int = -1,
        heart: Heart | None = None,
        context: Context | None = None,
    ) -> None:
        """``first_word``: descriptor of a pipe to the supervisor; -1: there is none. Without a
        ``heart``, every heartbeat is a message. ``context``: for the bus, else it makes its own.
        """
        self._context = context
        self._first_word = first_word
        self._heart = heart
        self.name = spec.name
        self.incarnation = spec.incarnation
        self.options = spec.options
        self.runtime_dir = spec.runtime_dir
        self.settings = Settings.from_plain(spec.settings)
        self._spec = spec
        self._mailbox: deque[Envelope] = deque()
        self._inbox = Inbox()
        self._refusals = Refusals()
        self._mail = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: asyncio.Future[None]
        self._corrupt = CorruptFrames(SUPERVISOR)
        self._in_hand_since = 0.0
        """Monotonic seconds; 0: no message is being handled."""
        self.bus: Bus
        self.post: Post
        self.terminal_stops = False
        """The stop that was asked for is that of all actors."""
        self._losses = Losses()
        """Facts and tells dropped because the mailbox was full."""
        self._has_missed = False
        """Facts or states were dropped, and that is not yet made good."""

    async def run(self) -> int:
        """Start, serve, drain, stop; returns the exit code. Never raises."""
        self._end = asyncio.get_running_loop().create_future()
        self.bus = Bus(self.runtime_dir, self._context)
        self._lane = self.bus.connect("dealer", SUPERVISOR, self._on_order, identity=self.name)
        self.post = Post(self.bus, self.name, self._on_envelope)
        self._actor: Actor | None = None
        code = EXIT_OK
        try:
            try:
                self._actor = actor = _load(self._spec.target)(self)
                self._say_first(actor.essential)
                if not await self._start(actor):
                    return code
            except Exception as error:
                code = EXIT_START_FAILED
                self._report_start_failure(error)
                return code
            serving = self.spawn(self._serve(actor), "serve")
            self.spawn(self._beat(actor), "heartbeat")
            self._to_supervisor(Ready(self.incarnation))
            log.info("ready", extra={"actor": self.name, "incarnation": self.incarnation})
            await self._end
            await actor.on_drain()
            await self._drained()
            serving.cancel()
        except Exception as error:
            code = EXIT_STUCK if isinstance(error, Stuck) else EXIT_CRASH
            log.exception("actor crashed", extra={"actor": self.name})
        finally:
            await self._shut(code)
        return code

    async def _start(self, actor: Actor) -> bool:
        """Raises what the start does; False when a stop was asked for in the middle of it."""
        start = asyncio.get_running_loop().create_task(self._begin(actor), name="start")
        await asyncio.wait((start, self._end), return_when=asyncio.FIRST_COMPLETED)
        if not start.done() and self._end.exception() is None:
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            return False
        await start
        return True

    async def _begin(self, actor: Actor) -> None:
        await actor.on_start()
        if self.name != ROUTER:
            wanted: tuple[type[Message], ...] = (*actor.subscribes, Missed)
            await self.post.join(tuple(kind.tag() for kind in wanted))

    def _say_first(self, essential: bool) -> None:
        """Whether the terminal can do without this actor, should it not come to say more: what is
        in a pipe outlives its writer, what is in a socket's queue does not.
        """
        if self._first_word >= 0:
            os.write(self._first_word, ESSENTIAL if essential else DISPENSABLE)
            os.close(self._first_word)

    def request_stop(self) -> None:
        """Begin to drain (a stop order or SIGTERM)."""
        if not self._end.done():
            self._end.set_result(None)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a task whose failure ends the actor."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not self._end.done():
            self._end.set_exception(error)
        else:
            log.error("task failed while stopping", exc_info=error)

    def _report_start_failure(self, error: Exception) -> None:
        if isinstance(error, StartError):
            reason, remedy = error.reason, error.remedy
            log.error("start failed", extra={"actor": self.name, "reason": reason})
        else:
            reason, remedy = f"{type(error).__name__}: {error}", ""
            log.error("start failed", extra={"actor": self.name}, exc_info=error)
        mistake = isinstance(error, StartError)
        essential = self._actor is None or self._actor.essential
        self._to_supervisor(StartFailed(self.incarnation, reason, remedy, mistake, essential))

    async def _shut(self, code: int) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._actor is not None:
            try:
                await self._actor.on_stop()
            except Exception:
                log.exception("on_stop failed", extra={"actor": self.name})
        self.post.close()
        self.bus.close(linger_ms=_FLUSH_MS)
        log.info("stopped", extra={"actor": self.name, "code": code})

    async def _drained(self) -> None:
        """Wait until every message that has arrived is handled."""
        await self._empty.wait()

    # -- the supervisor's lane -------------------------------------------------------------------

    def _to_supervisor(self, message: Ready | StartFailed | Heartbeat) -> None:
        self._lane.send(encode(message, kind="tell", sender=self.name, to=SUPERVISOR))

    def _on_order(self, _peer: bytes, frame: bytes) -> None:
        try:
            message = decode(frame).message
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt)
            return
        match message:
            case Stop(of_terminal=of_terminal):
                self.terminal_stops = of_terminal
                self.request_stop()
            case ActorUp(name=name):
                self._peer(name, up=True)
            case ActorDown(name=name):
                self._peer(name, up=False)
            case _:
                log.warning("order not understood", extra={"order": message.tag()})

    def _peer(self, name: str, *, up: bool) -> None:
        if up:
            self.post.peer_up(name)
        else:
            self.post.peer_down(name)
            self._inbox.forget(name)
            self._refusals.over(name)
        if self._actor is not None:
            self._actor.on_peer(name, up)

    async def _beat(self, actor: Actor) -> None:
        adopted, said = Adopted(), Heartbeat(self.incarnation, 0)
        while True:
            now = time.monotonic()
            await asyncio.sleep(_until_next_beat(now, self._spec.heartbeat_s))
            adopted.reap(now)
            if self._in_hand_since and now - self._in_hand_since > actor.handles_within_s:
                self._stuck(actor)
            waiting = len(self._mailbox)
            beat = Heartbeat(
                self.incarnation,
                waiting,
                actor.health(),
                actor.quiet(),
                trouble=actor.trouble() or self._trouble(time.monotonic()),
            )
            if self._heart is not None:
                self._heart.beat(time.monotonic())
            if self._heart is None or beat != said:
                self._to_supervisor(beat)
                said = beat

    def _trouble(self, now: float) -> str:
        if lost := self._losses.recent(now):
            return f"{lost} messages lost to a full mailbox"
        return self._refusals.trouble(now)

    def _stuck(self, actor: Actor) -> None:
        """Say where, as far as Python knows, and end."""
        stacks = io.StringIO()
        for task in self._tasks:
            task.print_stack(file=stacks)
        log.error("message not handled in time", extra={"stacks": stacks.getvalue()})
        raise Stuck(f"a message is in hand for more than {actor.handles_within_s:g} s")

    # -- the mailbox -----------------------------------------------------------------------------

    def _on_envelope(self, envelope: Envelope) -> None:
        if envelope.topic == _MISSED:
            if envelope.sender == ROUTER:  # nobody else may say so
                self._has_missed = True
                self._make_good()
        elif len(self._mailbox) >= MAILBOX:
            self._drop(envelope)
        elif envelope.kind != "deliver" or self._inbox.take(envelope):
            self._put(envelope)

    def _put(self, envelope: Envelope) -> None:
        self._mailbox.append(envelope)
        self._empty.clear()
        self._mail.set()

    def _drop(self, envelope: Envelope) -> None:
        match envelope.kind:
            case "ask":
                self.post.reply(envelope, Failed("overloaded", f"{self.name} has too much to do"))
            case "tell":
                self._losses.note(time.monotonic())
            case "fact":
                self._losses.note(time.monotonic())
                self._has_missed = True
            case "state":
                self._has_missed = True

    def _make_good(self) -> None:
        """What was missed does not come again, but the last states do; the actor asks for the rest.
        Not before there is room for them.
        """
        if len(self._mailbox) > MAILBOX // 2:
            return
        self._has_missed = False
        self.post.rejoin()
        if self._actor is not None and Missed in self._actor.subscribes:
            missed = encode(Missed(), kind="tell", sender=ROUTER, to=self.name)
            self._put(decode(missed))

    def waiting(self) -> Iterator[Message]:
        """The messages behind the one being handled, as of :meth:`Actor.waiting`."""
        return (envelope.message for envelope in islice(self._mailbox, 1, None))

    async def _serve(self, actor: Actor) -> None:
        while True:
            while self._mailbox:
                # The message stays in the box while it is handled, so that draining waits for it.
                self._in_hand_since = time.monotonic()
                await self._handle(actor, self._mailbox[0])
                self._in_hand_since = 0.0
                self._mailbox.popleft()
                if self._has_missed:
                    self._make_good()
            self._empty.set()
            self._mail.clear()
            await self._mail.wait()

    async def _handle(self, actor: Actor, envelope: Envelope) -> None:
        if envelope.deadline and envelope.has_lapsed(time.monotonic()):
            log.warning("order lapsed", extra={"actor": self.name, "order": envelope.topic})
            return
        answer: Answer
        try:
            answer = await actor.on_message(envelope.message, envelope.sender)
        except OrderFailed as failed:
            answer = failed.answer()
            if envelope.kind not in ("ask", "deliver"):
                log.warning("order failed", extra={"code": failed.code, "reason": failed.reason})
        if isinstance(answer, asyncio.Future):
            self.spawn(self._handled_later(envelope, answer), "answer")
        else:
            self._handled(envelope, answer)

    async def _handled_later(
        self, envelope: Envelope, answer: "asyncio.Future[Message | None]"
    ) -> None:
        try:
            self._handled(envelope, await answer)
        except OrderFailed as failed:
            self._handled(envelope, failed.answer())
        except asyncio.CancelledError:
            if envelope.kind == "deliver":
                self._refused(envelope)  # given up: not in hand any more
            raise

    def _handled(self, envelope: Envelope, answer: Message | None) -> None:
        if envelope.kind == "ask":
            self.post.reply(envelope, answer)
        elif envelope.kind == "deliver":
            if isinstance(answer, Failed):
                self._tell_refusal(envelope.sender, answer)
                self._refused(envelope)
            else:
                if refused := self._refusals.over(envelope.sender):
                    extra = {"sender": envelope.sender, "refused": refused}
                    log.info("deliveries are handled again", extra=extra)
                self._inbox.handle(envelope)
                self.post.acknowledge(envelope)

    def _tell_refusal(self, sender: str, failed: Failed) -> None:
        if self._refusals.note(sender, failed.code, failed.reason, time.monotonic()):
            extra = {"sender": sender, "code": failed.code, "reason": failed.reason}
            log.warning("delivery refused", extra=extra)

    def _refused(self, delivery: Envelope) -> None:
        """It stays with its sender, who sends it again, and so does what was delivered after it."""
        self._inbox.refuse(delivery)
        in_hand = 1 if self._in_hand_since else 0
        kept = deque(islice(self._mailbox, in_hand))
        for waiting in islice(self._mailbox, in_hand, None):
            if _is_behind(waiting, delivery):
                self._inbox.refuse(waiting)
            else:
                kept.append(waiting)
        self._mailbox = kept


def _is_behind(waiting: Envelope, delivery: Envelope) -> bool:
    return (
        waiting.kind == "deliver" and waiting.sender == delivery.sender and waiting.id > delivery.id
    )


def _until_next_beat(now: float, period: float) -> float:
    """Seconds to the next multiple of the period on the monotonic clock, or to the one after: all
    actors beat at the same moment, and the supervisor wakes once for all.
    """
    rest = period - now % period
    return rest if rest > period / 10 else rest + period


def _load(target: str) -> type[Actor]:
    found = load_object(target)
    if not (isinstance(found, type) and issubclass(found, Actor)):
        raise StartError(f"{target} is not a subclass of actors.Actor")
    return found

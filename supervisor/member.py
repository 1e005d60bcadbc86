"""One member of the tree through all its starts: an actor or a program."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from actors.messages import StartFailed, Stop
from actors.runtime import kin
from actors.runtime.host import DISPENSABLE, EXIT_START_FAILED, EXIT_STUCK
from actors.settings.supervision import Supervisor as Policy

from . import family, server_watch
from .birth import Birth
from .child import Child
from .deadline import Deadline, within
from .death import Death, by_exit
from .program import ProgramWork
from .spec import ActorSpec, Spec
from .work import ActorWork, Surroundings, Work, mark_of

log = logging.getLogger(__name__)

_STACKS_S = 0.3
"""For a child to write its stacks into the log before it is killed."""
_LAST_WORD_S = 0.2
"""Why its start failed may come after the death itself: it takes another way."""

OnDeath = Callable[["Member", Death, float], None]


class Member:
    """What the supervisor knows of one child, and the mechanics of its start and end.

    ``on_ready`` and ``on_death`` are called in the loop; the latter with how it ended and the
    seconds that it ran well: Ready, and not silent until it was killed for that. Whether it is
    started again is for others to decide.
    """

    def __init__(
        self,
        spec: Spec,
        policy: Policy,
        take: Callable[[str], Birth],
        on_ready: Callable[["Member"], None],
        on_death: OnDeath,
        hung: Callable[[], None],
        safely: Callable[..., None],
    ) -> None:
        """``take`` gives a process that waits for its job; ``hung`` is called when the fork server
        does not answer; ``safely`` calls something and sees to it when that raises.
        """
        self.spec = spec
        self.policy = policy
        self._take = take
        self._on_ready = on_ready
        self._on_death = on_death
        self._hung = hung
        self._safely = safely
        self._loop = asyncio.get_running_loop()
        self.state = "stopped"
        self.child: Child | None = None
        self.incarnation = 0
        self.restarts = 0
        self.last_exit: str | None = None
        self.started_at = 0.0
        self.was_ready = False
        """At any start."""
        self.failure: StartFailed | None = None
        """Why it could not start the last time, until it has."""
        self.settled = asyncio.Event()
        """It is neither starting nor stopping, nor about to."""
        self._essential = True
        self._over = asyncio.Event()
        """There is no process, and everybody has been told."""
        self._over.set()
        self._failed = False
        """This start; ``failure`` says why."""
        self._well_since: float | None = None
        """When it became Ready this time."""
        self._well_until: float | None = None
        """None: to its end."""
        self._asked = ""
        self._with_terminal = False
        """The whole terminal ends, and this with it."""
        self._doom: Death | None = None
        self._work: Work | None = None
        self._deadline: Deadline | None = None
        self._late_word: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._abandoned = ""
        """Identity of the process of the last start, if that could not be ended."""

    @property
    def name(self) -> str:
        """In the config, the status and on the bus."""
        return self.spec.name

    @property
    def is_actor(self) -> bool:
        """It is on the lane and hears of others."""
        return isinstance(self.spec, ActorSpec)

    @property
    def essential(self) -> bool:
        """The terminal is of no use without it: as configured, else as its class has said."""
        configured = self.spec.rules.essential
        return self._essential if configured is None else configured

    @property
    def is_ending(self) -> bool:
        """Its end is sealed, whoever wanted it."""
        return bool(self._asked) or self._doom is not None

    def uptime_s(self) -> float:
        """Seconds since its process was asked for; 0 when there is none."""
        return self._loop.time() - self.started_at if self.child is not None else 0.0

    # -- start -----------------------------------------------------------------------------------

    def launch(self, surroundings: Surroundings) -> None:
        """Start it. Everything else is told by ``on_ready`` or ``on_death``."""
        self.incarnation += 1
        self.state = "starting"
        self._failed, self._asked, self._doom, self._ending = False, "", None, None
        self.settled.clear()
        self._over.clear()
        self._well_since = self._well_until = None
        self.started_at = self._loop.time()
        if kin.is_there(self._abandoned):  # there is to be one copy
            pid = self._abandoned.partition(":")[0]
            self._fail(f"its last process, {pid}, may not be ended and lives on", family.REMEDY)
            self._loop.call_soon(self._dead, Death("start failed"))
            return
        self._work = work = self._kind_of_work(surroundings)
        self._await_birth()
        mark = mark_of(self.name, self.incarnation)
        try:
            birth = self._take(self.name)
        except OSError as error:  # the fork server has just died; or no memory, no descriptors
            self._loop.call_soon(self._dead, Death("unborn", f"cannot fork: {error.strerror}"))
            return
        self.child = Child(
            self.name,
            work.job(mark),
            mark,
            birth,
            lambda: self._safely(self._born),
            lambda death: self._safely(self._dead, death),
        )

    def _kind_of_work(self, surroundings: Surroundings) -> Work:
        if isinstance(self.spec, ActorSpec):
            return ActorWork(self.spec, self.incarnation, surroundings)
        return ProgramWork(self.spec)

    def _await_birth(self) -> None:
        self._deadline = Deadline(server_watch.PATIENCE_S, self._not_born)

    def _not_born(self) -> None:
        self._hung()
        self._await_birth()

    def _born(self) -> None:
        assert self.child is not None
        assert self._work is not None
        self._cancel_deadline()
        patience = self.spec.rules.start_timeout or self.policy.start_timeout
        self._deadline = Deadline(patience, lambda: self._not_ready(patience))
        self._work.born(self.child, self.ready)

    def _not_ready(self, patience: float) -> None:
        log.error("start timed out", extra={"actor": self.name, "seconds": patience})
        self._fail(f"not ready within {patience:g} s")
        self.kill(Death("start failed"))

    def _hear_first_word(self) -> None:
        if self.child is None:
            return
        self.child.hear()
        match self.child.first_word:
            case b"":
                pass
            case word if self.is_actor:
                self._essential = word != DISPENSABLE
            case why:
                self._fail(f"cannot run {why.decode(errors='replace')}")

    def ready(self) -> None:
        """It has said so, or its address has answered."""
        if self.state != "starting" or self.is_ending:
            return  # too late
        self._hear_first_word()
        self._cancel_deadline()
        self.state = "running"
        self.was_ready = True
        self._well_since = self._loop.time()
        self.failure = None
        self.settled.set()
        self._on_ready(self)

    def start_failed(self, failure: StartFailed) -> None:
        """It has said why it cannot start; its end comes right after, or has come already."""
        self.failure, self._failed = failure, True
        self._essential = failure.essential
        if self._late_word is not None:
            self._late_word.cancel()
            self._concluded(by_exit(EXIT_START_FAILED))

    def _fail(self, reason: str, remedy: str = "") -> None:
        self.failure = StartFailed(self.incarnation, reason, remedy)
        self._failed = True

    # -- end -------------------------------------------------------------------------------------

    def end(self, why: str, *, with_terminal: bool = False) -> Coroutine[Any, Any, None]:
        """Ask it to end, on somebody's behalf; to be awaited until it has. Never a crash.

        ``with_terminal``: as all others, and it is told so.
        """
        self._asked = why
        self._with_terminal = with_terminal
        self._begin_to_end()
        return self._ended()

    async def _ended(self) -> None:
        if self._late_word is not None:  # it has ended, and nobody asks why any more
            self._late_word.cancel()
            self._concluded(Death("unknown"))
        await self._over.wait()

    def replace(self, doom: Death) -> None:
        """Ask it to end because of what is wrong with it: that counts as a crash."""
        if not self.is_ending:
            self._doom = doom
            self._begin_to_end()

    def kill(self, doom: Death, silent_s: float = 0.0) -> None:
        """It does not answer any more, for ``silent_s`` seconds: have it write its stacks, then
        SIGKILL.
        """
        if self.is_ending or self.child is None:
            return
        self._doom = doom
        self._well_until = self._loop.time() - silent_s
        self._about_to_end()
        child = self.child
        state = kin.state_of(child.pid) if child.pid else ""
        log.error("killed", extra={"actor": self.name, "why": str(doom), "process_state": state})
        if self.is_actor and state not in ("", "T"):  # a stopped one could not do it
            child.signal(signal.SIGUSR1)
            self._loop.call_later(_STACKS_S, child.signal, signal.SIGKILL)
        else:
            child.signal(signal.SIGKILL)

    def _about_to_end(self) -> bool:
        """Returns whether it was running."""
        was_running = self.state == "running"
        self._cancel_deadline()
        if self._work is not None:
            self._work.over()
        self.settled.clear()
        self.state = "stopping"
        return was_running

    def _begin_to_end(self) -> None:
        if self.child is None:
            self.state = "stopped"
            self.settled.set()
        elif self._ending is None:
            child = self.child
            was_running = self._about_to_end()
            work = self._end(child, was_running=was_running)
            self._ending = self._loop.create_task(work, name=f"end of {self.name}")
            self._ending.add_done_callback(lambda end: self._end_failed(end, child))

    async def _end(self, child: Child, *, was_running: bool) -> None:
        """Ask, then SIGTERM, then SIGKILL, each with its time."""
        grace = self.spec.rules.stop_grace or self.policy.stop_grace
        child.signal(signal.SIGCONT)  # a stopped process could obey neither order nor SIGTERM
        assert self._work is not None
        order = Stop(grace, of_terminal=self._with_terminal)
        if was_running and self._work.ask_to_end(child, order):
            if await within(child.gone, grace):
                return
            log.warning("stop order ignored", extra={"actor": self.name})
            grace /= 2
        child.signal(signal.SIGTERM)
        if await within(child.gone, grace):
            return
        log.warning("SIGTERM ignored", extra={"actor": self.name})
        child.signal(signal.SIGKILL)
        while not await within(child.gone, grace):
            log.error("SIGKILL not yet obeyed", extra={"actor": self.name})
            if child.pid is None:
                self._hung()

    def _end_failed(self, end: asyncio.Task[None], child: Child) -> None:
        if not end.cancelled() and end.exception() is not None:
            child.signal(signal.SIGKILL)
            self._safely(end.result)

    def _dead(self, death: Death) -> None:
        self._cancel_deadline()
        if self._work is not None:
            self._work.over()
        self._hear_first_word()
        untold = not (self._failed or self.is_ending) and self.state == "starting"
        if untold and death == by_exit(EXIT_START_FAILED) and self.is_actor:
            self._late_word = self._loop.call_later(_LAST_WORD_S, self._concluded, death)
        else:
            self._concluded(death)

    def _concluded(self, death: Death) -> None:
        self._late_word = None
        child, self.child = self.child, None
        if child is not None:
            self._abandoned = child.abandoned
        if self._asked:
            death = Death("asked", self._asked)
        elif self._doom is not None:
            death = self._doom
        elif self._failed:
            death = Death("start failed")
        elif self.is_actor and death == by_exit(EXIT_STUCK):
            death = Death("hang", "hang, a message was not handled")
        elif self.state == "starting" and death.kind != "unborn":
            last = f": {child.output.last_line}" if child and not self.is_actor else ""
            self._fail(f"ended before it was ready ({death}){last}", "the log says more")
            death = Death("start failed", f"start failed ({death})")
        self._over.set()
        self._on_death(self, death, self._ran_well_s())

    def _ran_well_s(self) -> float:
        if self._well_since is None:
            return 0.0
        until = self._loop.time() if self._well_until is None else self._well_until
        return until - self._well_since

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

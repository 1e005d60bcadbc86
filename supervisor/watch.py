"""Watching those that run: heartbeats, their own word on their health, memory, processor time."""

import asyncio
import logging
import signal
import time
from dataclasses import dataclass, field

from actors.messages import Heartbeat
from actors.settings.supervision import Supervisor as Policy

from .ceiling import Ceiling, Load, Measure
from .complaint import Complaint
from .death import Death, by_exit
from .member import Member
from .pulse import Pulses, Slow, Stuck
from .usage import KernelKills, usage_of

log = logging.getLogger(__name__)

_BEATS_MISSED = 3
_MEASURE_S = 10.0
"""Between two looks at memory and processor time."""


@dataclass
class _Watched:
    member: Member
    complaint: Complaint
    memory: Ceiling
    cpu: Ceiling
    load: Load = field(default_factory=Load)
    health: str = "ok"
    trouble: str = ""
    quiet: bool = False
    """A restart now would disturb nobody. An actor's last heartbeat says so; a program cannot."""


def heartbeat_of(policy: Policy) -> float:
    """Seconds between two heartbeats: three in a row must be missing for an actor to be slow."""
    return policy.slow_after / _BEATS_MISSED


class Watch:
    """Judges the running members and has them replaced. Make and use it in the loop."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._loop = asyncio.get_running_loop()
        self._pulses = Pulses(policy.slow_after, _suspended_s())
        self._watched: dict[str, _Watched] = {}
        self._running: set[str] = set()
        self._kernel_kills = KernelKills()
        self._look_timer: asyncio.TimerHandle | None = None
        self._measure_timer: asyncio.TimerHandle | None = None

    def change(self, policy: Policy) -> None:
        """Other rules from now on; what was known is judged anew."""
        running = [self._watched[name].member for name in self._running]
        self.close()
        self._policy = policy
        self._pulses = Pulses(policy.slow_after, _suspended_s())
        self._watched.clear()
        for member in running:
            self.ready(member)

    def ready(self, member: Member) -> None:
        """It runs: watch it."""
        rules = member.spec.rules
        watched = self._watched.get(member.name)
        if watched is None:
            watched = self._watched[member.name] = _Watched(
                member,
                Complaint(rules.unhealthy_after),
                Ceiling(*rules.memory_mib),
                Ceiling(*rules.cpu_percent),
            )
        watched.health, watched.trouble, watched.quiet = "ok", "", not member.is_actor
        watched.complaint.started()
        for each in (watched.memory, watched.cpu, watched.load):
            each.restarted()
        self._running.add(member.name)
        if member.is_actor:
            stuck_after = rules.stuck_after or self._policy.stuck_after
            self._pulses.ready(member.name, self._loop.time(), stuck_after)
            self._arm_look()
        self._arm_measure()

    def gone(self, member: Member, death: Death) -> Death:
        """It has ended; returns how, as far as more is known of it here."""
        self._running.discard(member.name)
        self._pulses.gone(member.name)
        if death == by_exit(-signal.SIGKILL) and self._kernel_kills.look():
            return Death("memory", "memory, killed by the kernel")
        return death

    def beat(self, member: Member, beat: Heartbeat) -> None:
        """It has something to say of itself."""
        if member.name in self._running:
            watched = self._watched[member.name]
            watched.health, watched.trouble = beat.health, beat.trouble
            watched.quiet = beat.quiet and not beat.mailbox
            self._judge_health(watched)

    def _judge_health(self, watched: _Watched) -> None:
        member, health = watched.member, watched.health
        if not member.is_ending and watched.complaint.heard(health, self._loop.time()):
            log.error("actor unwell", extra={"actor": member.name, "health": health})
            member.replace(Death("unhealthy", f"unhealthy: {health}"))

    def health(self, member: Member) -> str:
        """In a few words, for the status."""
        if member.name not in self._running:
            return member.failure.error if member.failure is not None else member.state
        self._listen(member)
        if silent_s := self._pulses.silent_s(member.name, self._loop.time()):
            return f"no heartbeat for {silent_s:.0f} s"
        watched = self._watched[member.name]
        return watched.health if watched.health != "ok" else watched.trouble or "ok"

    def close(self) -> None:
        """Watch no more."""
        for timer in (self._look_timer, self._measure_timer):
            if timer is not None:
                timer.cancel()
        self._look_timer = self._measure_timer = None
        self._running.clear()

    def _listen(self, member: Member) -> None:
        child = member.child
        if child is not None and self._pulses.beat(member.name, child.heart.last_beat):
            log.info("actor beats again", extra={"actor": member.name})

    # -- heartbeats ------------------------------------------------------------------------------

    def _arm_look(self) -> None:
        """One timer for all: a heartbeat costs none, and whoever is due first has it."""
        if (due := self._pulses.due()) is None:
            return
        if self._look_timer is not None:
            if self._look_timer.when() <= due:
                return
            self._look_timer.cancel()
        self._look_timer = self._loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        self._look_timer = None
        try:
            self._judge_pulses(due)
        finally:
            self._arm_look()

    def _judge_pulses(self, due: float) -> None:
        for name in list(self._running):
            self._listen(self._watched[name].member)
            self._judge_health(self._watched[name])
        now = self._loop.time()
        for found in self._pulses.look(now, late_s=now - due, suspended_s=_suspended_s()):
            member = self._watched[found.name].member
            silent_s = round(found.silent_s, 1)
            match found:
                case Slow():
                    log.warning("actor slow", extra={"actor": found.name, "silent_s": silent_s})
                case Stuck():
                    log.error("actor stuck", extra={"actor": found.name, "silent_s": silent_s})
                    doom = Death("hang", f"hang, no heartbeat for {silent_s:g} s")
                    member.kill(doom, found.silent_s)

    # -- memory and processor --------------------------------------------------------------------

    def _arm_measure(self) -> None:
        if self._measure_timer is None and any(
            self._watched[name].memory or self._watched[name].cpu for name in self._running
        ):
            self._measure_timer = self._loop.call_later(_MEASURE_S, self._measure)

    def _measure(self) -> None:
        self._measure_timer = None
        try:
            self._judge_usage()
        finally:
            self._arm_measure()

    def _judge_usage(self) -> None:
        self._kernel_kills.look()
        now = self._loop.time()
        for name in list(self._running):
            watched = self._watched[name]
            if not (watched.memory or watched.cpu) or watched.member.child is None:
                continue
            usage = usage_of(watched.member.child.pid)
            mib = round(usage.rss_mib)
            self._judge(watched, watched.memory.judge(mib), Death("memory", f"memory {mib} MiB"))
            if (percent := watched.load.sample(now, usage.cpu_s)) is not None:
                doom = Death("cpu", f"cpu {percent:.0f} %")
                self._judge(watched, watched.cpu.judge(percent), doom)

    def _judge(self, watched: _Watched, measure: Measure, doom: Death) -> None:
        member = watched.member
        if member.is_ending:
            return
        match measure:
            case Measure.WARNING:
                log.warning(
                    "actor past its ceiling", extra={"actor": member.name, "uses": str(doom)}
                )
            case Measure.AT_A_QUIET_MOMENT if watched.quiet:
                member.replace(doom)
            case Measure.AT_ONCE:
                log.error("actor past its limit", extra={"actor": member.name, "uses": str(doom)})
                member.replace(doom)


def _suspended_s() -> float:
    """Seconds that this machine has slept since it was booted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)

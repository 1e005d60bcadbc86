"""What can be done to a running terminal: what each fault does, to whom, and its undoing."""

import errno
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .garbage import throw_garbage
from .hang import Hang, may_trace
from .network import Outage, may_filter

SUPERVISOR = "supervisor"
"""With it everything goes. Nobody but the drill replaces it, who therefore only kills it."""
_PULSE_STOPPED_S, _PULSE_RUNNING_S = 0.09, 0.03
DROPPED_PERCENT = 20


@dataclass(frozen=True)
class Scene:
    """Where a fault is to happen."""

    backend: str
    """``livekit`` or ``practice``."""
    actors: tuple[str, ...]
    """Those that run."""
    sockets: tuple[str, ...] = ()
    """Names of those that are bound."""


@dataclass(frozen=True)
class Victim:
    """Whom a fault hits."""

    name: str
    """Of an actor, or of a socket."""
    pid: int
    """Of the actor; of a socket's fault: of the supervisor."""
    runtime_dir: Path
    microphone: Path | None = None
    """The file that is one for the terminal."""


@dataclass(frozen=True)
class Fault:
    """``strike(victim)`` does it on entering and undoes it on leaving; it raises ``OSError`` when
    this victim cannot be hit.
    """

    name: str
    what: str
    """In a few words, for people."""
    strike: Callable[[Victim], AbstractContextManager[object]]
    targets: Callable[[Scene], tuple[str, ...]]
    """Whom it can hit."""
    obstacle: Callable[[Scene], str] = lambda _scene: ""
    """Why it cannot be done here; empty: it can."""
    replaces: bool = False
    """Its victim is a process that is to be found and replaced; else it is to live on."""
    holds_s: float = 0.0
    """How long it lasts, when nobody is replaced."""
    deafens: bool = False
    """It takes the microphone away."""


# -- what is done ---------------------------------------------------------------------------------


@contextmanager
def _kill(victim: Victim) -> Iterator[None]:
    os.kill(victim.pid, signal.SIGKILL)
    yield


@contextmanager
def _stop(victim: Victim) -> Iterator[None]:
    os.kill(victim.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGCONT)


@contextmanager
def _slow(victim: Victim) -> Iterator[None]:
    over = threading.Event()
    pulses = threading.Thread(target=_pulse, args=(victim.pid, over), name="pulses")
    pulses.start()
    try:
        yield
    finally:
        over.set()
        pulses.join()


def _pulse(pid: int, over: threading.Event) -> None:
    with suppress(ProcessLookupError):
        while not over.wait(_PULSE_RUNNING_S):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(_PULSE_STOPPED_S)
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _corrupt(victim: Victim) -> Iterator[None]:
    throw_garbage(victim.runtime_dir / f"{victim.name}.sock")
    yield


@contextmanager
def _disk_full(victim: Victim) -> Iterator[None]:
    before = resource.prlimit(victim.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(victim.pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(victim.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def _unplug(victim: Victim) -> Iterator[None]:
    if victim.microphone is None:
        raise OSError(errno.ENODEV, "there is no microphone to be pulled out")
    away = victim.microphone.with_suffix(".unplugged")
    victim.microphone.rename(away)
    try:
        yield
    finally:
        away.rename(victim.microphone)


# -- to whom --------------------------------------------------------------------------------------


def _everyone(scene: Scene) -> tuple[str, ...]:
    return scene.actors


def _everyone_and_who_watches_them(scene: Scene) -> tuple[str, ...]:
    return (*scene.actors, SUPERVISOR)


def _sockets(scene: Scene) -> tuple[str, ...]:
    return scene.sockets


def _only(name: str) -> Callable[[Scene], tuple[str, ...]]:
    return lambda scene: (name,) if name in scene.actors else ()


def _no_network(scene: Scene) -> str:
    return "the practice room has no network" if scene.backend == "practice" else may_filter()


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("kill", "SIGKILL", _kill, _everyone_and_who_watches_them, replaces=True),
        Fault("stop", "SIGSTOP, until it is found and replaced", _stop, _everyone, replaces=True),
        Fault(
            "hang",
            "its main thread stands still, the others go on, until it is found and replaced",
            lambda victim: Hang(victim.pid),
            _everyone,
            lambda _scene: may_trace(),
            replaces=True,
        ),
        Fault("slow", "stopped three quarters of the time for 2 s", _slow, _everyone, holds_s=2.0),
        Fault("corrupt", "garbage on one of the terminal's sockets", _corrupt, _sockets),
        Fault(
            "disk-full",
            "every write of the history to a file is refused for 3 s",
            _disk_full,
            _only("history"),
            holds_s=3.0,
        ),
        Fault(
            "unplug",
            "the microphone is pulled out for 3 s",
            _unplug,
            _only("audio"),
            holds_s=3.0,
            deafens=True,
        ),
        Fault(
            "offline",
            "no packet of the room's connections passes for 3 s",
            lambda victim: Outage(victim.pid, tcp=True),
            _only("room"),
            _no_network,
            holds_s=3.0,
        ),
        Fault(
            "drop",
            f"{DROPPED_PERCENT} % of the room's UDP packets are dropped for 5 s",
            lambda victim: Outage(victim.pid, share=DROPPED_PERCENT),
            _only("room"),
            _no_network,
            holds_s=5.0,
        ),
    )
}
"""By name, in the order in which ``--help`` tells of them."""

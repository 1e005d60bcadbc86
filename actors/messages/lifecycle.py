"""Between the supervisor and its children, on a lane of its own that never crosses the router."""

from typing import Literal

from .base import Message


class Ready(Message, tag="ready", frozen=True):
    """A child has finished ``on_start`` and takes messages. The first thing it says."""

    incarnation: int
    """Which start of this actor speaks, so that a late word of a dead one is not believed."""


class StartFailed(Message, tag="start-failed", frozen=True):
    """A child could not start; it exits right after."""

    incarnation: int
    error: str
    """Type and text of the cause, without secrets."""
    remedy: str = ""
    """What the operator can do, when that is known."""
    mistake: bool = False
    """Somebody has to act before another try can succeed (it raised ``StartError``)."""
    essential: bool = True
    """The terminal is of no use without this actor (its class says so)."""


class Heartbeat(Message, tag="heartbeat", frozen=True):
    """From the actor's own loop, which looks at itself about once a second: sent when there is
    something new to say, or each time when there is no :mod:`actors.runtime.heart`.
    """

    incarnation: int
    mailbox: int
    """Messages waiting to be handled."""
    health: str = "ok"
    """``ok``, or in a few words what the actor itself finds wrong with its flow of data."""
    quiet: bool = False
    """Being restarted now would disturb nobody."""
    trouble: str = ""
    """What is wrong that no new process would mend, in a few words; empty: nothing."""


class Stop(Message, tag="stop", frozen=True):
    """Order to a child: drain, stop, exit 0."""

    grace_s: float
    """Seconds until the supervisor loses patience and sends SIGTERM."""
    of_terminal: bool = False
    """The whole terminal stops, and its next start is a new beginning."""


class ActorUp(Message, tag="actor-up", frozen=True):
    """The named actor is Ready, for the first time or again. Told to every running child."""

    name: str
    incarnation: int


class ActorDown(Message, tag="actor-down", frozen=True):
    """The named actor's process has ended. Told to every running child (OTP's ``DOWN``)."""

    name: str
    incarnation: int
    reason: str
    """How it ended: ``exit 0``, ``signal SIGKILL``, ``start failed`` and so on."""


class GetStatus(Message, tag="get-status", frozen=True):
    """Ask of an operator's program to the supervisor; answered by :class:`Status`."""


class ActorStatus(Message, tag="actor-status", frozen=True):
    """One row of ``callpoint status``; the fields are the operator contract."""

    pid: int | None
    state: str
    """``starting``, ``running``, ``stopping``, ``stopped``; after a death ``backing-off``,
    ``quarantined`` (died too often, tried again now and then), ``ended`` (not to be restarted) or
    ``failed`` (the terminal ends for it)."""
    restarts: int
    """That it was started again after a death that nobody had asked for."""
    last_exit: str | None
    """``exit 0``, ``exit 3``, ``signal SIGSEGV``, ``hang...``, ``memory...``, ``cpu...``,
    ``unhealthy...``, ``start failed...``, ``unknown``, or who has asked for it."""
    uptime_s: float
    rss_mib: float
    cpu_percent: float
    health: str
    """``ok``, what is wrong with it, or why it does not run."""
    essential: bool = True
    """The terminal is of no use without it."""
    kind: Literal["actor", "program"] = "actor"


class Status(Message, tag="status", frozen=True):
    """The supervisor's answer to :class:`GetStatus`."""

    state: str
    """``starting``, ``running`` or ``stopping``."""
    pid: int
    uptime_s: float
    actors: dict[str, ActorStatus]


class RestartActor(Message, tag="restart-actor", frozen=True):
    """Ask to the supervisor: stop and start one actor. Answered when it is Ready again."""

    name: str


class Reload(Message, tag="reload", frozen=True):
    """Ask to the supervisor: read the config file again and do what has changed. Answered by
    :class:`Reloaded` when that is done; a file with anything wrong in it changes nothing.
    """


class Reloaded(Message, tag="reloaded", frozen=True):
    """The supervisor's answer to :class:`Reload`: names of actors and programs."""

    started: tuple[str, ...]
    restarted: tuple[str, ...]
    stopped: tuple[str, ...]


class StopTerminal(Message, tag="stop-terminal", frozen=True):
    """Ask to the supervisor: stop everything and exit 0. Answered before it begins."""

"""The tree as data: which processes a terminal has, in which order, under which rules. No actor is
imported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from actors.settings import Settings
from actors.settings.supervision import (
    ActorSettings,
    Ceiling,
    ProgramSettings,
    RestartType,
    Supervised,
)

Limits = tuple[float | None, float | None]
"""Lower and upper ceiling; None: there is none."""

_NO_LIMITS: Limits = (None, None)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How one child is started, watched and restarted. Times in seconds; 0: as for all."""

    restart: RestartType = "permanent"
    essential: bool | None = None
    """None: as its class says."""
    group: str = ""
    start_timeout: float = 0.0
    stop_grace: float = 0.0
    stuck_after: float = 0.0
    unhealthy_after: float = 0.0
    """0: it may be unwell for ever."""
    preload: bool = False
    """Its module is imported before the fork."""
    memory_mib: Limits = _NO_LIMITS
    cpu_percent: Limits = _NO_LIMITS


@dataclass(frozen=True)
class ActorSpec:
    """An actor of the tree."""

    name: str
    target: str
    """Dotted path, ``package.module:Class``."""
    options: dict[str, Any] = field(default_factory=dict)
    rules: Rules = Rules()
    reads: tuple[str, ...] | None = None
    """Sections of the settings that it reads (``audio``), or keys of them
    (``terminal.state_dir``), so that only their changes concern it; None: it may read any."""


@dataclass(frozen=True)
class ProgramSpec:
    """An external program of the tree."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    credentials: bool = False
    directory: str = ""
    ready: str = ""
    rules: Rules = Rules(essential=False)


Spec = ActorSpec | ProgramSpec

_USUAL = Rules(memory_mib=(400.0, 800.0), cpu_percent=(90.0, None))
"""For built-in actors: several times what each needs; only a leak or a runaway gets there."""

BUILT_IN = (
    ActorSpec("router", "actors.router.process:Router", rules=_USUAL, reads=()),
    ActorSpec("history", "actors.history.process:History", rules=_USUAL, reads=("history",)),
    ActorSpec(
        "session",
        "actors.session.process:SessionActor",
        rules=_USUAL,
        reads=("audio", "livekit", "session"),
    ),
    ActorSpec(
        "audio",
        "actors.audio.process:Audio",
        # A microphone that went away is found again only by a fresh process.
        rules=replace(_USUAL, unhealthy_after=15.0),
        reads=(
            "audio",
            "session",
            "terminal.state_dir",
            "supervisor.intensity",
            "supervisor.period",
        ),
    ),
    ActorSpec("parrot", "actors.parrot.process:Parrot", rules=_USUAL, reads=()),
    ActorSpec(
        "room",
        "actors.room.process:RoomActor",
        # Later than audio, whose silence it complains of too.
        rules=replace(_USUAL, unhealthy_after=45.0),
        reads=("audio", "livekit"),
    ),
    ActorSpec(
        "kiosk",
        "actors.kiosk.process:Kiosk",
        # As its class says, which it may not live long enough to tell.
        rules=replace(_USUAL, essential=False),
        reads=("kiosk", "terminal"),
    ),
)
"""In the order of starting: consumers first, so that stopping in reverse drains by itself."""


def preloadable(specs: Sequence[Spec]) -> tuple[str, ...]:
    """Modules of the actors in a tree whose import does nothing that a fork could not stand: the
    built-in ones, and those of the operator's own of which he has said so.
    """
    known = {spec.target for spec in BUILT_IN}
    modules = (
        spec.target.partition(":")[0]
        for spec in specs
        if isinstance(spec, ActorSpec) and (spec.target in known or spec.rules.preload)
    )
    return tuple(dict.fromkeys(modules))


def tree_of(settings: Settings) -> tuple[Spec, ...]:
    """The children of a terminal with these settings, in the order of starting: programs that are
    wanted before the actors, the built-in actors, the operator's own, the other programs.
    """
    left_out = set()
    if settings.livekit.backend != "practice":
        left_out.add("parrot")
    if not settings.kiosk.enabled:
        left_out.add("kiosk")
    names = {spec.name for spec in BUILT_IN}
    built_in = (
        _changed(spec, settings.actors.get(spec.name))
        for spec in BUILT_IN
        if spec.name not in left_out
    )
    own = (
        _changed(ActorSpec(name, ""), actor)
        for name, actor in settings.actors.items()
        if name not in names
    )
    programs = settings.programs.items()
    return (
        *(_program(name, program) for name, program in programs if program.starts == "before"),
        *built_in,
        *own,
        *(_program(name, program) for name, program in programs if program.starts == "after"),
    )


def _changed(spec: ActorSpec, actor: ActorSettings | None) -> ActorSpec:
    if actor is None:
        return spec
    usual = spec.rules
    unhealthy = actor.unhealthy_after
    rules = _rules(
        actor,
        usual,
        essential=usual.essential if actor.essential == "auto" else actor.essential,
        stuck_after=actor.stuck_after,
        unhealthy_after=(
            usual.unhealthy_after
            if unhealthy == "auto"
            else 0.0
            if unhealthy == "off"
            else unhealthy
        ),
        preload=actor.preload,
    )
    # Another class in place of a built-in actor may read what it likes.
    reads = None if actor.target else spec.reads
    return ActorSpec(spec.name, actor.target or spec.target, dict(actor.options), rules, reads)


def _program(name: str, program: ProgramSettings) -> ProgramSpec:
    return ProgramSpec(
        name,
        tuple(program.command),
        dict(program.environment),
        program.credentials,
        program.directory,
        program.ready,
        _rules(program, Rules(), essential=program.essential),
    )


def _rules(child: Supervised, usual: Rules, **own: Any) -> Rules:
    return Rules(
        restart=child.restart,
        group=child.group,
        start_timeout=child.start_timeout,
        stop_grace=child.stop_grace,
        memory_mib=_limits((child.memory_mib, child.memory_max_mib), usual.memory_mib),
        cpu_percent=_limits((child.cpu_percent, child.cpu_max_percent), usual.cpu_percent),
        **own,
    )


def _limits(given: tuple[Ceiling, Ceiling], usual: Limits) -> Limits:
    lower, upper = (
        known if ceiling == "auto" else None if ceiling == "off" else float(ceiling)
        for ceiling, known in zip(given, usual, strict=True)
    )
    if lower is not None and upper is not None and lower > upper:
        return (lower, None) if given[1] == "auto" else (None, upper)  # the operator's own counts
    return lower, upper

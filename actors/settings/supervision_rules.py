"""What can never work in the sections about supervision."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from .model import BUILT_IN_ACTORS, Settings
from .problems import Finding, Path
from .suggest import did_you_mean
from .supervision import Ceiling, ProgramSettings, Supervised

_RESERVED = ("supervisor",)
"""Names that others have on the bus; a client's begins with ``client-``."""


def impossible_supervision(settings: Settings) -> Iterator[Finding]:
    """All that is wrong with ``[supervisor]``, ``[actors.*]`` and ``[programs.*]`` together."""
    yield from _backoff(settings)
    yield from _heartbeats(settings)
    yield from _actors(settings)
    for name, actor in settings.actors.items():
        yield from _supervised(("actors", name), actor, settings)
        slow = settings.supervisor.slow_after
        if actor.stuck_after and actor.stuck_after <= slow:
            what = f"must be above supervisor.slow_after ({slow:g})"
            yield Finding(("actors", name, "stuck_after"), what)
    for name, program in settings.programs.items():
        yield from _program(("programs", name), name, program, settings)
        yield from _supervised(("programs", name), program, settings)


def _backoff(settings: Settings) -> Iterator[Finding]:
    supervisor = settings.supervisor
    if supervisor.backoff_max < supervisor.backoff_initial:
        what = f"must not be below backoff_initial ({supervisor.backoff_initial:g})"
        yield Finding(("supervisor", "backoff_max"), what)


def _actors(settings: Settings) -> Iterator[Finding]:
    for name, actor in settings.actors.items():
        path = ("actors", name)
        if name in _RESERVED or name.startswith("client-"):
            yield Finding(path, "this name is taken", "choose another")
        elif actor.target:
            module, colon, cls = actor.target.partition(":")
            if not (
                colon and cls.isidentifier() and all(p.isidentifier() for p in module.split("."))
            ):
                yield Finding((*path, "target"), "must be package.module:Class")
        elif name not in BUILT_IN_ACTORS:
            otherwise = 'an actor of your own needs target = "package.module:Class"'
            remedy = did_you_mean(name, BUILT_IN_ACTORS, otherwise)
            yield Finding(path, "no built-in actor has this name", remedy)


def _heartbeats(settings: Settings) -> Iterator[Finding]:
    policy = settings.supervisor
    if policy.stuck_after <= policy.slow_after:
        what = f"must be above slow_after ({policy.slow_after:g})"
        yield Finding(("supervisor", "stuck_after"), what)


def _supervised(path: Path, child: Supervised, settings: Settings) -> Iterator[Finding]:
    groups = settings.supervisor.groups
    if child.group and child.group not in groups:
        remedy = did_you_mean(child.group, groups, f"add [supervisor.groups.{child.group}]")
        yield Finding((*path, "group"), "there is no such group", remedy)
    for lower, upper in (("memory_mib", "memory_max_mib"), ("cpu_percent", "cpu_max_percent")):
        if _above(getattr(child, lower), getattr(child, upper)):
            yield Finding((*path, upper), f"must not be below {lower} ({getattr(child, lower)})")


def _above(lower: Ceiling, upper: Ceiling) -> bool:
    return isinstance(lower, int) and isinstance(upper, int) and lower > upper


def _program(
    path: Path, name: str, program: ProgramSettings, settings: Settings
) -> Iterator[Finding]:
    taken = (*BUILT_IN_ACTORS, *settings.actors, *_RESERVED)
    if name in taken or name.startswith("client-"):
        yield Finding(path, "this name is taken", "choose another")
    if not program.command:
        yield Finding(path, "a program needs a command", 'command = ["PROGRAM", "ARGUMENT"]')
    for key, value in program.environment.items():
        if not key or "=" in key or "\0" in key + value:
            yield Finding((*path, "environment", key), "no environment can hold this")
    if program.ready and not _answers(program.ready):
        what = "must be tcp://HOST:PORT or http://HOST:PORT/PATH"
        yield Finding((*path, "ready"), what)


def _answers(address: str) -> bool:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.username or parts.password:
        return False
    if parts.scheme == "tcp":
        return bool(port) and not parts.path.strip("/")
    return parts.scheme == "http"

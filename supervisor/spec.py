"""The tree as data: which actors a terminal has, in which order. No actor is imported."""

from dataclasses import dataclass, field
from typing import Any

from actors.settings import Settings


@dataclass(frozen=True)
class ActorSpec:
    """One child of the supervisor."""

    name: str
    target: str
    """Dotted path, ``package.module:Class``."""
    options: dict[str, Any] = field(default_factory=dict)


BUILT_IN = (
    ActorSpec("router", "actors.router.process:Router"),
    ActorSpec("history", "actors.history.process:History"),
    ActorSpec("session", "actors.session.process:SessionActor"),
    ActorSpec("audio", "actors.audio.process:Audio"),
    ActorSpec("parrot", "actors.parrot.process:Parrot"),
    ActorSpec("room", "actors.room.process:RoomActor"),
    ActorSpec("kiosk", "actors.kiosk.process:Kiosk"),
)
"""In the order of starting: consumers first, so that stopping in reverse drains by itself."""


def tree_of(settings: Settings) -> tuple[ActorSpec, ...]:
    """The actors of a terminal with these settings: the built-in ones, then the operator's own."""
    left_out = set()
    if settings.livekit.backend != "practice":
        left_out.add("parrot")
    if not settings.kiosk.enabled:
        left_out.add("kiosk")
    names = {spec.name for spec in BUILT_IN}
    changed = {name: own for name, own in settings.actors.items() if name in names}
    built_in = tuple(
        ActorSpec(
            spec.name,
            (name_settings.target or spec.target) if name_settings else spec.target,
            dict(name_settings.options) if name_settings else {},
        )
        for spec in BUILT_IN
        if spec.name not in left_out
        for name_settings in (changed.get(spec.name),)
    )
    own = tuple(
        ActorSpec(name, actor.target, dict(actor.options))
        for name, actor in settings.actors.items()
        if name not in names
    )
    return built_in + own

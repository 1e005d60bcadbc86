"""What is wished for, as ``FAULT`` or ``FAULT:TARGET``, beside what there is and can be done."""

from collections.abc import Collection, Mapping, Sequence

from actors.settings import Settings
from actors.settings.suggest import nearest
from supervisor.spec import ActorSpec, tree_of

from .faults import FAULTS, Fault, Scene
from .plan import Blow


class UnknownFault(ValueError):
    """There is no such fault, or nobody of this name whom it can hit; says what there is."""

    def __init__(self, reason: str, name: str, names: Collection[str], listed: str) -> None:
        found = nearest(name, names)
        meant = f'did you mean "{found}"? ' if found else ""
        self.reason = reason
        self.remedy = f"{meant}{listed}: {', '.join(sorted(names))}"
        super().__init__(f"{self.reason}; {self.remedy}")


def fault_named(name: str) -> Fault:
    """Raises ``UnknownFault``."""
    if name not in FAULTS:
        raise UnknownFault(f"there is no fault {name!r}", name, FAULTS, "there are")
    return FAULTS[name]


def check_target(fault: str, target: str, targets: Collection[str]) -> None:
    """Raises ``UnknownFault`` when it is none of those that this fault can hit."""
    if target not in targets:
        raise UnknownFault(f"{fault} cannot hit {target!r}", target, targets, f"{fault} can hit")


def check(wishes: Sequence[str], settings: Settings) -> None:
    """Before anything runs, when sockets are not known yet. Raises ``UnknownFault``."""
    actors = tuple(spec.name for spec in tree_of(settings) if isinstance(spec, ActorSpec))
    scene = Scene(settings.livekit.backend, actors)
    for wish in wishes:
        name, colon, target = wish.partition(":")
        targets = fault_named(name).targets(scene)
        if colon and targets:
            check_target(name, target, targets)


def chosen(wishes: Sequence[str], possible: Collection[Blow]) -> tuple[Blow, ...]:
    """What of the possible is wished for; no wish: everything.

    Raises:
        UnknownFault: a wish that fits nothing.

    """
    if not wishes:
        return tuple(sorted(possible))
    found: set[Blow] = set()
    for wish in wishes:
        name, colon, target = wish.partition(":")
        fits = {blow for blow in possible if blow.fault == fault_named(name).name}
        if colon:
            check_target(name, target, {blow.target for blow in fits})
            fits = {Blow(name, target)}
        found |= fits
    return tuple(sorted(found))


def possible(scene: Scene) -> tuple[set[Blow], dict[str, str]]:
    """What can be done there; and what cannot, by fault, with the reason."""
    blows: set[Blow] = set()
    not_done: dict[str, str] = {}
    for name, fault in FAULTS.items():
        if why := fault.obstacle(scene):
            not_done[name] = why
        elif targets := fault.targets(scene):
            blows |= {Blow(name, target) for target in targets}
        else:
            not_done[name] = "nobody runs whom it could hit"
    return blows, not_done


def cannot(wishes: Collection[str], not_done: Mapping[str, str]) -> dict[str, str]:
    """Of what is wished for: what cannot be done here, with the reason. No wish: everything."""
    asked = {wish.partition(":")[0] for wish in wishes}
    return {name: why for name, why in not_done.items() if not asked or name in asked}

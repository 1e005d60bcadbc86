"""From the specs and the config to the units that restart together. Pure."""

from collections.abc import Callable, Sequence

from actors.settings.supervision import Strategy
from actors.settings.supervision import Supervisor as Policy

from .restart import BackOff, Windows
from .spec import Spec
from .unit import Unit


def units_of(
    specs: Sequence[Spec],
    policy: Policy,
    essential: Callable[[str], bool],
    chance: Callable[[], float],
) -> dict[str, Unit]:
    """The unit of each child, by the child's name. ``essential`` and ``chance``: as
    :class:`Unit` takes them.

    A child without a group is a unit of its own. A group whose members restart alone is one unit
    for each of them, with one count of restarts for all.
    """
    back_off = BackOff(policy.backoff_initial, policy.backoff_max, policy.backoff_reset)
    units: dict[str, Unit] = {}

    def unite(members: Sequence[Spec], strategy: Strategy, windows: Windows) -> None:
        types = {member.name: member.rules.restart for member in members}
        unit = Unit(types, essential, strategy, windows, back_off, policy.quarantine, chance)
        units.update(dict.fromkeys(types, unit))

    for spec in specs:
        if not spec.rules.group:
            unite([spec], "one_for_one", Windows.of(policy.intensity, policy.period))
    for name, group in policy.groups.items():
        windows = Windows.of(policy.intensity, policy.period)
        members = [spec for spec in specs if spec.rules.group == name]
        if group.strategy == "one_for_one":
            for member in members:
                unite([member], group.strategy, windows)
        else:
            unite(members, group.strategy, windows)
    return units

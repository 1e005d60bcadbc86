"""What a changed config asks for: who is stopped, who is started, who just goes on. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from actors.settings import Finding, Settings

from .spec import ActorSpec, Rules, Spec


@dataclass(frozen=True)
class Changes:
    """Names; what is in both was changed and is started anew."""

    stop: tuple[str, ...]
    """In the order of stopping."""
    start: tuple[str, ...]
    """In the order of starting."""

    @property
    def restarted(self) -> tuple[str, ...]:
        """Those that run again, in the order of starting."""
        return tuple(name for name in self.start if name in self.stop)


def changes(old: Settings, new: Settings, before: Sequence[Spec], after: Sequence[Spec]) -> Changes:
    """Compare two configs, with the trees that follow from them. Rules that the supervisor alone
    goes by (restart type, deadlines, ceilings) need no restart.
    """
    differing = set(_differing(old, new))
    all_anew = (
        old.terminal.log_level != new.terminal.log_level
        or old.supervisor.slow_after != new.supervisor.slow_after  # their heartbeats follow it
    )
    was = {spec.name: spec for spec in before}
    will = {spec.name: spec for spec in after}

    def changed(spec: Spec) -> bool:
        if _process(was[spec.name]) != _process(spec):
            return True
        if not isinstance(spec, ActorSpec):
            return False
        return all_anew or bool(differing if spec.reads is None else differing & set(spec.reads))

    anew = {spec.name for spec in after if spec.name in was and changed(spec)}
    return Changes(
        stop=tuple(name for name in reversed(was) if name in anew or name not in will),
        start=tuple(name for name in will if name in anew or name not in was),
    )


def _differing(old: Settings, new: Settings) -> Iterator[str]:
    """Sections that actors read, as ``audio``, and what it is in them, as ``audio.loop``."""
    for section in set(Settings.__struct_fields__) - {"supervisor", "actors", "programs"}:
        before, after = getattr(old, section), getattr(new, section)
        if before != after:
            yield section
            for key in before.__struct_fields__:
                if getattr(before, key) != getattr(after, key):
                    yield f"{section}.{key}"


def _process(spec: Spec) -> Spec:
    """What the process itself is made of."""
    return replace(spec, rules=Rules())


def immovable(old: Settings, new: Settings) -> list[Finding]:
    """What cannot be changed while the terminal runs."""
    if old.terminal.runtime_dir == new.terminal.runtime_dir:
        return []
    what = "cannot be changed while the terminal runs"
    return [Finding(("terminal", "runtime_dir"), what, "stop the terminal and start it again")]

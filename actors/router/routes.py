"""Who gets what. Pure: decides, sends nothing."""

from dataclasses import dataclass, field

from actors.messages import Header, Kind

_BROADCAST: frozenset[Kind] = frozenset({"fact", "state", "level"})


MAX_SNAPSHOTS = 256
"""A terminal has about ten; more are some program's mistake, and the oldest go."""

MAX_SUBSCRIPTIONS = 256
"""Tags one process may ask for; more are ignored."""

JOINS_BETWEEN_LOOKS = 256
"""Who is killed does not leave; its name stays until somebody looks, or would tell it something."""


@dataclass
class Routes:
    """Subscriptions and the last snapshots of a terminal."""

    _subscribers: dict[str, dict[str, None]] = field(default_factory=dict)
    """By tag, the names in the order in which they joined."""
    _snapshots: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """By tag and sender, the frame as it came."""
    _joins: int = 0
    """Since there was last a look for who is gone."""

    def join(self, name: str, tags: tuple[str, ...]) -> list[bytes]:
        """Subscribe ``name`` to just these tags; returns the snapshots it has missed."""
        self.leave(name)
        self._joins += 1
        for tag in tags[:MAX_SUBSCRIPTIONS]:
            self._subscribers.setdefault(tag, {})[name] = None
        return [frame for (tag, _), frame in self._snapshots.items() if tag in tags]

    def leave(self, name: str) -> None:
        """Forget a subscriber; not knowing it is no fault."""
        for tag, names in list(self._subscribers.items()):
            names.pop(name, None)
            if not names:
                del self._subscribers[tag]

    def to_look_for(self) -> set[str]:
        """Call after a join: all names, once there were so many joins that some may be gone."""
        if self._joins < JOINS_BETWEEN_LOOKS:
            return set()
        self._joins = 0
        return {name for names in self._subscribers.values() for name in names}

    def subscribers(self, tag: str) -> tuple[str, ...]:
        """Who wants it."""
        return tuple(self._subscribers.get(tag, ()))

    def audience(self, header: Header, frame: bytes) -> list[str]:
        """Who gets a frame that is for nobody by name. A snapshot is kept for those who join later;
        what is not meant for everybody is for nobody.
        """
        if header.kind not in _BROADCAST:
            return []
        if header.kind == "state":
            self._keep((header.topic, header.sender), frame)
        return [name for name in self._subscribers.get(header.topic, ()) if name != header.sender]

    def _keep(self, key: tuple[str, str], frame: bytes) -> None:
        self._snapshots[key] = frame
        if len(self._snapshots) > MAX_SNAPSHOTS:
            del self._snapshots[next(iter(self._snapshots))]

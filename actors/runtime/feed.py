"""What is still to be told to one observer: bounded, the latest of each thing instead of all."""

import itertools
from typing import Generic, TypeVar

T = TypeVar("T")

CAPACITY = 256
"""Items waiting: more has changed than anybody reads one by one. It is then cheaper to begin again
with a snapshot."""


class Feed(Generic[T]):
    """Items in the order in which their things first changed. Pure.

    Who reads slowly gets fewer, later items, never stale ones.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._items: dict[str, T] = {}
        self._answers = itertools.count()

    def put(self, key: str, item: T) -> bool:
        """Add an item, in place of a waiting one of the same key (empty: stands for itself).

        False: full; nothing was added.
        """
        key = key or f"answer {next(self._answers)}"
        if key not in self._items and len(self._items) >= self._capacity:
            return False
        self._items[key] = item
        return True

    def restart(self, snapshot: T) -> None:
        """Begin again with a snapshot: it covers all that waits, except what stands for itself."""
        answers = [(key, kept) for key, kept in self._items.items() if key.startswith("answer ")]
        self._items = dict([("snapshot", snapshot), *answers])

    def take(self) -> T | None:
        """The next item; None: nothing waits."""
        key = next(iter(self._items), None)
        return None if key is None else self._items.pop(key)

    def __len__(self) -> int:
        return len(self._items)

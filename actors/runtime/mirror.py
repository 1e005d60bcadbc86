"""The session's list of messages, as somebody else keeps it: folded from facts, and asked for anew
whenever facts may have passed by. Pure.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mirror(Generic[T]):
    """Messages by id, in list order; the newest ``capacity`` of them."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kept: dict[str, T] = {}
        self._touched: set[str] = set()
        self._is_expecting = False

    def all(self) -> tuple[T, ...]:
        """In order."""
        return tuple(self._kept.values())

    def put(self, id_: str, message: T) -> bool:
        """It has appeared or changed; False: it is as it was."""
        self._touch(id_)
        if self._kept.get(id_) == message:
            return False
        self._kept[id_] = message
        self._trim()
        return True

    def purge(self, id_: str) -> bool:
        """It is withdrawn; False: it was not there."""
        self._touch(id_)
        return self._kept.pop(id_, None) is not None

    def expect_list(self) -> None:
        """The session is being asked for its list; call before the question is sent."""
        self._touched.clear()
        self._is_expecting = True

    def take_list(self, messages: Iterable[tuple[str, T]]) -> None:
        """The session's answer, ids with messages: what has changed since it was asked is newer
        than it says.

        Facts and the answer come one after the other, but are handled each in its own time: for
        a message that was spoken of meanwhile, the last fact decides (or one still to come).
        """
        ours = self._kept
        self._kept = {}
        for id_, message in messages:
            if id_ not in self._touched:
                self._kept[id_] = message
            elif id_ in ours:
                self._kept[id_] = ours[id_]
        for id_, message in ours.items():
            if id_ in self._touched:
                self._kept.setdefault(id_, message)
        self._touched.clear()
        self._is_expecting = False
        self._trim()

    def _touch(self, id_: str) -> None:
        if self._is_expecting:
            self._touched.add(id_)

    def _trim(self) -> None:
        while len(self._kept) > self._capacity:
            del self._kept[next(iter(self._kept))]

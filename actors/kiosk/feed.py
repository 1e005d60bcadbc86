"""What is still to be sent to one page: bounded, and the latest of each thing instead of all."""

import itertools

CAPACITY = 256
"""Frames waiting: more than a whole page of different messages has changed unseen. It is then
cheaper to begin again with a snapshot."""


class Feed:
    """Frames in the order in which their things first changed. Pure.

    A page that reads slowly gets fewer, later frames, never stale ones.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._frames: dict[str, str] = {}
        self._answers = itertools.count()

    def put(self, key: str, text: str) -> bool:
        """Add a frame, in place of a waiting one of the same key (empty: stands for itself).

        False: full; nothing was added.
        """
        key = key or f"answer {next(self._answers)}"
        if key not in self._frames and len(self._frames) >= self._capacity:
            return False
        self._frames[key] = text
        return True

    def restart(self, text: str) -> None:
        """Begin again with a snapshot: it covers all that waits, except the answers to orders."""
        answers = [(key, kept) for key, kept in self._frames.items() if key.startswith("answer ")]
        self._frames = dict([("snapshot", text), *answers])

    def take(self) -> str | None:
        """The next frame to be sent; None: nothing waits."""
        key = next(iter(self._frames), None)
        return None if key is None else self._frames.pop(key)

    def __len__(self) -> int:
        return len(self._frames)

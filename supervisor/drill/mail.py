"""Messages to the agent, sent until they are accepted, and looked for in the history."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from actors.runtime.errors import OrderFailed

from .terminal import CommandFailed

EVERY_S = 1.0
_AGAIN_S = 0.1
_GIVE_UP_S = 60.0
_KEPT_EVERY = 100
"""The history shows its newest thousand: it is looked at before so many are more."""

Say = Callable[[str, str], str]
"""Sends a text under an id. Raises ``OrderFailed``."""
History = Callable[[], Sequence[Mapping[str, Any]]]
"""The newest messages, oldest first. Raises ``CommandFailed`` while they cannot be read."""


class Mailbox:
    """What was accepted, in order, and what of it is kept."""

    def __init__(self, say: Say, history: History) -> None:
        self._say = say
        self._history = history
        self._seen: dict[str, str] = {}
        self._looked_at = 0
        """So many were sent when the history was last seen."""
        self.sent: list[str] = []
        """Texts that were accepted."""
        self.refused: list[str] = []
        """Texts that were not, or not for sure, and whoever wrote them knows."""

    def send(self, text: str, over: threading.Event | None = None) -> bool:
        """Send it, and again under the same id while it is refused, for a minute or until ``over``
        is set; returns whether it was accepted.
        """
        id_, give_up = str(uuid.uuid4()), time.monotonic() + _GIVE_UP_S
        over = over or threading.Event()
        while not self._try(text, id_):
            if over.wait(_AGAIN_S) or time.monotonic() > give_up:
                self.refused.append(text)
                return False
        self.sent.append(text)
        if len(self.sent) - self._looked_at >= _KEPT_EVERY:
            self._look()
        return True

    def _try(self, text: str, id_: str) -> bool:
        try:
            self._say(text, id_)
        except OrderFailed:
            return False
        return True

    def kept(self) -> list[str]:
        """All texts of the history since the beginning; waits a while for those that are still
        under way.
        """
        give_up = time.monotonic() + _GIVE_UP_S / 4
        while True:
            self._look()
            kept = list(self._seen.values())
            if set(self.sent) <= set(kept) or time.monotonic() > give_up:
                return kept
            time.sleep(_AGAIN_S)

    def _look(self) -> None:
        """Or not, while a fault keeps the history from being read: then after the next message."""
        try:
            messages = self._history()
        except CommandFailed:
            return
        self._looked_at = len(self.sent)
        # An agent that repeats what it was told may be left with just that of a broken answer.
        written = (message for message in messages if message["kind"] == "user_input")
        shown = {message["id"]: message["text"] for message in written}
        # In the order of the history, in which a late one takes its place among the others.
        before = {id_: text for id_, text in self._seen.items() if id_ not in shown}
        self._seen = {**before, **shown}


class Correspondent:
    """Sends numbered messages, one a second, inside its ``with`` block, which raises what has kept
    it from that: a drill without messages would tell that none was lost.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._over = threading.Event()
        self._thread = ThreadPoolExecutor(1, "correspondent")

    def __enter__(self) -> Self:
        self._writing = self._thread.submit(self._write)
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.shutdown()
        self._writing.result()

    def _write(self) -> None:
        number = 0
        while not self._over.wait(EVERY_S):
            number += 1
            self._mailbox.send(f"drill message {number}", self._over)

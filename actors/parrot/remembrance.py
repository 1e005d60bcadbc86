"""What was said, as an agent keeps it for its language model. Pure."""

from collections import deque
from collections.abc import Callable

from actors.messages import AgentItem

from .transcripts import NewId

KEPT = 200


class Remembrance:
    """The newest messages. ``clock``: Unix seconds."""

    def __init__(self, ids: NewId, clock: Callable[[], float]) -> None:
        self._ids = ids
        self._clock = clock
        self._items: deque[AgentItem] = deque(maxlen=KEPT)

    def add(self, text: str, *, is_user: bool) -> None:
        """The user, or the agent, has said it, as far as it was not cut off."""
        if text.strip():
            self._items.append(AgentItem(self._ids("item_"), is_user, text, self._clock()))

    @property
    def items(self) -> tuple[AgentItem, ...]:
        """Oldest first."""
        return tuple(self._items)

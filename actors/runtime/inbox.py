"""What a receiver knows of the deliveries of each sender: they are handled in order. Pure."""

from actors.messages import Envelope


class Inbox:
    """The counterpart of :class:`actors.runtime.outbox.Outbox`.

    A delivery that a dead process has taken with it, or that was refused, comes again, but those
    after it may be here before it. Each says which one it comes after, as far as its sender knows:
    it is left until that one has come. Left means nothing but not acknowledged, so that it comes
    again, too.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        """Of each sender, the id of the newest that was taken: so were all before it."""

    def take(self, delivery: Envelope) -> bool:
        """Whether its turn has come; it counts as handled then, until it is refused."""
        last = self._last.get(delivery.sender, 0)
        if delivery.after > last:
            return False
        self._last[delivery.sender] = max(delivery.id, last)
        return True

    def refuse(self, delivery: Envelope) -> None:
        """It was taken, but is not handled: nor may any be that comes after it."""
        last = self._last.get(delivery.sender, 0)
        self._last[delivery.sender] = min(delivery.id - 1, last)

    def forget(self, sender: str) -> None:
        """It has died: the next process of that name counts from elsewhere."""
        self._last.pop(sender, None)

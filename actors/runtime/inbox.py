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
        self._in_hand: set[tuple[str, int]] = set()

    def take(self, delivery: Envelope) -> bool:
        """Whether its turn has come, and it is not in hand already; it is then, until it is handled
        or refused.
        """
        sender, number = delivery.sender, delivery.id
        last = self._last.get(sender, 0)
        if delivery.after > last or (sender, number) in self._in_hand:
            return False
        self._last[sender] = max(number, last)
        self._in_hand.add((sender, number))
        return True

    def handle(self, delivery: Envelope) -> None:
        """It is handled. If its sender does not come to know that, it is taken again."""
        self._in_hand.discard((delivery.sender, delivery.id))

    def refuse(self, delivery: Envelope) -> None:
        """It was taken, but is not handled: nor may any be that comes after it."""
        self._in_hand.discard((delivery.sender, delivery.id))
        last = self._last.get(delivery.sender, 0)
        self._last[delivery.sender] = min(delivery.id - 1, last)

    def forget(self, sender: str) -> None:
        """It has died: the next process of that name counts from elsewhere."""
        self._last.pop(sender, None)

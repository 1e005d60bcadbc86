"""What a page may ask for: read from what came, checked, and turned into the session's orders."""

from typing import Annotated

import msgspec
from msgspec import Meta

from actors.messages import DismissError, EndSession, Message, Say, SetMuted, StartSession

MAX_ORDER_BYTES = 16 * 1024
"""Longest WebSocket message a page may send; a longer one ends its connection (code 1009)."""

MAX_TEXT = 4000
"""Characters in a typed message: some pages of print, and within the bytes above whatever they
are."""

OrderId = Annotated[int, Meta(ge=0, le=2**53)]
"""Chosen by the page to know the answer by; a JavaScript number."""


class Order(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """Base of all orders."""

    id: OrderId


class SayOrder(Order, tag="say", frozen=True):
    """Send a typed text to the agent."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
    message: Annotated[str, Meta(pattern="^[0-9a-f-]{36}$")]
    """UUID of the message, so that a page which asks again after a lost answer says it once."""


class StartOrder(Order, tag="start", frozen=True):
    """Begin a conversation."""


class EndOrder(Order, tag="end", frozen=True):
    """End the conversation."""


class MuteOrder(Order, tag="mute", frozen=True):
    """Microphone off or on."""

    muted: bool


class DismissOrder(Order, tag="dismiss", frozen=True):
    """Clear the session's error."""


class WrongOrder(ValueError):
    """What came from a page is no order; ``id`` is its id where that could be read."""

    def __init__(self, reason: str, order_id: int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.id = order_id


class _Numbered(msgspec.Struct):
    id: OrderId


_decode = msgspec.json.Decoder(SayOrder | StartOrder | EndOrder | MuteOrder | DismissOrder).decode
_decode_id = msgspec.json.Decoder(_Numbered).decode


def read_order(text: str) -> Order:
    """Raises :class:`WrongOrder`."""
    try:
        order: Order = _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as mistake:
        raise WrongOrder(str(mistake), _id_of(text)) from mistake
    if isinstance(order, SayOrder) and not order.text.strip():
        raise WrongOrder("there is nothing to say", order.id)
    return order


def _id_of(text: str) -> int | None:
    try:
        return _decode_id(text).id
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def for_session(order: Order) -> Message:
    """The ask to the session."""
    match order:
        case SayOrder(text=text, message=message):
            return Say(text.strip(), message)
        case StartOrder():
            return StartSession()
        case EndOrder():
            return EndSession()
        case MuteOrder(muted=muted):
            return SetMuted(muted)
        case DismissOrder():
            return DismissError()
        case _:
            raise TypeError(order)


class Allowance:
    """A token bucket: so many orders a second, some more at once. ``now``: monotonic seconds."""

    def __init__(self, now: float, *, per_second: float = 5.0, burst: float = 20.0) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more is allowed now."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

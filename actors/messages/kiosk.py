"""Of the kiosk process."""

from .base import Message


class KioskState(Message, tag="kiosk-state", frozen=True):
    """Snapshot of the kiosk: where its page is."""

    address: str
    """http:// address of the page, with the port that was really taken."""
    browsers: int
    """Pages that are open."""

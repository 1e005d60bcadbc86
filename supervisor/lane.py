"""The supervisor's own lane to every actor, which never crosses the router."""

import logging
from collections.abc import Callable, Iterable

from actors.messages import Message
from actors.messages.codec import CorruptMessage, decode, encode
from actors.runtime.bus import Bus
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.host import SUPERVISOR

log = logging.getLogger(__name__)


class Lane:
    """``heard`` is called with an actor's name and what it said, in the loop; the name may be
    anybody's, and the message of a process that is dead already.
    """

    def __init__(self, bus: Bus, heard: Callable[[str, Message], None]) -> None:
        self._heard = heard
        self._corrupt = CorruptFrames(SUPERVISOR)
        self._lane = bus.bind("router", SUPERVISOR, self._on_frame)

    def say(self, name: str, message: Message) -> bool:
        """Tell an actor something; False when it is not there or does not listen."""
        frame = encode(message, kind="tell", sender=SUPERVISOR, to=name)
        return bool(self._lane.send(frame, to=name))

    def say_all(self, names: Iterable[str], message: Message) -> None:
        """Tell several."""
        frame = encode(message, kind="tell", sender=SUPERVISOR)
        for name in names:
            self._lane.send(frame, to=name)

    def _on_frame(self, peer: bytes, frame: bytes) -> None:
        try:
            message: Message = decode(frame).message
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt, peer)
            return
        self._heard(peer.decode(errors="replace"), message)

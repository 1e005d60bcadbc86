"""Thespian (multiprocTCPBase): an actor sends to one in another process, or through a third."""

import socket
import sys
from datetime import timedelta
from typing import Any

from thespian.actors import Actor, ActorExitRequest, ActorSystem, WakeupMessage

from . import plan, roles

_TOGETHER = 50
"""Of the burst in one turn: its own limit of what is under way is not much higher."""


class Receiver(Actor):  # type: ignore[misc]
    """Ends up with all of them."""

    def __init__(self) -> None:
        self._listener = plan.Listener()
        self._asker: Any = None

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802
        """Thespian's hook."""
        if isinstance(message, bytes):
            self._listener.hear(message)
        elif message == "tell":
            self._asker = sender
        if self._asker is not None and self._listener.done:
            self.send(self._asker, self._listener.told())
            self._asker = None


class Relay(Actor):  # type: ignore[misc]
    """Passes them on."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802
        """Thespian's hook."""
        if isinstance(message, tuple):
            self._to = message[1]
        elif isinstance(message, bytes):
            self.send(self._to, message)


class Sender(Actor):  # type: ignore[misc]
    """Sends by the plan: a message is on its way when the turn that has sent it is over."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802
        """Thespian's hook."""
        if isinstance(message, tuple):
            self._to = message[1]
            self._plan = plan.paced()
            self._next = next(self._plan)
        elif not isinstance(message, WakeupMessage):
            return
        for _ in range(_TOGETHER):
            phase, index, _ = self._next
            self.send(self._to, plan.payload(phase, index))
            if (following := next(self._plan, None)) is None:
                return
            self._next = following
            if following[2]:
                break
        self.wakeupAfter(timedelta(seconds=self._next[2]))


def _main(hops: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    system = ActorSystem("multiprocTCPBase", {"Admin Port": port})
    try:
        receiver = system.createActor(Receiver)
        first = receiver
        if hops == "2":
            first = system.createActor(Relay)
            system.tell(first, ("to", receiver))
        sender = system.createActor(Sender)
        system.tell(sender, ("to", first))
        print(system.ask(receiver, "tell", timedelta(seconds=plan.LINGER_S)), flush=True)
        system.tell(sender, ActorExitRequest())
    finally:
        system.shutdown()


if __name__ == "__main__":
    _main(roles.arguments()[0])
    sys.stdout.flush()

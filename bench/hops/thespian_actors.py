"""Thespian (multiprocTCPBase): this process tells an actor in another, or through a third."""

import socket
import sys
import time
from datetime import timedelta
from typing import Any

from thespian.actors import Actor, ActorSystem

from . import plan, roles


class Receiver(Actor):  # type: ignore[misc]
    """Ends up with all of them."""

    def __init__(self) -> None:
        self._listener = plan.Listener()
        self._asker: Any = None

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802
        """Thespian's hook."""
        if isinstance(message, bytes):
            if self._listener.hear(message):
                self.send(sender, message)
        elif message == "tell":
            self._asker = sender
        if self._asker is not None and self._listener.done:
            self.send(self._asker, self._listener.told())
            self._asker = None


class Relay(Actor):  # type: ignore[misc]
    """Passes them on, and the answers back."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802
        """Thespian's hook."""
        if isinstance(message, tuple):
            self._to = message[1]
        elif sender == self._to:
            self.send(self._from, message)
        else:
            self._from = sender
            self.send(self._to, message)


def _main(given: roles.Arguments) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    system = ActorSystem("multiprocTCPBase", {"Admin Port": port})
    try:
        receiver = system.createActor(Receiver)
        first = receiver
        if given.hops == "2":
            first = system.createActor(Relay)
            system.tell(first, ("to", receiver))
        for phase, index, pause in plan.messages(given.part, given.folder):
            if pause:
                time.sleep(pause)
            send = system.ask if phase == plan.BOUNCING else system.tell
            send(first, plan.payload(phase, index))
        print(system.ask(receiver, "tell", timedelta(seconds=plan.LINGER_S)), flush=True)
    finally:
        system.shutdown()


if __name__ == "__main__":
    from bench.hops import thespian_actors  # its processes know no actors of a __main__

    thespian_actors._main(roles.arguments())
    sys.stdout.flush()

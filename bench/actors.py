"""callpoint's side of the restarts: actors that tell a UNIX datagram socket what happens."""

import os
import socket
import time

import msgspec  # noqa: F401
import numpy  # noqa: F401
import zmq  # noqa: F401

from actors.runtime.actor import Actor


class Telling(Actor):
    """Option ``socket``: where to tell."""

    essential = False

    def say(self, *words: object) -> None:
        """One datagram of words."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(" ".join(map(str, words)).encode(), self.options["socket"])


class Killed(Telling):
    """Tells ``first NAME PID TIME`` from its first hook, with everything imported."""

    async def on_start(self) -> None:
        """Its first code."""
        self.say("first", self.name, os.getpid(), time.monotonic_ns())


class Watching(Telling):
    """Tells ``up NAME - TIME`` when the supervisor has said that another is Ready."""

    def on_peer(self, name: str, up: bool) -> None:
        """One of the others."""
        if up:
            self.say("up", name, "-", time.monotonic_ns())

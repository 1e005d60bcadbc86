"""callpoint: a direct lane as audio has them; and tells through the real router process."""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from actors.messages import Done, Envelope, Spoken
from actors.messages.codec import decode_message, encode_message
from actors.runtime.bus import TAKEN, Bus
from actors.runtime.entry import run_child
from actors.runtime.errors import OrderFailed, Overloaded
from actors.runtime.host import SUPERVISOR
from actors.runtime.loop import Loop
from actors.runtime.post import Post
from actors.runtime.spec import ChildSpec
from actors.settings import Settings

from . import plan, roles

_FULL_S = 0.0005
_QUEUE = 10_000


def _spoken(content: bytes) -> bytes:
    """A frame of a lane."""
    return encode_message(Spoken(0, 48_000, content))


def _content(message: object) -> bytes:
    assert isinstance(message, Spoken)
    return message.pcm


async def _receive(given: roles.Arguments) -> None:
    listener = plan.Listener()
    done = asyncio.Event()

    def on_frame(_peer: bytes, frame: bytes) -> None:
        content = _content(decode_message(frame))
        if listener.hear(content):
            back.send(_spoken(content))
        elif listener.done:
            done.set()

    def on_envelope(envelope: Envelope) -> None:
        if envelope.kind == "ask":
            post.reply(envelope, Done())
        elif listener.hear(_content(envelope.message)):
            post.tell(envelope.sender, envelope.message)
        elif listener.done:
            done.set()

    bus = Bus(Path(given.folder))
    if given.hops == "1":
        back = bus.connect("push", "back", _ignore, queue=_QUEUE)
        bus.bind("pull", "there", on_frame, queue=_QUEUE)
    else:
        post = Post(bus, "receiver", on_envelope)
        await post.join((), timeout_s=plan.LINGER_S)
    await done.wait()
    print(listener.told(), flush=True)


async def _supervise(folder: Path) -> None:
    """To whom the router's heartbeats go: it would seek one that is not there all the time."""
    bus = Bus(folder)
    bus.bind("router", SUPERVISOR, _ignore)
    await asyncio.sleep(plan.LINGER_S)


async def _send(given: roles.Arguments) -> None:
    bus = Bus(Path(given.folder))
    answered = asyncio.Event()
    if given.hops == "1":

        def on_frame(_peer: bytes, frame: bytes) -> None:
            assert _content(decode_message(frame))
            answered.set()

        bus.bind("pull", "back", on_frame, queue=_QUEUE)
        lane = bus.connect("push", "there", _ignore, queue=_QUEUE)

        def send(content: bytes) -> bool:
            return lane.send(_spoken(content)) is TAKEN
    else:

        def on_envelope(envelope: Envelope) -> None:
            assert _content(envelope.message)
            answered.set()

        post = Post(bus, "sender", on_envelope)
        await post.join((), timeout_s=plan.LINGER_S)
        while True:
            try:
                await post.ask("receiver", Done())
                break
            except OrderFailed:
                await asyncio.sleep(0.05)

        def send(content: bytes) -> bool:
            try:
                post.tell("receiver", Spoken(0, 48_000, content))
            except Overloaded:
                return False
            return True

    for phase, index, pause in plan.messages(given.part, given.folder):
        if pause:
            await asyncio.sleep(pause)
        answered.clear()
        while not send(plan.payload(phase, index)):
            await asyncio.sleep(_FULL_S)
        if phase == plan.BOUNCING:
            await answered.wait()
    await asyncio.sleep(plan.LINGER_S)


def _ignore(_peer: bytes, _frame: bytes) -> None:
    """Of a lane that only sends."""


def _route(folder: Path) -> None:
    target = "actors.router.process:Router"
    plain = Settings().to_plain()
    run_child(ChildSpec("router", target, 1, folder, plain, {}, os.getppid()))


def _run(role: Coroutine[Any, Any, None]) -> None:
    """In the loop of an actor."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(role)


def main() -> None:
    """Entry."""
    given = roles.arguments()
    match given.role:
        case "receive":
            _run(_receive(given))
        case "send":
            _run(_send(given))
        case "route":
            _route(Path(given.folder))
        case "supervise":
            _run(_supervise(Path(given.folder)))
        case _:
            needed: tuple[str, ...] = ("receive", "send")
            if given.hops == "2":
                needed = ("supervise", "route", *needed)
            roles.run("bench.hops.ours", given, needed)


if __name__ == "__main__":
    main()

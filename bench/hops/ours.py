"""callpoint: a direct lane as audio has them; and tells through the real router process."""

import asyncio
import os
from pathlib import Path

from actors.messages import Done, Envelope, Spoken
from actors.messages.codec import decode, encode
from actors.runtime.bus import Bus
from actors.runtime.entry import run_child
from actors.runtime.errors import OrderFailed, Overloaded
from actors.runtime.post import Post
from actors.runtime.spec import ChildSpec
from actors.settings import Settings

from . import plan, roles

_FULL_S = 0.0005
_QUEUE = 10_000


async def _receive(hops: str, folder: Path) -> None:
    listener = plan.Listener()
    done = asyncio.Event()

    def hear(message: object) -> None:
        assert isinstance(message, Spoken)
        listener.hear(message.pcm)
        if listener.done:
            done.set()

    def on_envelope(envelope: Envelope) -> None:
        if envelope.kind == "ask":
            post.reply(envelope, Done())
        else:
            hear(envelope.message)

    bus = Bus(folder)
    if hops == "1":
        bus.bind("pull", "lane", lambda _peer, frame: hear(decode(frame).message), queue=_QUEUE)
    else:
        post = Post(bus, "receiver", on_envelope)
        await post.join((), timeout_s=plan.LINGER_S)
    await done.wait()
    print(listener.told(), flush=True)


async def _send(hops: str, folder: Path) -> None:
    bus = Bus(folder)
    if hops == "1":
        lane = bus.connect("push", "lane", lambda *_: None, queue=_QUEUE)

        def send(content: bytes) -> bool:
            frame = encode(Spoken(0, 48_000, content), kind="tell", sender="room", to="audio")
            return bool(lane.send(frame))
    else:
        post = Post(bus, "sender", lambda _envelope: None)
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

    for phase, index, pause in plan.paced():
        if pause:
            await asyncio.sleep(pause)
        while not send(plan.payload(phase, index)):
            await asyncio.sleep(_FULL_S)
    await asyncio.sleep(plan.LINGER_S)


def _route(folder: Path) -> None:
    target = "actors.router.process:Router"
    plain = Settings().to_plain()
    run_child(ChildSpec("router", target, 1, folder, plain, {}, os.getppid()))


def main() -> None:
    """Entry."""
    hops, folder, role = roles.arguments()
    match role:
        case "receive":
            asyncio.run(_receive(hops, Path(folder)))
        case "send":
            asyncio.run(_send(hops, Path(folder)))
        case "route":
            _route(Path(folder))
        case _:
            needed = ("receive", "send") if hops == "1" else ("route", "receive", "send")
            roles.run("bench.hops.ours", hops, folder, needed)


if __name__ == "__main__":
    main()

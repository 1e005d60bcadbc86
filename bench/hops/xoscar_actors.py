"""xoscar: an actor tells one in another process; or one in a third process passes it on."""

import asyncio
import sys

import xoscar

from . import plan, roles


class Receiver(xoscar.Actor):
    """Ends up with all of them."""

    def __init__(self) -> None:
        self._listener = plan.Listener()

    async def hear(self, content: bytes) -> None:
        """One."""
        self._listener.hear(content)

    async def told(self) -> str:
        """The result; empty: not all have come."""
        return self._listener.told() if self._listener.done else ""


class Relay(xoscar.Actor):
    """Passes them on."""

    def __init__(self, to: object) -> None:
        self._to = to

    async def hear(self, content: bytes) -> None:
        """One."""
        await self._to.hear.tell(content)  # type: ignore[attr-defined]


async def _main(hops: str) -> None:
    pool = await xoscar.create_actor_pool("127.0.0.1", n_process=2)
    async with pool:
        at = xoscar.allocate_strategy.ProcessIndex
        address = pool.external_address
        receiver = await xoscar.create_actor(Receiver, address=address, allocate_strategy=at(1))
        first = receiver
        if hops == "2":
            first = await xoscar.create_actor(
                Relay, receiver, address=address, allocate_strategy=at(2)
            )
        for phase, index, pause in plan.paced():
            if pause:
                await asyncio.sleep(pause)
            await first.hear.tell(plan.payload(phase, index))
        while not (told := await receiver.told()):
            await asyncio.sleep(0.05)
        print(told, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(roles.arguments()[0]))
    sys.stdout.flush()

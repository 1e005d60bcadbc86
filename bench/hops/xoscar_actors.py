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
        self._listener.hear(content)  # who waits has the return of the call for an answer

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

    async def ask(self, content: bytes) -> None:
        """One that is answered."""
        await self._to.hear(content)  # type: ignore[attr-defined]


async def _main(given: roles.Arguments) -> None:
    pool = await xoscar.create_actor_pool("127.0.0.1", n_process=2)
    async with pool:
        at = xoscar.allocate_strategy.ProcessIndex
        address = pool.external_address
        receiver = await xoscar.create_actor(Receiver, address=address, allocate_strategy=at(1))
        first = receiver
        if given.hops == "2":
            first = await xoscar.create_actor(
                Relay, receiver, address=address, allocate_strategy=at(2)
            )
        for phase, index, pause in plan.messages(given.part, given.folder):
            if pause:
                await asyncio.sleep(pause)
            if phase == plan.BOUNCING:
                await (first.hear if first is receiver else first.ask)(plan.payload(phase, index))
            else:
                await first.hear.tell(plan.payload(phase, index))
        while not (told := await receiver.told()):
            await asyncio.sleep(0.05)
        print(told, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(roles.arguments()))
    sys.stdout.flush()

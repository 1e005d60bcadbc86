"""A program beside a running terminal, as the README shows it."""

import asyncio
import sys

from actors import MessageChanged, Session


async def main() -> None:
    async with Session.attach(sys.argv[1]) as session:
        await session.start()
        agent = await session.agent.wait_until_connected(timeout_s=20)
        print("agent", agent.state)
        changes = session.changes()
        await session.send("Two tickets, please")
        async for change in changes:
            match change:
                case MessageChanged(message=said) if said.is_final:
                    print(said.kind, said.text)
                    if said.kind == "agent_transcript":
                        break


if __name__ == "__main__":
    asyncio.run(main())

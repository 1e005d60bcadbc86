"""What a SwiftUI view is there: drawn again whenever something has changed."""

import asyncio

from actors import ReceivedMessage, Session


def row(message: ReceivedMessage) -> str:
    return f"{message.kind}: {message.text}"


async def show(session: Session) -> None:
    async for now in session.snapshots():
        print("State:", now.agent.state or "Unknown")
        for message in now.messages:
            print(row(message))


async def main(session: Session) -> None:
    async with session, asyncio.TaskGroup() as tasks:
        drawing = tasks.create_task(show(session))
        await session.start()
        await session.send("Hello")
        drawing.cancel()

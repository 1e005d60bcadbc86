"""A program of somebody's own, attached to a terminal: ``python -m tests.attached DIR PACE``.

Says what it sees, a line of JSON each, until a message with the text ``that was all``; then how
much memory it has needed at most. With the pace ``slow`` it reads the first change, and the next
only when it is told to (a line on standard input); with ``stuck`` its whole loop stands still
until then, so that it takes nothing off the wire either.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from actors import Change, MessageChanged, MessagePurged, ReceivedMessage, Refreshed, Session

LAST = "that was all"


async def main(runtime_dir: str, pace: str) -> None:
    async with Session.attach(runtime_dir) as session:
        changes = session.changes()
        assert isinstance(await anext(changes), Refreshed)
        print("attached", flush=True)
        if pace == "slow":
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, sys.stdin.readline)
        elif pace == "stuck":
            sys.stdin.readline()
        async for change in changes:
            if (said := _said(change)) is not None:
                print(json.dumps(said))
            if any(message.text == LAST for message in _messages(change)):
                break
    print(json.dumps({"peak_mib": _peak_mib()}), flush=True)


def _messages(change: Change) -> tuple[ReceivedMessage, ...]:
    match change:
        case Refreshed(snapshot=snapshot):
            return snapshot.messages
        case MessageChanged(message=message):
            return (message,)
    return ()


def _said(change: Change) -> dict[str, Any] | None:
    match change:
        case Refreshed(snapshot=snapshot):
            return {"refreshed": [message.text for message in snapshot.messages]}
        case MessageChanged(message=message):
            return {"id": message.id, "text": message.text, "is_final": message.is_final}
        case MessagePurged(id=id_):
            return {"purged": id_}
    return None  # a state: the newest is as good as all


def _peak_mib() -> int:
    """Of this program alone: getrusage knows also that of whoever has forked it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) >> 10


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))

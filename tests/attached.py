"""A program of somebody's own, attached to a terminal: ``python -m tests.attached DIR PACE``.

Says what it sees, a line each, until a message with the text ``that was all``; the line of a
written message is its text. With the pace ``slow`` it reads the first change, and the next only
when it is told to (a line on standard input).
"""

import asyncio
import sys
from pathlib import Path

from actors import MessageChanged, Refreshed, Session

LAST = "that was all"


async def main(runtime_dir: str, pace: str) -> None:
    async with Session.attach(runtime_dir) as session:
        changes = session.changes()
        assert isinstance(await anext(changes), Refreshed)
        print("attached", flush=True)
        if pace == "slow":
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, sys.stdin.readline)
        async for change in changes:
            match change:
                case Refreshed(snapshot=snapshot):
                    print("refreshed", *(message.text for message in snapshot.messages), sep="|")
                    if any(message.text == LAST for message in snapshot.messages):
                        break
                case MessageChanged(message=message) if message.kind == "user_input":
                    print(message.text)
                    if message.text == LAST:
                        break
    print("mib", _peak_mib(), flush=True)


def _peak_mib() -> int:
    """Of this program alone: getrusage knows also that of whoever has forked it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) >> 10


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))

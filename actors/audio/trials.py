"""Waiting for a device that is preferred to the one in use: to be plugged in, or to be well."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

LOOK_S = 0.5
"""Between looks at the list of sound cards, which is cheap; trying a device is not."""


def cards(proc: Path = Path("/proc/asound/cards"), dev: Path = Path("/dev/snd")) -> str:
    """Changes when a sound card is plugged in or pulled, as the kernel tells it. A sound server's
    devices are not in it: they are found by trying.
    """
    try:
        known = proc.read_text()
    except OSError:
        known = ""
    try:
        nodes = sorted(node.name for node in dev.iterdir())
    except OSError:
        nodes = []
    return f"{known}\n{' '.join(nodes)}"


async def until_better(
    names: Sequence[str],
    attempt: Callable[[str], Awaitable[str]],
    wait_s: Callable[[int], float],
    look: Callable[[], str] = cards,
) -> str:
    """Try ``names`` now and then, and at once when a card comes or goes; returns the first one
    that is well. ``attempt`` returns what is wrong with one, ``wait_s`` how long to wait after so
    many rounds.
    """
    rounds = 0
    while True:
        if await _changes(wait_s(rounds), look):
            rounds = 0
        for name in names:
            if not await attempt(name):
                return name
        rounds += 1


async def _changes(within_s: float, look: Callable[[], str]) -> bool:
    """Whether a card came or went; waits as long as none does."""
    loop = asyncio.get_running_loop()
    end, before = loop.time() + within_s, look()
    while (left := end - loop.time()) > 0:
        await asyncio.sleep(min(LOOK_S, left))
        if look() != before:
            return True
    return False

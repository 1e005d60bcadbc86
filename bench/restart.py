"""SIGKILL to first user code, to Ready, to published again: callpoint and what else there is."""

import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from supervisor.drill.launched import Launched
from tests.peers.livekit_server import LiveKitServer

from .ear import Ear
from .figures import Row, Table
from .rivals import child
from .rivals.keepers import Circus, Keeper, Supervisord
from .terminal import PRACTICE, ROOT, Config, RunningTerminal, production_environment

ROUNDS = 7
KINDS = ("bare", "imports", "room")
FLOOR, OURS = "floor", "callpoint"
RIVALS: tuple[type[Keeper], ...] = (Supervisord, Circus)
SYSTEMS = (FLOOR, OURS, *(rival.name for rival in RIVALS))
ROOM = "bench"
PRELOAD = ("bench.floor", "actors.runtime.entry", "numpy", "livekit.rtc", "bench.frozen")
"""Of the floor: what an actor and the room import."""

TO_FLOOR_AIM = 1.5
TO_RIVALS_AIM = 1 / 50
PUBLISHED_AIM_MS = 300.0

Say = Callable[[str], None]
Found = dict[tuple[str, str, str], list[float]]
"""Milliseconds, a round each, by kind, system and what was waited for."""


def measure(say: Say, rounds: int = ROUNDS) -> list[Table]:
    """All side by side: each round kills one process of each system after the other."""
    with tempfile.TemporaryDirectory(prefix="callpoint-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        server = stack.enter_context(LiveKitServer(folder))
        return _tables(asyncio.run(_measure(say, rounds, folder, server)))


async def _measure(say: Say, rounds: int, folder: Path, server: LiveKitServer) -> Found:
    found: Found = {}
    async with Ear(folder / "ear", server, ROOM) as ear:
        with ExitStack() as stack:
            _start_floor(stack, folder, ear, server)
            for rival in RIVALS:
                programs = {
                    kind: [sys.executable, child.__file__, *_program(kind, rival.name, ear, server)]
                    for kind in KINDS
                }
                stack.enter_context(rival(folder, programs))
            config = _config(ear.path, server)
            async with RunningTerminal(config, server.environment) as terminal:
                for round_ in range(rounds):
                    say(f"round {round_ + 1} of {rounds}")
                    for kind in KINDS:
                        for system in SYSTEMS:
                            # Each looks after its children at its own times: meet it at any.
                            await asyncio.sleep(random.uniform(0.1, 0.6))
                            for what, ms in (await _kill(kind, system, ear, terminal)).items():
                                found.setdefault((kind, system, what), []).append(ms)
    return found


async def _kill(kind: str, system: str, ear: Ear, terminal: RunningTerminal) -> dict[str, float]:
    name = f"{kind}-{system}"
    if kind != "room":
        first, ready = await ear.kill(name)
        return {"first code": first, "Ready": ready}
    if system == OURS:
        await terminal.ready()
        pid = (await terminal.status()).actors["room"].pid
        assert pid
    else:
        pid = (await ear.alive(name)).pid
    return {"published again": await ear.kill_participant(name, pid)}


def _program(kind: str, system: str, ear: Ear, server: LiveKitServer) -> list[str]:
    """Arguments of the child program."""
    name = f"{kind}-{system}"
    room = [server.url, server.token(room=ROOM, identity=name)] if kind == "room" else []
    return [kind, name, str(ear.path), *room]


def _start_floor(stack: ExitStack, folder: Path, ear: Ear, server: LiveKitServer) -> None:
    """Two of them: one that preloads only the bare child, one that preloads all that is needed."""
    servers = ((("bench.floor",), KINDS[:1]), (PRELOAD, KINDS[1:]))
    for number, (preload, kinds) in enumerate(servers):
        programs = json.dumps([_program(kind, FLOOR, ear, server) for kind in kinds])
        command = [sys.executable, "-c", "from bench.floor import main; main()"]
        process = Launched(
            FLOOR,
            [*command, ",".join(preload), programs],
            folder / f"floor-{number}.log",
            env=production_environment(),
            cwd=ROOT,
        )
        stack.callback(process.stop)


def _config(ear: Path, server: LiveKitServer) -> Config:
    """A whole terminal in a conversation, and our actors in it."""
    killed = {"target": "bench.actors:Killed", "preload": True}  # as the floor has its children
    where = {"socket": str(ear)}
    return {
        **PRACTICE,
        "livekit": {"room_name": ROOM, "identity": f"room-{OURS}", "url": server.url},
        "session": {"start": "boot", "agent_connect_timeout": "off"},
        "supervisor": {"backoff_reset": 0.01},  # every death counts as the first
        f"actors.bare-{OURS}": killed,
        f"actors.bare-{OURS}.options": where,
        f"actors.imports-{OURS}": killed,
        f"actors.imports-{OURS}.options": where,
        "actors.watching": {"target": "bench.actors:Watching"},
        "actors.watching.options": where,
    }


def _tables(found: Found) -> list[Table]:
    titles = {
        "bare": "a bare process or actor",
        "imports": "a process or actor with our imports",
        "room": "the room",
    }
    notes = {
        "bare": "Floor: multiprocess's fork server without a preload.",
        "imports": "Floor: multiprocess's fork server that has preloaded them, and is frozen.",
        "room": "In a real server's room on loopback, seen by another participant. Floor: the same"
        " fork server and a process that does nothing but join and publish.",
    }
    return [
        Table(f"SIGKILL of {titles[kind]}", tuple(_rows(found, kind)), notes[kind])
        for kind in KINDS
    ]


def _rows(found: Found, kind: str) -> list[Row]:
    rows = []
    for what in ("first code", "Ready", "published again"):
        if (kind, OURS, what) not in found:
            continue
        times = {system: tuple(found[kind, system, what]) for system in SYSTEMS}
        floor = Row(f"{what}: {FLOOR}", "ms", times[FLOOR])
        to_floor = TO_FLOOR_AIM if (kind, what) == ("imports", "Ready") else None
        published = PUBLISHED_AIM_MS if kind == "room" else None
        ours = Row(f"{what}: {OURS}", "ms", times[OURS], floor, published, to_floor)
        rows += [floor, ours]
        for rival in RIVALS:
            to_rival = TO_RIVALS_AIM if (kind, what) == ("imports", "Ready") else None
            its = Row(f"{what}: {rival.name}", "ms", times[rival.name])
            beside = Row(f"{what}: {OURS} to {rival.name}", "ms", times[OURS], its, None, to_rival)
            rows += [its, beside]
    return rows

"""What the sound costs: the whole terminal beside the smallest client that could be written."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from supervisor.drill.launched import Launched
from tests.peers.livekit_server import LiveKitServer
from tests.peers.pulse import PulseAudio

from . import proc
from .figures import Row, Table, percentile
from .sounds.agent import Agent
from .sounds.clicks import LATEST_S, NOISE, RATE, Click, delays, make
from .sounds.monitor import Monitor
from .terminal import ROOT, Config, RunningTerminal, production_environment

ROUNDS = 8
"""Many short turns, not few long ones: what waits in LiveKit's source is decided by chance when a
track begins, and differs from turn to turn by more than the systems do."""
START_S = 5.0
"""Of speech while a system starts: what the encoder hears first decides, for as long as a track
lasts, how much work it makes of the rest."""
WARM_S = 20.0
"""Of conversation before it counts: a jitter buffer remembers the start of a system for 30 s, and
what weighs most of it for half of that."""
TURN_S = 30.0
ADDED_P50_AIM_MS = 5.0
ADDED_P99_AIM_MS = 10.0
CPU_AIM = 1.5
OURS, CLIENT = "callpoint", "single process"
SYSTEMS = (CLIENT, OURS)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Turn:
    """One of them in conversation for a minute."""

    to_agent_ms: list[float]
    to_speaker_ms: list[float]
    buffered_ms: float
    """Of the way to the agent: in its own jitter buffer, in the mean."""
    lost: int
    """Clicks, of both ways."""
    cpu_percent: float
    wake_ups: float
    """A second."""


class Stage:
    """A sound card and a server."""

    def __init__(self, folder: Path, pulse: PulseAudio, server: LiveKitServer) -> None:
        self.folder, self.pulse, self.server = folder, pulse, server

    @asynccontextmanager
    async def run(self, system: str, room: str) -> AsyncIterator[int]:
        """Joins that room; yields its process, or the one above all of its processes."""
        if system == OURS:
            config = {**_TERMINAL, "livekit": {"url": self.server.url, "room_name": room}}
            environ = {**self.server.environment, **self.pulse.environment}
            async with RunningTerminal(config, environ, listen=False) as terminal:
                yield terminal.pid
            return
        client = Launched(
            "client",
            [
                sys.executable,
                "-m",
                "bench.sounds.client",
                self.server.url,
                self.server.token(room=room, identity="client"),
            ],
            self.folder / "client.log",
            env=production_environment(self.pulse.environment),
            cwd=ROOT,
        )
        try:
            yield client.pid
        finally:
            client.stop()

    async def turn(self, system: str, number: int) -> Turn:
        """A conversation of its own."""
        room = f"bench-{number}-{system.replace(' ', '-')}"
        environ = self.pulse.environment
        spoken = make(START_S + WARM_S + TURN_S, 2 * number, NOISE)
        voice = make(WARM_S + TURN_S, 2 * number + 1)
        async with Agent(self.server, room) as agent:
            with (
                Monitor("microphone.monitor", environ) as microphone,
                Monitor("speaker.monitor", environ) as speaker,
            ):
                speaking = asyncio.create_task(
                    asyncio.to_thread(self.pulse.speak_pcm, spoken, RATE)
                )
                async with self.run(system, room) as pid:
                    await agent.hears()
                    talking = asyncio.create_task(agent.speak(voice))
                    await asyncio.sleep(WARM_S)
                    waited_s, samples = await agent.buffered()
                    began, before = time.monotonic(), _spent(pid)
                    await asyncio.sleep(TURN_S)
                    ended, after = time.monotonic(), _spent(pid)
                    waited_s, samples = (
                        now - then
                        for now, then in zip(
                            await agent.buffered(), (waited_s, samples), strict=True
                        )
                    )
                    await asyncio.sleep(LATEST_S)
                await asyncio.gather(speaking, talking)
        seconds = ended - began
        to_agent, deaf = _delays(microphone.clicks, agent.heard, began, ended)
        to_speaker, dumb = _delays(agent.spoken, speaker.clicks, began, ended)
        return Turn(
            to_agent,
            to_speaker,
            1000 * waited_s / samples if samples else 0.0,
            deaf + dumb,
            100 * (after[0] - before[0]) / seconds,
            (after[1] - before[1]) / seconds,
        )


_TERMINAL: Config = {
    "session": {"start": "boot", "agent_connect_timeout": "off"},
    "audio": {"input": "default", "output": "default"},
    "kiosk": {"port": 0},
}


def measure(say: Say, rounds: int = ROUNDS) -> list[Table]:
    """In turn, each half a minute of talking in both directions at once."""
    found: dict[str, list[Turn]] = {system: [] for system in SYSTEMS}
    with (
        tempfile.TemporaryDirectory(prefix="callpoint-bench-") as name,
        PulseAudio(Path(name)) as pulse,
        LiveKitServer(Path(name)) as server,
    ):
        stage = Stage(Path(name), pulse, server)
        for round_ in range(rounds):
            for system in SYSTEMS if round_ % 2 == 0 else reversed(SYSTEMS):
                say(f"{system}, round {round_ + 1} of {rounds}")
                found[system].append(asyncio.run(stage.turn(system, round_)))
    return [_table(found[CLIENT], found[OURS])]


def _spent(pid: int) -> tuple[float, int]:
    family = proc.family(pid)
    return sum(map(proc.cpu_s, family)), sum(map(proc.wake_ups, family))


def _delays(
    sent: list[Click], heard: list[Click], began: float, ended: float
) -> tuple[list[float], int]:
    found, lost = delays([click for click in sent if began <= click.at < ended], heard)
    return [1000 * delay for delay in found], lost


WAYS: tuple[tuple[str, Callable[[Turn], list[float]], bool], ...] = (
    ("microphone to agent", lambda turn: turn.to_agent_ms, True),
    ("agent to speaker", lambda turn: turn.to_speaker_ms, False),
)
"""And whether there is an aim."""


def _table(client: list[Turn], ours: list[Turn]) -> Table:
    rows: list[Row] = []
    for way, delays_of, is_aimed in WAYS:
        for share, aim in ((0.5, ADDED_P50_AIM_MS), (0.99, ADDED_P99_AIM_MS)):
            what = f"{way}, p{round(100 * share)}"
            theirs = tuple(percentile(delays_of(turn), share) for turn in client)
            own = tuple(percentile(delays_of(turn), share) for turn in ours)
            added = tuple(a - b for a, b in zip(own, theirs, strict=True))
            beside = Row(f"{what}: {CLIENT}", "ms", theirs)
            rows += [
                beside,
                Row(f"{what}: {OURS}", "ms", own, beside),
                Row(f"{what}: added", "ms", added, aim=aim if is_aimed else None),
            ]
    for what, unit, value_of, ratio_aim in (
        ("agent's jitter buffer", "ms", lambda turn: turn.buffered_ms, None),
        ("CPU", "%", lambda turn: turn.cpu_percent, CPU_AIM),
        ("wake-ups", "/s", lambda turn: turn.wake_ups, None),
    ):
        beside = Row(f"{what}: {CLIENT}", unit, tuple(map(value_of, client)))
        own = tuple(map(value_of, ours))
        rows += [beside, Row(f"{what}: {OURS}", unit, own, beside, None, ratio_aim)]
    rows += [
        Row(f"clicks lost: {system}", "", tuple(float(turn.lost) for turn in turns))
        for system, turns in ((CLIENT, client), (OURS, ours))
    ]
    heard = len(ours) * len(ours[0].to_agent_ms)
    note = (
        f"Each {TURN_S:g} s a round, talking both ways at once; about {heard} clicks each way."
        " The sound card is PulseAudio's null sinks, the server LiveKit's, on loopback."
    )
    return Table("Sound", tuple(rows), note)

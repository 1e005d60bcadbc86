"""Whether what begins a conversation by itself is heard from its first sound, again and again.

A whole terminal with the real detectors, a microphone of PulseAudio, LiveKit's server and a real
agent: words that wake it are spoken, and right after them a coded signal, which tells what of it
the agent's speech recognition has not been given.
"""

import asyncio
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.audio.file import load
from actors.audio.wake import REST_S
from actors.messages import AudioState, EndSession
from actors.runtime.client import Client, NotRunning
from actors.runtime.errors import OrderFailed
from supervisor.drill.coded_signal import decode, generate
from tests.peers.agent_worker import AgentWorker, Job
from tests.peers.livekit_server import LiveKitServer
from tests.peers.pulse import PulseAudio
from tests.speech import AUDIBLE, WORDS

from .figures import Row, Table
from .terminal import DEADLINE_S, Config, RunningTerminal

ROUNDS = 50
RATE = 48_000
BLOCKS = 15
"""Of 100 ms, after the words."""
BEFORE_S = 0.05
"""Of quiet before the first sound, at least: it was not cut."""
EXACT_S = 0.06
"""How exactly a place in the signal is known."""
HEARD_WITHIN_S = 20.0
LOOK_S = 0.25
UNNOTICED = "it was not noticed"

Say = Callable[[str], None]
Pcm = NDArray[np.int16]


def measure(say: Say, rounds: int = ROUNDS) -> list[Table]:
    """So many conversations of each kind, both kinds at once."""
    return asyncio.run(_measure(say, rounds))


async def _measure(say: Say, rounds: int) -> list[Table]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callpoint-bench-")))
        server = stack.enter_context(LiveKitServer(folder))
        places = []
        for kind in WORDS:
            place = folder / kind[:1]
            place.mkdir()
            pulse = stack.enter_context(PulseAudio(place))
            worker = AgentWorker(server, place, name=f"agent-{kind}", auto_gain=False)
            places.append(_Place(kind, place, pulse, stack.enter_context(worker), server))
        counted = await asyncio.gather(*(place.count(say, rounds) for place in places))
    rows = []
    for place, (begun, whole) in zip(places, counted, strict=True):
        of = Row(f"{place.kind}: conversations begun", "", (begun,))
        rows += [of, Row(f"{place.kind}: heard whole from the first sound", "", (whole,), of)]
    return [Table("First word", tuple(rows), "By a real agent, over a real server.")]


class _Place:
    """One terminal."""

    def __init__(
        self, kind: str, folder: Path, pulse: PulseAudio, worker: AgentWorker, server: LiveKitServer
    ) -> None:
        self.kind = kind
        self._pulse, self._worker, self._server = pulse, worker, server
        path = folder / "words.wav"
        command = ["espeak-ng", "-v", "en-us", "-s", "140", "-w", str(path), WORDS[kind]]
        subprocess.run(command, check=True)
        words = np.frombuffer(load(path, RATE), np.int16)
        onset, end = np.flatnonzero(np.abs(words) > AUDIBLE)[[0, -1]] + [0, RATE // 10]
        self._words = words[:end]
        self._words_s = float(end - onset) / RATE

    async def count(self, say: Say, rounds: int) -> tuple[float, float]:
        """How many were begun, at most so many, and how many of them were whole."""
        config: Config = {
            "livekit": {"agent_name": self._worker.name},
            "session": {"start": self.kind},
            "audio": {"output": "none"},
            "kiosk": {"enabled": False},
        }
        environ = {**self._server.environment, **self._pulse.environment}
        begun = whole = 0
        async with RunningTerminal(config, environ) as terminal:
            await terminal.ready()
            await asyncio.sleep(REST_S)  # nobody speaks in the moment in which it begins to listen
            for number in range(rounds):
                flaw = await self._converse(terminal, number)
                begun += flaw != UNNOTICED
                whole += not flaw
                lost = _audio(terminal).input_xruns
                say(f"{self.kind} {number + 1} of {rounds}: {flaw or 'whole'}; {lost} overruns")
        return float(begun), float(whole)

    async def _converse(self, terminal: RunningTerminal, number: int) -> str:
        """Begin one, and end it; what was wrong."""
        await terminal.until(lambda: _audio(terminal).listens == self.kind)
        known = {job.id for job in self._worker.jobs}
        coded = generate(BLOCKS, RATE, seed=number, tail_ms=1000)
        said = np.concatenate([self._words, coded])
        await asyncio.to_thread(self._pulse.speak_pcm, said, RATE)
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                while flaw := self._flaw(known, number):
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            pass
        await self._end(terminal)
        return flaw

    async def _end(self, terminal: RunningTerminal) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    async with Client(terminal.runtime_dir) as client:
                        await client.insist("session", EndSession())
                except (NotRunning, OrderFailed):  # a busy machine does not answer at once
                    continue
                break
        await asyncio.sleep(REST_S)

    def _flaw(self, known: set[str], number: int) -> str:
        jobs: list[Job] = [job for job in self._worker.jobs if job.id not in known]
        if not jobs:
            return UNNOTICED
        (job, *_) = jobs
        if not job.of("listening"):
            return "no agent has come"
        pcm = job.pcm
        heard = decode(pcm, job.rate, seed=number)
        if missing := heard.missing(BLOCKS):
            return f"blocks {missing} were not heard"
        runs = [run for run in heard.runs if run.block < BLOCKS]  # speech can look like a chord
        if [run.block for run in runs] != sorted(run.block for run in runs):
            return f"blocks were heard in the order {[run.block for run in runs]}"
        onset_s = float(np.flatnonzero(np.abs(pcm) > AUDIBLE)[0]) / job.rate
        begin_s = next(run for run in runs if run.block == 0).start_ms / 1000
        if onset_s < BEFORE_S or begin_s - onset_s < self._words_s - EXACT_S:
            return (
                f"{begin_s - onset_s:.2f} s of {self._words_s:.2f} were heard, from {onset_s:.2f}"
            )
        return ""


def _audio(terminal: RunningTerminal) -> AudioState:
    states = [said for _, said in terminal.messages if isinstance(said, AudioState)]
    return states[-1] if states else AudioState(False, False, "", 0, "", "")

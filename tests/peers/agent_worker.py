"""A real livekit-agents worker in an environment of its own, and what it has written down."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from supervisor.drill.chords import Pcm
from supervisor.drill.coded_signal import Heard, decode
from supervisor.drill.launched import Launched, LaunchFailed

from .install import agent_python
from .livekit_server import LiveKitServer

ROOT = Path(__file__).resolve().parents[2]
AGENT_NAME = "callpoint-test-agent"
REGISTERED_DEADLINE_S = 30.0


@dataclass(frozen=True)
class Job:
    """One call of the agent into a room, read from the folder that it writes to meanwhile."""

    folder: Path

    @property
    def id(self) -> str:
        """The server's id of the job."""
        return self.folder.name

    @property
    def events(self) -> list[dict[str, Any]]:
        """What has happened until now: `{"at": unix seconds, "event": name, ...}`.

        Names: job (room, orders), joined (identity), listening (sample_rate, channels), audio
        (samples), reception (lost, discarded: packets; concealed, slowed, hurried: samples made up,
        added, left out), state (state), transcript (text, final), item (role, text), text (text,
        id, sender), close (reason), end (reason), participant_connected, participant_disconnected
        (identity, reason), track_subscribed, track_unpublished (track, identity).
        """
        text = (self.folder / "events.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def of(self, name: str) -> list[dict[str, Any]]:
        """Only the events of that name."""
        return [event for event in self.events if event["event"] == name]

    @property
    def room(self) -> str:
        """Name of the room."""
        return str(self.of("job")[0]["room"])

    @property
    def texts(self) -> list[str]:
        """Messages that arrived on `lk.chat`, in order."""
        return [event["text"] for event in self.of("text")]

    @property
    def said(self) -> list[str]:
        """What the agent has said, in order."""
        return [item["text"] for item in self.of("item") if item["role"] == "assistant"]

    @property
    def heard(self) -> list[str]:
        """Final transcripts of what it heard, in order."""
        return [event["text"] for event in self.of("transcript") if event["final"]]

    @property
    def rate(self) -> int:
        """Samples a second of `pcm`."""
        return int(self.of("listening")[0]["sample_rate"])

    @property
    def pcm(self) -> Pcm:
        """All sound until now, as its speech recognition was given it: int16, mono, (samples,)."""
        raw = (self.folder / "heard.pcm").read_bytes()
        return np.frombuffer(raw[: len(raw) // 2 * 2], np.int16)

    def decode(self, *, seed: int = 0) -> Heard:
        """What it has heard of a coded signal."""
        return decode(self.pcm, self.rate, seed=seed) if self.of("listening") else Heard((), ())


class AgentWorker:
    """The worker, registered with the server inside the `with` block.

    Args:
        server: it must be running.
        folder: for its log and what its jobs write down.
        name: for explicit dispatch; a token calls it with `agent_name`.
        orders: defaults for all jobs, see `worker.Orders`; a dispatch's metadata (JSON) goes over
            them: `{"delay_s": 5}` joins the room five seconds late.

    """

    def __init__(
        self,
        server: LiveKitServer,
        folder: Path,
        *,
        name: str = AGENT_NAME,
        **orders: object,
    ) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / "agent-worker.log"
        self._server = server
        self._orders = orders
        self._process: Launched | None = None
        self._registered = -1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return when the server has registered it, with one idle process ready.

        Raises:
            LaunchFailed: it ended, or was not registered within 30 s.

        """
        self._registered, theirs = os.pipe()
        command = [str(agent_python()), "-m", "tests.peers.worker.worker"]
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LIVEKIT_")},
            **self._server.environment,
            "PYTHONPATH": str(ROOT),
            "CALLPOINT_TEST_AGENT_FOLDER": str(self.folder / "jobs"),
            "CALLPOINT_TEST_AGENT_METADATA": json.dumps(self._orders),
        }
        try:
            self._process = Launched(
                "agent worker",
                [*command, "--name", self.name, "--registered-fd", str(theirs)],
                self.log,
                env=environment,
                cwd=ROOT,
                pass_fds=[theirs],
            )
        finally:
            os.close(theirs)
        try:
            self.wait_registered()
        except LaunchFailed:
            self.stop()
            raise

    def wait_registered(self) -> None:
        """Wait for the next registration, such as after a restart of the server.

        Raises:
            LaunchFailed: it ended, or was not registered within 30 s.

        """
        assert self._process
        self._process.read_line(self._registered, deadline_s=REGISTERED_DEADLINE_S)

    def stop(self) -> None:
        """End it and its jobs. Does nothing when it is not running."""
        if self._process:
            self._process.stop()
            self._process = None
            os.close(self._registered)

    @property
    def jobs(self) -> list[Job]:
        """All jobs until now, the oldest first."""
        folders = (self.folder / "jobs").glob("*/events.jsonl")
        jobs = [Job(path.parent) for path in folders if path.stat().st_size]
        return sorted(jobs, key=lambda job: float(job.events[0]["at"]))

    def job(self, room: str) -> Job | None:
        """The newest job in that room, if there has been one."""
        return next((job for job in reversed(self.jobs) if job.room == room), None)

    def wait_until(self, probe: Callable[[], object], *, deadline_s: float = 10.0) -> None:
        """Wait until `probe`, which may look at jobs, says yes.

        Raises:
            LaunchFailed: the worker ended, or the deadline passed.

        """
        assert self._process
        self._process.wait_until(lambda: bool(probe()), deadline_s=deadline_s)

"""The real peers of a whole terminal: server, agent worker, sound system."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.peers.agent_worker import AgentWorker, Job
from tests.peers.livekit_server import LiveKitServer
from tests.peers.pulse import PulseAudio
from tests.terminal import Terminal

ANSWER_S = 30.0


class Stage:
    """Running peers, and terminals that meet them."""

    def __init__(self, server: LiveKitServer, worker: AgentWorker, pulse: PulseAudio) -> None:
        self.server = server
        self.worker = worker
        self.pulse = pulse

    def terminal(
        self,
        folder: Path,
        metadata: str = "",
        *,
        environment: Mapping[str, str] | None = None,
        **config: dict[str, Any],
    ) -> Terminal:
        """One whose agent is given this metadata."""
        return Terminal(
            folder,
            environment={
                **self.server.environment,
                **self.pulse.environment,
                **(environment or {}),
            },
            **{
                "livekit": {"agent_name": self.worker.name, "agent_metadata": metadata},
                "kiosk": {"enabled": False},
                **config,
            },
        )

    def job(self, terminal: Terminal) -> Job:
        """The agent's, of the conversation that is on."""
        room = terminal.status()["session"]["room_name"]
        found: list[Job] = []

        def probe() -> bool:
            if job := self.worker.job(room):
                found.append(job)
            return bool(found)

        self.worker.wait_until(probe, deadline_s=ANSWER_S)
        return found[0]

    def wait_until_heard(self, job: Job) -> None:
        """Until the agent has taken what was said for finished."""
        self.worker.wait_until(lambda: job.heard, deadline_s=ANSWER_S)

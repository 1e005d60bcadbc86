"""A room with a name of the operator's, into which one visitor comes after the other: the agent of
the one before is never the next one's.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.commands.sounds import DEMO
from tests.peers.agent_worker import AgentWorker
from tests.peers.livekit_server import LiveKitServer
from tests.terminal import Terminal

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ROOM = "front-desk"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveKitServer]:
    with LiveKitServer(tmp_path) as server:
        yield server


@pytest.fixture
def worker(server: LiveKitServer, tmp_path: Path) -> Iterator[AgentWorker]:
    with AgentWorker(server, tmp_path) as worker:
        yield worker


def test_a_room_that_could_not_be_left_is_left_before_the_next_conversation_in_it(
    server: LiveKitServer, worker: AgentWorker, tmp_path: Path
) -> None:
    """The room's process hangs when the first visitor goes, and is killed for it."""
    with Terminal(
        tmp_path,
        environment=server.environment,
        livekit={"agent_name": worker.name, "room_name": ROOM},
        audio={"input": f"file:{DEMO}", "output": "none"},
        kiosk={"enabled": False},
    ) as terminal:
        terminal.callpoint("start")
        terminal.wait_for_agent("listening")
        (first,) = worker.jobs
        worker.wait_until(lambda: first.heard)
        os.kill(terminal.actor_pid("room"), signal.SIGSTOP)
        terminal.callpoint("end")
        heard = first.heard
        terminal.callpoint("start")
        terminal.wait_for_agent("listening", deadline_s=90)
        worker.wait_until(lambda: len(worker.jobs) > 1 and worker.jobs[-1].heard, deadline_s=60)
        second = worker.jobs[-1]
        assert [job.room for job in (first, second)] == [ROOM] * 2
        assert first.heard == heard, "the first visitor's agent has heard the second one"
        assert first.of("close")
        terminal.callpoint("end")

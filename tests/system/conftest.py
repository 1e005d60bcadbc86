"""The real peers that whole terminals meet, one set of them a module."""

from collections.abc import Iterator

import pytest

from tests.peers.agent_worker import AgentWorker
from tests.peers.livekit_server import LiveKitServer
from tests.peers.pulse import PulseAudio
from tests.stage import Stage


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKitServer]:
    """Alone."""
    with LiveKitServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Server, agent worker and sound system, ready."""
    folder = tmp_path_factory.mktemp("stage")
    with (
        LiveKitServer(folder) as server,
        # Automatic gain would lift the line's noise into the decoder's silence.
        AgentWorker(server, folder, auto_gain=False) as worker,
        PulseAudio(folder) as pulse,
    ):
        yield Stage(server, worker, pulse)

"""An agent of the real server that does what the test says: it is there, it leaves, it is back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import AgentFailed, Session
from supervisor.commands.sounds import DEMO
from tests.children import DEADLINE_S
from tests.peers.livekit_server import LiveKitServer
from tests.rooms.livekit import LiveKitPeer
from tests.terminal import Terminal

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

STATE = "lk.agent.state"


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Instead of the check of all tests: the client's native half keeps threads, event
    descriptors and pooled connections for the life of the process.
    """


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveKitServer]:
    with LiveKitServer(tmp_path) as server:
        yield server


def test_one_that_was_only_idle_and_vanishes_has_left_until_one_is_back(
    server: LiveKitServer, tmp_path: Path
) -> None:
    async def play(terminal: Terminal) -> None:
        async with Session.attach(terminal.runtime_dir) as session, asyncio.timeout(90):
            await session.start()
            room = session.snapshot.room_name
            async with LiveKitPeer(server, room, "first") as peer:
                await session._wait_for_agent(lambda agent: agent.state == "idle", DEADLINE_S)
                assert session.agent.is_pending
                await peer.set_attributes({STATE: "initializing"})
                await session._wait_for_agent(
                    lambda agent: agent.state == "initializing", DEADLINE_S
                )
                waiting = asyncio.create_task(session.agent.wait_until_connected(DEADLINE_S))
            with pytest.raises(AgentFailed, match="left"):
                await waiting
            agent = session.agent
            assert (agent.life, agent.error, agent.is_finished) == ("failed", "left", True)
            assert (agent.state, agent.audio_track) == (None, None)
            assert session.connection_state == "connected"
            async with LiveKitPeer(server, room, "guest", "standard"):
                await asyncio.to_thread(
                    terminal.wait_until, lambda status: "guest" in str(status["room"])
                )
                assert session.agent.error == "left", "a later event of the room changes nothing"
            async with LiveKitPeer(server, room, "second") as peer:
                await peer.set_attributes({STATE: "listening"})
                agent = await session.agent.wait_until_connected(DEADLINE_S)
                assert (agent.identity, agent.error) == ("second", None)
                await session.end()
            assert session.agent.error is None

    with Terminal(
        tmp_path,
        environment=server.environment,
        audio={"input": f"file:{DEMO}", "output": "none"},
        session={"redispatch": False},
        kiosk={"enabled": False},
    ) as terminal:
        asyncio.run(play(terminal))

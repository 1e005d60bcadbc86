"""The client's own resumes and full reconnects in the middle of speech, and a process that cannot
run for a while: every word is heard, and soon in time again.
"""

import asyncio
import time
from pathlib import Path

import pytest
from livekit import rtc

from actors.room.pauses import LATE_S
from tests.children import DEADLINE_S
from tests.peers.livekit_server import LiveKitServer

from .fake_audio import RATE
from .room_peer import Peer
from .talk import BLOCKS, SIGNAL, Talk, heard_by, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Instead of the check of all tests: the client's native half keeps threads, event
    descriptors and pooled connections for the life of the process.
    """


SCENARIOS = {
    "resume": rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT,
    "node failure": rtc.SimulateScenarioKind.SIMULATE_NODE_FAILURE,
    "migration": rtc.SimulateScenarioKind.SIMULATE_MIGRATION,
    "full reconnect": rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT,
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_said_while_the_client_reconnects_is_heard(
    runtime_dir: Path, server: LiveKitServer, scenario: str
) -> None:
    async def play() -> None:
        async with Talk(runtime_dir, server) as talk, Peer(server, talk.room_name) as peer:
            await peer.me.set_attributes({"lk.agent.state": "listening"})
            talk.audio.record()
            await until(lambda: talk.microphone.state == "live")
            await until(lambda: talk.audio.captured > 3 * RATE)
            await talk.simulate(SCENARIOS[scenario])
            await until(lambda: talk.audio.served * 2 >= len(SIGNAL), 2 * DEADLINE_S)
            await until(lambda: not heard_by(peer).missing([BLOCKS - 1]))
            heard = heard_by(peer)
            assert heard.missing(BLOCKS) == (), heard.seams
            assert talk.audio.captured * 2 >= len(SIGNAL)

    asyncio.run(play())


STALL_S = 0.6
TALKED_S = 3
PAUSE_S = 2


def _with_a_pause() -> bytes:
    at = 2 * TALKED_S * RATE
    return SIGNAL[:at] + bytes(2 * PAUSE_S * RATE) + SIGNAL[at:]


def test_what_a_stall_has_made_late_is_in_time_again_after_a_pause(
    runtime_dir: Path, server: LiveKitServer
) -> None:
    async def play() -> None:
        signal = _with_a_pause()
        async with Talk(runtime_dir, server, signal) as talk, Peer(server, talk.room_name) as peer:
            await peer.me.set_attributes({"lk.agent.state": "listening"})
            talk.audio.record()
            await until(lambda: talk.microphone.state == "live")
            await until(lambda: talk.audio.captured > TALKED_S / 2 * RATE)
            time.sleep(STALL_S)  # nothing of this process runs
            await until(lambda: talk.microphone.late_s > STALL_S / 2)
            await until(lambda: talk.microphone.late_s < LATE_S)
            assert talk.audio.captured <= (TALKED_S + PAUSE_S) * RATE
            await until(lambda: talk.audio.served * 2 >= len(signal), 2 * DEADLINE_S)
            await until(lambda: not heard_by(peer).missing([BLOCKS - 1]))
            assert heard_by(peer).missing(BLOCKS) == ()

    asyncio.run(play())

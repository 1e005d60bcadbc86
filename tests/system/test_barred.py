"""A server that lets nobody hear us: the operator is told, and nothing is heard afterwards."""

import asyncio
from pathlib import Path

import pytest

from supervisor.drill.coded_signal import BLOCK_MS
from tests.children import DEADLINE_S
from tests.peers.livekit_server import LiveKitServer
from tests.peers.moderator import Moderator

from .fake_audio import RATE
from .room_peer import Peer
from .talk import BLOCKS, SIGNAL, Talk, heard_by, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

BLOCK = RATE * BLOCK_MS // 1000
WORDS = {"muted": "the server has muted", "not allowed": "lets this terminal publish no microphone"}


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Instead of the check of all tests: the client's native half keeps threads, event
    descriptors and pooled connections for the life of the process.
    """


@pytest.mark.parametrize("how", WORDS)
def test_what_is_said_while_the_server_lets_nobody_hear_it_is_for_nobody(
    runtime_dir: Path, server: LiveKitServer, how: str
) -> None:
    async def play() -> None:
        async with Talk(runtime_dir, server) as talk, Peer(server, talk.room_name) as peer:
            moderator = Moderator(server, talk.room_name)

            async def bar(barred: bool) -> None:
                if how == "muted":
                    await moderator.mute(talk.call.state().microphone_sid, muted=barred)
                else:
                    await moderator.permit(publish=not barred)

            await peer.me.set_attributes({"lk.agent.state": "listening"})
            talk.audio.record()
            await until(lambda: talk.microphone.state == "live")
            await until(lambda: talk.audio.captured > 20 * BLOCK)
            await bar(True)
            await until(lambda: talk.microphone.state == "idle")
            assert WORDS[how] in talk.microphone.trouble
            assert talk.call.state().microphone_error == talk.microphone.trouble
            assert talk.microphone.health() == "ok", "no new process is to undo it"
            first = talk.audio.captured // BLOCK + 1
            await until(lambda: talk.audio.served > (first + 15) * BLOCK)
            last = talk.audio.served // BLOCK - 1
            await bar(False)
            await until(lambda: talk.microphone.state != "idle")
            after = talk.audio.captured // BLOCK + 1
            await until(lambda: talk.microphone.state == "live")
            assert (talk.microphone.trouble, talk.call.state().microphone_error) == ("", "")
            await until(lambda: talk.audio.served * 2 >= len(SIGNAL), 2 * DEADLINE_S)
            await until(lambda: not heard_by(peer).missing([BLOCKS - 1]))
            heard = heard_by(peer)
            assert heard.missing(range(after, BLOCKS)) == (), heard.seams
            assert not set(heard.blocks) & set(range(first, last)), heard.seams

    asyncio.run(play())

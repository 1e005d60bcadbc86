"""End-to-end encryption over the real server: the room, peers with keys, and their absence."""

from collections.abc import Iterator

import pytest

from actors.messages import Participant
from actors.room.backend import DataCame, RoomError
from tests.peers.livekit_server import LiveKitServer
from tests.rooms.livekit import LiveKitPeer, LiveKitStage
from tests.rooms.stage import House
from tests.rooms.terminal import RATE, Terminal, loud_s, wave

pytestmark = pytest.mark.system

KEY, ANOTHER = "a key of both", "another key"


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Instead of the check of all tests: the client's native half keeps threads, event
    descriptors and pooled connections for the life of the process.
    """


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with LiveKitServer(tmp_path_factory.mktemp("server")) as server:
        yield House(lambda: LiveKitStage(server))


async def _meet(stage: LiveKitStage, key: str, theirs: str) -> tuple[Terminal, LiveKitPeer]:
    stage.e2ee_key = key
    terminal = stage.stranger()
    terminal.backend.set_encryption(enabled=bool(key))
    await terminal.backend.connect(stage.url, stage.token())
    peer = await stage.peer(e2ee_key=theirs)
    await terminal.backend.publish_microphone(RATE, preconnect=False)
    await terminal.until(lambda: terminal.agent() and terminal.agent().tracks)
    return terminal, peer


async def _send(terminal: Terminal, payload: bytes) -> None:
    await terminal.backend.send_data(payload, topic="t", reliable=True, to=())


def _undecipherable(terminal: Terminal) -> Participant | None:
    agent = terminal.agent()
    return agent if agent is not None and agent.undecipherable else None


def test_with_one_key_both_hear_and_read_each_other(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, peer = await _meet(stage, KEY, KEY)
        assert terminal.agent().tracks[0].encrypted
        await peer.speak(wave(1.0))
        await terminal.until(lambda: loud_s(terminal.heard()) > 0.5)
        await terminal.capture(wave(1.0))
        await terminal.until(lambda: loud_s(peer.heard) > 0.5)
        await terminal.say("hello", "m1")
        await terminal.until(lambda: [text for _, _, text in peer.texts] == ["hello"])
        writer = await peer.open_text("t1")
        await writer.write("hello to you")
        await writer.aclose()
        await terminal.until(lambda: terminal.end("t1"))
        assert terminal.text("t1") == "hello to you"
        await _send(terminal, b"a packet")
        await terminal.until(lambda: peer.data == [(b"a packet", "t", "terminal")])
        await peer.send_data(b"and one back", "t")
        await terminal.until(lambda: [each.payload for each in terminal.of(DataCame)])
        assert not _undecipherable(terminal)

    house.play(scenario)


def test_with_another_key_neither_is_understood_and_that_is_seen(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, peer = await _meet(stage, KEY, ANOTHER)
        await peer.speak(wave(1.0))
        await terminal.until(lambda: _undecipherable(terminal))
        await terminal.capture(wave(1.0))
        await _send(terminal, b"a packet")
        await terminal.say("hello", "m1")
        await peer.send_data(b"and one back", "t")
        writer = await peer.open_text("t1")
        await writer.write("hello to you")
        await writer.aclose()
        assert terminal.states()[-1] == "connected"
        await peer.source.wait_for_playout()
        assert loud_s(terminal.heard()) < 0.2
        assert terminal.text("t1") == ""
        assert peer.texts == []
        assert peer.data == []
        assert terminal.of(DataCame) == []

    house.play(scenario)


def test_one_that_encrypts_is_not_played_where_there_is_no_key(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, peer = await _meet(stage, "", KEY)
        assert terminal.agent().tracks[0].encrypted
        await peer.speak(wave(0.5))
        await peer.source.wait_for_playout()
        assert terminal.heard() == b"", "it would be nothing but noise"
        with pytest.raises(RoomError, match="no key"):
            terminal.backend.set_encryption(enabled=True)

    house.play(scenario)


def test_one_that_does_not_encrypt_is_seen(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, _ = await _meet(stage, KEY, "")
        assert not terminal.agent().tracks[0].encrypted

    house.play(scenario)


def test_it_is_switched_off_and_on_on_both_sides(house: House) -> None:
    async def scenario(stage: LiveKitStage) -> None:
        terminal, peer = await _meet(stage, KEY, KEY)
        for enabled in (False, True):
            terminal.backend.set_encryption(enabled=enabled)
            peer.room.e2ee_manager.set_enabled(enabled)
            before = loud_s(terminal.heard())
            await peer.speak(wave(1.0))
            await terminal.until(lambda before=before: loud_s(terminal.heard()) > before + 0.5)
            await terminal.until(lambda: not _undecipherable(terminal))
        # And when only one of them does it, that shows, and passes when the other follows.
        peer.room.e2ee_manager.set_enabled(False)
        await peer.speak(wave(1.0))
        await terminal.until(lambda: _undecipherable(terminal))
        peer.room.e2ee_manager.set_enabled(True)
        await peer.speak(wave(1.0))
        await terminal.until(lambda: not _undecipherable(terminal))

    house.play(scenario)

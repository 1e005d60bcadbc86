"""The parrot's process and whatever may come over its lane."""

import asyncio
import random
from pathlib import Path

import msgpack
import pytest
import zmq

from actors.messages import (
    Message,
    PracticeAudio,
    PracticeBytes,
    PracticeJoin,
    PracticeLeave,
    PracticePublish,
    PracticeText,
)
from actors.messages.codec import MAX_FRAME_BYTES, encode
from actors.runtime.bus import endpoint
from tests.children import Children
from tests.rooms.practice import ParrotStage
from tests.rooms.stage import House

pytestmark = pytest.mark.process

PARROT = "actors.parrot.process:Parrot"


class Stranger:
    """A socket of somebody who can reach the runtime directory."""

    def __init__(self, runtime_dir: Path, name: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 2000)
        self._socket.setsockopt(zmq.IDENTITY, name.encode())
        self._socket.connect(endpoint(runtime_dir, "practice"))
        self._name = name

    def raw(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    def say(self, message: Message, sender: str = "") -> None:
        self.raw(encode(message, kind="tell", sender=sender or self._name))

    def close(self) -> None:
        self._socket.close()
        self._context.term()


def _garbage(stranger: Stranger) -> None:
    chance = random.Random(1)
    for size in (0, 1, 10, 1000, 100_000):
        stranger.raw(chance.randbytes(size))
    stranger.raw(b"one", b"two", b"three")
    stranger.raw(b"")
    stranger.raw(bytes(MAX_FRAME_BYTES + 1))
    stranger.raw(b"\xdd\xff\xff\xff\xff")
    stranger.raw(b"\x91" * 5000)
    whole = encode(PracticeJoin("x", "y"), kind="tell", sender="stranger")
    for length in range(len(whole)):
        stranger.raw(whole[:length])
    plain = msgpack.unpackb(whole)
    for place in range(len(plain)):
        for wrong in (None, -1, [], "x", b"x", 2**63, {"a": 1}):
            stranger.raw(msgpack.packb([*plain[:place], wrong, *plain[place + 1 :]]))


def _nonsense(stranger: Stranger, room: str) -> None:
    """Messages of the catalogue, in the wrong places and with wrong values."""
    said: list[Message] = [
        PracticeLeave(),
        PracticePublish("TR_x", True),
        PracticeAudio("TR_x", 48_000, bytes(1920)),
        PracticeJoin(room, "somebody else"),
        PracticeJoin("r" * 100_000, "i"),
        PracticeJoin("", ""),
        PracticePublish("", True),
        PracticePublish("TR_y" * 10_000, True),
        PracticeAudio("", 48_000, b"\0"),
        PracticeAudio("TR_y", 0, bytes(1920)),
        PracticeAudio("TR_y", -5, bytes(1920)),
        PracticeAudio("TR_y", 2**40, bytes(1920)),
        PracticeAudio("TR_y", 48_000, bytes(10_000_000)),
        PracticeBytes("b", "lk.agent.pre-connect-audio-buffer", {}, b"\0", True),
        PracticeBytes(
            "b",
            "lk.agent.pre-connect-audio-buffer",
            {"trackId": "TR_y", "sampleRate": "0", "channels": "-1"},
            bytes(12_000_000),
            True,
        ),
        PracticeText("t", "lk.chat", "terminal", {}, "\0\ud7ff🦜" * 100_000, True),
        *(PracticeText(str(number), "lk.chat", "", {}, "x", False) for number in range(1000)),
        *(PracticeJoin(f"room {number}", "i") for number in range(100)),
        PracticeLeave(),
    ]
    for message in said:
        stranger.say(message)
        stranger.say(message, sender="another")


def test_garbage_on_the_lane_changes_nothing_for_a_conversation(runtime_dir: Path) -> None:
    async def scenario(stage: ParrotStage) -> None:
        terminal = await stage.terminal()
        await terminal.until(lambda: terminal.agent_state() == "listening")
        before = terminal.agent()
        stranger = Stranger(runtime_dir, "stranger")
        try:
            _garbage(stranger)
            _nonsense(stranger, stage.room)
        finally:
            await asyncio.to_thread(stranger.close)
        await terminal.say("still there", "id")

        def answered() -> bool:
            ends = terminal.ended(before.identity)
            return any("still there" in terminal.text(end.stream_id) for end in ends)

        await terminal.until(answered)
        assert terminal.agent().sid == before.sid
        assert terminal.states() == ["connecting", "connected"]

    House(lambda: ParrotStage(runtime_dir)).play(scenario)


@pytest.mark.parametrize(
    ("options", "says", "remedy"),
    [
        ({"agent_delay_s": "soon"}, "not a number of seconds", "[actors.parrot] options"),
        ({"agent_delay_s": -1}, "not a number of seconds", "from 0 to 3600"),
        ({"agent_delay_s": True}, "not a number of seconds", "from 0 to 3600"),
        ({"colour": "green"}, "no option 'colour'", "agent_delay_s"),
        ({"hears": "/nowhere/heard.pcm"}, "No such file or directory", "path of a file"),
    ],
)
def test_a_wrong_option_is_refused_with_a_remedy(
    runtime_dir: Path, options: dict[str, object], says: str, remedy: str
) -> None:
    async def scenario() -> None:
        async with Children(runtime_dir) as children:
            await children.start("router", "actors.router.process:Router")
            await children.launch("parrot", PARROT, **options)
            failed = await children.start_failed()
            assert says in failed.error
            assert remedy in failed.remedy
            assert await children.exit_code("parrot") != 0

    asyncio.run(scenario())

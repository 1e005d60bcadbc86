"""Stages of the practice room: the parrot's own server with peers that the test moves, or the
parrot's whole process.
"""

import itertools
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from actors.messages import (
    Message,
    Participant,
    ParticipantKind,
    PracticeAnswer,
    PracticeAudio,
    PracticeBytes,
    PracticeCall,
    PracticeData,
    PracticeRoster,
    PracticeSubscribed,
    PracticeText,
    Track,
)
from actors.parrot.lane import PracticeLane
from actors.parrot.server import Server
from actors.room.backend import OnEvent, RoomBackend
from actors.room.practice_room import PracticeRoom
from actors.room.rpc import UNSUPPORTED
from actors.runtime.bus import Bus
from actors.settings import Settings
from tests.children import Children

from .stage import Stage
from .terminal import RATE

_numbers = itertools.count(1)


class PracticePeer:
    """As :class:`~.livekit.LiveKitPeer`; an agent has a voice."""

    def __init__(self, cast: "Cast", identity: str, kind: ParticipantKind) -> None:
        self._cast = cast
        self.identity = identity
        self._kind = kind
        self._sid = f"PA_{next(_numbers)}"
        self._attributes: dict[str, str] = {}
        self._muted = False
        self.buffers: list[tuple[dict[str, str], bytes]] = []
        self.texts: list[tuple[str, str, str]] = []
        self.data: list[tuple[bytes, str, str]] = []
        self.heard = bytearray()
        self.announced_preconnect = False

    @property
    def shown(self) -> Participant:
        tracks: tuple[Track, ...] = ()
        if self._kind == "agent":
            tracks = (Track(f"TR_{self._sid}", "audio", "microphone", True, self._muted),)
        return Participant(
            self.identity, self._sid, self._kind, True, dict(self._attributes), tracks
        )

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        self._attributes |= attributes
        self._cast.changed()

    async def mute(self) -> None:
        self._muted = True
        self._cast.changed()

    async def speak(self, pcm: bytes) -> None:
        (track,) = self.shown.tracks
        for start in range(0, len(pcm), 1920):
            self._cast.say(PracticeAudio(track.sid, RATE, pcm[start : start + 1920]))

    async def send_data(self, payload: bytes, topic: str, *, reliable: bool = True) -> None:
        self._cast.say(PracticeData(payload, topic, self.identity, reliable))

    async def open_text(
        self,
        stream_id: str,
        topic: str = "lk.transcription",
        attributes: dict[str, str] | None = None,
        in_name_of: str | None = None,
    ) -> "Writer":
        header = (stream_id, topic, in_name_of or self.identity)
        return Writer(self._cast, header, attributes or {})

    async def leave(self) -> None:
        self._cast.members.remove(self)
        self._cast.changed()


class Writer:
    """Of one text stream, with the methods of LiveKit's."""

    def __init__(
        self, cast: "Cast", header: tuple[str, str, str], attributes: dict[str, str]
    ) -> None:
        self._cast, self._header, self._attributes = cast, header, attributes

    async def write(self, text: str) -> None:
        self._cast.say(PracticeText(*self._header, self._attributes, text, False))

    async def aclose(self, attributes: dict[str, str] | None = None) -> None:
        trailer = {**self._attributes, **(attributes or {})}
        self._cast.say(PracticeText(*self._header, trailer, "", True))


class Cast:
    """All peers of a stage, in the place of the parrot."""

    def __init__(self) -> None:
        self.members: list[PracticePeer] = []
        self.lane: PracticeLane
        self._track: tuple[str, bool] | None = None
        self._texts: dict[str, str] = {}
        self._bytes: dict[str, bytes] = {}
        self._out: list[Message] = []

    def say(self, *messages: Message) -> None:
        self._out += messages
        self.lane.look()

    def changed(self) -> None:
        self.say(self.roster)

    def enter(self, peer: PracticePeer) -> None:
        self.members.append(peer)
        self.changed()
        self.say(*self._subscribe())

    def _subscribe(self) -> list[Message]:
        if self._track is None or not self.members:
            return []
        sid, preconnect = self._track
        for peer in self.members:
            peer.announced_preconnect = preconnect
        return [PracticeSubscribed(sid)]

    # -- as the server sees it -------------------------------------------------------------------

    @property
    def roster(self) -> PracticeRoster:
        return PracticeRoster(tuple(peer.shown for peer in self.members))

    @property
    def due_at(self) -> float | None:
        return None

    def published(self, sid: str, now: float, *, preconnect: bool) -> list[Message]:
        self._track = (sid, preconnect)
        return self._subscribe()

    def client_gone(self) -> None:
        self._track = None

    def audio(self, frame: PracticeAudio, now: float) -> list[Message]:
        for peer in self.members:
            peer.heard += frame.pcm
        return []

    def stream(self, part: PracticeBytes, now: float) -> list[Message]:
        content = self._bytes.pop(part.stream_id, b"") + part.content
        if not part.ended:
            self._bytes[part.stream_id] = content
        for peer in self.members:
            if part.ended and peer.identity == part.to:
                peer.buffers.append((part.attributes, content))
        return []

    def text(self, part: PracticeText, now: float) -> list[Message]:
        text = self._texts.pop(part.stream_id, "") + part.content
        if not part.ended:
            self._texts[part.stream_id] = text
        for peer in self.members:
            if part.ended:
                peer.texts.append((part.stream_id, part.participant, text))
        return []

    def history(self, number: int) -> list[Message]:
        return []

    def data(self, packet: PracticeData) -> list[Message]:
        for peer in self.members:
            if peer.identity in (packet.to or (peer.identity,)):
                peer.data.append((packet.payload, packet.topic, packet.participant))
        return []

    def call(self, call: PracticeCall) -> list[Message]:
        return [PracticeAnswer(call.id, UNSUPPORTED)]

    def answer(self, answer: PracticeAnswer) -> list[Message]:
        return []

    def tick(self, now: float) -> list[Message]:
        out, self._out = self._out, []
        return out


class PracticeStage(Stage):
    """``runtime_dir``: for the lane, private and empty."""

    def __init__(self, runtime_dir: Path) -> None:
        super().__init__()
        self._dir = runtime_dir
        self._cast = Cast()

    async def __aenter__(self) -> Self:
        self._bus = Bus(self._dir)
        self._cast.lane = PracticeLane(self._bus, Server(lambda _user, _now: self._cast), "parrot")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, traceback)
        self._cast.lane.close()
        self._bus.close()

    def make(self, on_event: OnEvent) -> RoomBackend:
        return PracticeRoom(on_event, self._bus)

    async def peer(self, identity: str = "agent", kind: ParticipantKind = "agent") -> PracticePeer:
        peer = PracticePeer(self._cast, identity, kind)
        self._cast.enter(peer)
        return peer


class ParrotStage(Stage):
    """``delay_s``: until the agent comes. A parrot always comes a while before it listens."""

    def __init__(self, runtime_dir: Path, delay_s: float = 0.0, **_: Any) -> None:
        super().__init__()
        self._dir = runtime_dir
        self._delay_s = delay_s

    async def __aenter__(self) -> Self:
        self._children = await self.stack.enter_async_context(Children(self._dir, Settings()))
        self._bus = Bus(self._dir)
        self.stack.callback(self._bus.close)
        await self._children.start("router", "actors.router.process:Router")
        await self.restart()
        return self

    def make(self, on_event: OnEvent) -> RoomBackend:
        return PracticeRoom(on_event, self._bus)

    async def peer(self, identity: str = "agent", kind: str = "agent") -> None:
        """Whom it has: the parrot comes by itself."""

    async def kill(self) -> None:
        await self._children.kill("parrot")

    async def restart(self) -> None:
        await self._children.start(
            "parrot", "actors.parrot.process:Parrot", agent_delay_s=self._delay_s
        )

    @staticmethod
    def understood_s(text: str) -> float:
        """Seconds of speech in what the agent has understood."""
        return float(text.removeprefix("(").removesuffix(" s of speech)"))

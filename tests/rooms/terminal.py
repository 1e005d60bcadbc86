"""A terminal in a room: the backend under test, and all that it has said."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from actors.messages import Participant
from actors.room.backend import (
    AgentAudio,
    ConnectionChanged,
    OnEvent,
    ParticipantsChanged,
    RoomBackend,
    RoomEvent,
    TextChunk,
    TextEnded,
)
from tests.children import DEADLINE_S

T = TypeVar("T")
RATE = 48_000
LOUD = 4000
"""Of a sample: the waves of :func:`wave` are above it for two thirds of the time."""


def wave(seconds: float, hz: float = 440.0) -> bytes:
    """A tone at 48 kHz, int16 mono, 12 dB below full scale."""
    time = np.arange(int(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * hz * time)).astype("<i2").tobytes()


def loud_s(pcm: bytes) -> float:
    """How long it is loud, in seconds, judged in pieces of 10 ms."""
    samples = np.frombuffer(pcm[: len(pcm) // 960 * 960], "<i2").astype(np.int32)
    return 0.01 * int(np.count_nonzero(np.abs(samples).reshape(-1, 480).max(axis=1) > LOUD))


class Terminal:
    """``make``: the backend, given the function for its events."""

    def __init__(self, make: Callable[[OnEvent], RoomBackend]) -> None:
        self.events: list[RoomEvent] = []
        self._news = asyncio.Event()
        self.backend: Any = make(self._on_event)

    def _on_event(self, event: RoomEvent) -> None:
        self.events.append(event)
        self._news.set()

    async def until(self, condition: Callable[[], T | None], deadline_s: float = DEADLINE_S) -> T:
        """Wait for a value. Also looks every 50 ms, for what only a peer sees."""
        async with asyncio.timeout(deadline_s):
            while not (value := condition()):
                self._news.clear()
                try:
                    await asyncio.wait_for(self._news.wait(), 0.05)
                except TimeoutError:
                    continue
        return value

    # -- what it has said ------------------------------------------------------------------------

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> list[str]:
        return [event.state for event in self.of(ConnectionChanged)]

    def roster(self) -> tuple[Participant, ...]:
        changes = self.of(ParticipantsChanged)
        return changes[-1].participants if changes else ()

    def identities(self) -> list[str]:
        return [each.identity for each in self.roster()]

    def agent(self) -> Participant | None:
        return next((each for each in self.roster() if each.kind == "agent"), None)

    def agent_state(self) -> str:
        agent = self.agent()
        return agent.attributes.get("lk.agent.state", "") if agent is not None else ""

    def agent_states(self) -> list[str]:
        """All that the agent has had, in order; ``""``: there without one."""
        states: list[str] = []
        for change in self.of(ParticipantsChanged):
            agents = [each for each in change.participants if each.kind == "agent"]
            for agent in agents[:1]:
                state = agent.attributes.get("lk.agent.state", "")
                if states[-1:] != [state]:
                    states.append(state)
        return states

    def chunks(self, stream_id: str) -> list[str]:
        return [e.content for e in self.of(TextChunk) if e.stream_id == stream_id]

    def text(self, stream_id: str) -> str:
        return "".join(self.chunks(stream_id))

    def end(self, stream_id: str) -> TextEnded | None:
        """How a stream has ended; never twice."""
        ends = [e for e in self.of(TextEnded) if e.stream_id == stream_id]
        assert len(ends) < 2
        return ends[0] if ends else None

    def ended(self, participant: str) -> list[TextEnded]:
        """The transcripts in the name of one participant, in order."""
        ends = (e for e in self.of(TextEnded) if e.topic == "lk.transcription")
        return [e for e in ends if e.participant == participant]

    def heard(self) -> bytes:
        """The agent's voice."""
        return b"".join(event.pcm for event in self.of(AgentAudio))

    # -- what it does ----------------------------------------------------------------------------

    async def say(self, text: str, stream_id: str, topic: str = "lk.chat", **more: str) -> None:
        await self.backend.send_text(text, topic=topic, stream_id=stream_id, attributes=more)

    async def capture(self, pcm: bytes, frame_s: float = 0.02) -> None:
        """As fast as it is taken."""
        step = 2 * int(RATE * frame_s)
        for start in range(0, len(pcm), step):
            await self.backend.capture(pcm[start : start + step])

    async def speak(self, pcm: bytes) -> None:
        """In the time of the samples, and then silence until cancelled, as a microphone does."""
        loop = asyncio.get_running_loop()
        begun, step = loop.time(), 1920
        for start in range(0, 2**62, step):
            part = pcm[start : start + step]
            await self.backend.capture(part + bytes(step - len(part)))
            await asyncio.sleep(begun + start / 2 / RATE - loop.time())

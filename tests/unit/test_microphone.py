"""Lane, uplink and backend put together: a backend that refuses, stalls, or gets a new track."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from actors.messages import Captured, Follow, Participant
from actors.room.backend import RoomError
from actors.room.mic import MicLane
from actors.room.microphone import (
    BACKLOG_S,
    BUFFER_TRIES,
    MISSED_TRIES,
    STALLED_S,
    TOO_LATE_S,
    Microphone,
)
from actors.room.uplink import Seam, Uplink

pytestmark = pytest.mark.unit

RATE = 1000
BLOCK = 20
GONE = RoomError("gone")
AGENT = Participant("agent", "PA_1", "agent", True, {"lk.agent.state": "listening"})


class Backend:
    """Takes what it is given, unless told otherwise."""

    name = identity = ""
    queued_s = 0.0

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.buffers: list[tuple[bytes, dict[str, str], str]] = []
        self.refuse_bytes = 0
        self.reaches: list[bool | RoomError | None] = []
        """What became of the next buffers; then each arrives."""
        self.refuse_frames = 0
        self.republished = 0
        self.refuse_tracks = 0
        self.open = asyncio.Event()
        self.open.set()

    async def connect(self, url: str, token: str) -> None: ...

    async def disconnect(self) -> None: ...

    async def publish_microphone(self, sample_rate: int, *, preconnect: bool) -> str:
        return "TR_1"

    async def send_text(
        self, text: str, *, topic: str, stream_id: str, attributes: dict[str, str]
    ) -> None: ...

    async def capture(self, pcm: bytes) -> None:
        await self.open.wait()
        if self.refuse_frames:
            self.refuse_frames -= 1
            raise RoomError("not now")
        self.taken.append(pcm)

    async def send_bytes(
        self, content: bytes, *, topic: str, attributes: dict[str, str], to: str, name: str
    ) -> None:
        if self.refuse_bytes:
            self.refuse_bytes -= 1
            raise RoomError("not now")
        self.buffers.append((content, attributes, to))

    async def has_reached(self, to: str, *, timeout_s: float) -> bool | None:
        reached = self.reaches.pop(0) if self.reaches else True
        if isinstance(reached, RoomError):
            raise reached
        return reached

    async def reception(self) -> None:
        return None

    async def republish_microphone(self) -> None:
        if self.refuse_tracks:
            self.refuse_tracks -= 1
            raise RoomError("not now")
        self.republished += 1


class Rig:
    def __init__(self) -> None:
        self.now = 0.0
        self.follows: list[Follow] = []
        self.backend = Backend()
        self.changes = 0
        self.position = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.microphone = Microphone(
            self.backend,
            Uplink(RATE, seam=Seam(hold_s=0.0, state_wait_s=0.0)),
            MicLane(self.follows.append),
            RATE,
            self._spawn,
            self._changed,
            lambda: self.now,
        )

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.append(task)
        return task

    def _changed(self) -> None:
        self.changes += 1

    def speak(
        self, blocks: int = 1, *, rate: int = RATE, size: int = BLOCK, behind: int = 0
    ) -> None:
        for _ in range(blocks):
            pcm = b"".join((self.position + i).to_bytes(2, "little") for i in range(size))
            self.hear(pcm, rate=rate, behind=behind)

    def hear(self, pcm: bytes, times: int = 1, *, rate: int = RATE, behind: int = 0) -> None:
        for _ in range(times):
            stream = self.follows[-1].stream
            run = Captured(stream, self.position, rate, pcm, behind=behind)
            self.microphone.captured(run)
            self.position += len(pcm) // 2

    def go_live(self, sid: str = "TR_1") -> None:
        self.microphone.published(sid)
        self.microphone.participants((AGENT,))
        self.microphone.subscribed(sid)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        self.microphone.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def run(scenario: Callable[[Rig], Coroutine[Any, Any, None]]) -> None:
    async def with_rig() -> None:
        rig = Rig()
        try:
            await scenario(rig)
        finally:
            await rig.close()

    asyncio.run(with_rig())


def _positions(pcm: bytes) -> list[int]:
    return [int.from_bytes(pcm[i : i + 2], "little") for i in range(0, len(pcm), 2)]


def test_the_buffer_goes_out_with_what_an_agent_needs_to_know() -> None:
    async def scenario(rig: Rig) -> None:
        rig.speak(5)
        rig.go_live()
        assert (rig.microphone.state, rig.changes) == ("live", 1)
        await rig.until(lambda: rig.backend.buffers)
        ((content, attributes, to),) = rig.backend.buffers
        assert (_positions(content), to) == (list(range(100)), "agent")
        assert attributes == {"sampleRate": str(RATE), "channels": "1", "trackId": "TR_1"}

    run(scenario)


def test_long_runs_are_captured_in_frames_of_20_ms() -> None:
    async def scenario(rig: Rig) -> None:
        rig.go_live()
        rig.speak(1, size=50)
        await rig.until(lambda: len(rig.backend.taken) == 3)
        assert [len(pcm) // 2 for pcm in rig.backend.taken] == [20, 20, 10]
        assert _positions(b"".join(rig.backend.taken)) == list(range(50))

    run(scenario)


def test_a_refused_frame_is_offered_again() -> None:
    async def scenario(rig: Rig) -> None:
        rig.go_live()
        rig.backend.refuse_frames = 1
        rig.speak(2)
        await rig.until(lambda: len(rig.backend.taken) == 2)
        assert _positions(b"".join(rig.backend.taken)) == list(range(40))

    run(scenario)


def test_a_refused_buffer_is_sent_again_and_counts_as_served_only_then() -> None:
    async def scenario(rig: Rig) -> None:
        rig.speak(5)
        rig.backend.refuse_bytes = BUFFER_TRIES - 1
        rig.go_live()
        await rig.until(lambda: rig.follows[-1].served == 0)
        await rig.until(lambda: rig.backend.buffers)
        rig.now += 1
        await rig.until(lambda: rig.follows[-1].served == 100)

    run(scenario)


def test_a_stalled_backend_is_said_and_the_tape_keeps_the_rest() -> None:
    async def scenario(rig: Rig) -> None:
        rig.go_live()
        rig.backend.open.clear()
        rig.speak(int(BACKLOG_S * RATE / BLOCK) + 1)
        assert rig.microphone.health() == "ok"
        rig.now += STALLED_S + 1
        assert rig.microphone.health() == "microphone frames not taken for 3 s"
        at = len(rig.follows)
        await rig.until(lambda: len(rig.follows) > at)
        assert rig.follows[-1].next < rig.position
        rig.backend.open.set()
        await rig.until(lambda: rig.microphone.backlog_s == 0)
        assert rig.microphone.health() == "ok"
        await rig.until(lambda: rig.follows[-1].next == rig.position)

    run(scenario)


def test_what_is_late_is_in_step_again_after_a_pause_and_the_pause_counts_as_served() -> None:
    """As after a stall of half a second: so much waits in the client and here."""

    async def scenario(rig: Rig) -> None:
        rig.go_live()
        rig.backend.queued_s = 0.1
        for word in (1, 2):
            rig.backend.open.clear()
            rig.hear(b"\x88\x13" * BLOCK, 20)
            rig.hear(bytes(2 * BLOCK), 60)
            before = rig.microphone.late_s
            rig.backend.open.set()
            await rig.until(lambda: rig.microphone.backlog_s == 0)
            sent = rig.backend.taken
            assert sum(map(any, sent)) == 20 * word
            assert before > 1.0
        assert len(sent) < 2 * 80
        rig.backend.queued_s = 0.0
        rig.now += 10.0
        await rig.until(lambda: rig.follows[-1].served == rig.position)

    run(scenario)


def test_speech_that_stays_late_is_complained_of() -> None:
    async def scenario(rig: Rig) -> None:
        rig.go_live()
        rig.speak(1, behind=round(TOO_LATE_S * RATE))
        await rig.until(lambda: rig.backend.taken)
        assert rig.microphone.health() == "ok"
        rig.speak(1, behind=3 * RATE)
        assert rig.microphone.health() == "speech comes 3 s late"
        rig.speak(1)
        await rig.until(lambda: rig.microphone.backlog_s == 0)
        assert rig.microphone.health() == "ok"

    run(scenario)


def test_frames_of_another_rate_are_refused_and_said() -> None:
    async def scenario(rig: Rig) -> None:
        rig.go_live()
        rig.speak(1, rate=16_000)
        assert "16000 Hz instead of 1000" in rig.microphone.health()
        assert rig.backend.taken == []

    run(scenario)


def test_a_new_track_is_served_from_the_tape_again() -> None:
    async def scenario(rig: Rig) -> None:
        rig.speak(5)
        rig.go_live()
        await rig.until(lambda: rig.backend.buffers)
        rig.speak(5)
        await rig.until(lambda: len(rig.backend.taken) == 5)
        rig.microphone.connection(up=False)
        rig.backend.open.clear()
        rig.speak(3)
        served = max(follow.served for follow in rig.follows)
        rig.microphone.republished("TR_2")
        rig.microphone.connection(up=True)
        assert rig.microphone.state == "buffering"
        rig.position = rig.follows[-1].next
        assert rig.position >= max(served, 100)
        again = rig.position
        rig.speak(4)
        rig.backend.open.set()
        rig.microphone.subscribed("TR_2")
        await rig.until(lambda: len(rig.backend.buffers) == 2)
        content, attributes, _ = rig.backend.buffers[1]
        assert attributes["trackId"] == "TR_2"
        assert _positions(content) == list(range(again, again + 80))

    run(scenario)


@pytest.mark.parametrize("late", [False, None])
def test_a_buffer_that_came_too_late_is_said_again_with_what_followed(late: bool | None) -> None:
    """None: whether it has come cannot be known, and is believed."""

    async def scenario(rig: Rig) -> None:
        rig.backend.reaches = [late]
        rig.speak(5)
        rig.go_live()
        await rig.until(lambda: rig.backend.buffers)
        rig.speak(5)
        if late is None:
            await rig.until(lambda: rig.follows[-1].served >= 100)
            assert rig.backend.republished == 0
            return
        await rig.until(lambda: rig.backend.republished)
        assert rig.follows[-1].served == 0
        rig.microphone.republished("TR_2")
        assert rig.follows[-1].next == 0
        rig.position = 0
        rig.speak(10)
        rig.microphone.subscribed("TR_2")
        await rig.until(lambda: len(rig.backend.buffers) == 2)
        assert _positions(rig.backend.buffers[1][0]) == list(range(200))

    run(scenario)


def test_a_buffer_whose_agent_is_gone_before_it_has_told_is_for_the_next_one() -> None:
    async def scenario(rig: Rig) -> None:
        rig.backend.reaches = [GONE]
        rig.speak(5)
        rig.go_live()
        await rig.until(lambda: not rig.backend.reaches)
        rig.speak(5)
        await rig.until(lambda: rig.follows[-1].served == 0)
        rig.microphone.participants(())
        assert rig.follows[-1].next == 0
        rig.position = 0
        rig.speak(10)
        rig.microphone.participants((AGENT,))
        await rig.until(lambda: len(rig.backend.buffers) == 2)
        assert _positions(rig.backend.buffers[1][0]) == list(range(200))

    run(scenario)


def test_an_agent_that_was_gone_by_mistake_is_asked_again() -> None:
    async def scenario(rig: Rig) -> None:
        rig.backend.reaches = [GONE]
        rig.speak(5)
        rig.go_live()
        await rig.until(lambda: rig.follows[-1].served >= 100)
        assert rig.backend.republished == 0
        assert len(rig.backend.buffers) == 1

    run(scenario)


def test_a_buffer_of_which_nobody_tells_is_said_again() -> None:
    async def scenario(rig: Rig) -> None:
        rig.backend.reaches = [GONE, GONE]
        rig.speak(5)
        rig.go_live()
        await rig.until(lambda: len(rig.backend.reaches) == 1)
        rig.now += 1000.0
        await rig.until(lambda: rig.backend.republished)
        assert rig.follows[-1].served == 0

    run(scenario)


def test_a_track_that_is_refused_again_and_again_is_complained_of() -> None:
    """What is said is kept, but nobody hears it: a new process may have better luck."""

    async def scenario(rig: Rig) -> None:
        rig.backend.reaches = [False]
        rig.backend.refuse_tracks = 2
        rig.speak(5)
        rig.go_live()
        await rig.until(lambda: rig.backend.refuse_tracks == 1)
        assert rig.microphone.health() == "ok"
        rig.now += STALLED_S + 1
        assert "cannot be published again for 3 s" in rig.microphone.health()
        rig.microphone.connection(up=False)
        assert rig.microphone.health() == "ok", "another trouble"
        rig.microphone.connection(up=True)
        await rig.until(lambda: rig.backend.refuse_tracks == 0)
        rig.now += STALLED_S + 1
        assert "published" in rig.microphone.health()
        await rig.until(lambda: rig.backend.republished)
        rig.microphone.republished("TR_2")
        assert rig.microphone.health() == "ok"

    run(scenario)


@pytest.mark.parametrize("why", ["barred", "no agent"])
def test_a_track_that_is_needed_no_more_is_complained_of_no_more(why: str) -> None:
    async def scenario(rig: Rig) -> None:
        rig.backend.reaches = [False]
        rig.backend.refuse_tracks = 1000
        rig.speak(5)
        rig.go_live()
        await rig.until(lambda: rig.backend.refuse_tracks < 1000)
        rig.now += STALLED_S + 1
        assert "published" in rig.microphone.health()
        if why == "barred":
            rig.microphone.barred("muted by the server")
        else:
            rig.microphone.participants(())
        await rig.until(lambda: rig.microphone.health() == "ok")

    run(scenario)


def test_a_line_that_is_too_bad_for_buffers_gets_speech_without_them_in_the_end() -> None:
    async def scenario(rig: Rig) -> None:
        rig.backend.reaches = [False] * MISSED_TRIES
        rig.speak(5)
        rig.go_live()
        for number in range(2, MISSED_TRIES + 1):
            await rig.until(lambda number=number: rig.backend.republished == number - 1)
            rig.microphone.republished(f"TR_{number}")
            rig.position = 0
            rig.speak(5)
            rig.microphone.subscribed(f"TR_{number}")
            await rig.until(lambda number=number: len(rig.backend.buffers) == number)
            rig.now += 1000.0  # whatever the patience between two is
        rig.speak(5)
        await rig.until(lambda: rig.follows[-1].served >= 100)
        assert rig.backend.republished == MISSED_TRIES - 1

    run(scenario)


def test_closed_it_hears_nothing() -> None:
    async def scenario(rig: Rig) -> None:
        rig.go_live()
        rig.microphone.close()
        rig.speak(3)
        assert rig.microphone.backlog_s == 0

    run(scenario)

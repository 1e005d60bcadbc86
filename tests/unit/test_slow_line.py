"""An uplink that is too slow for an outage in one go: it is heard in parts, or the newest of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from actors.messages import Captured, Follow, Participant
from actors.room.fit import RATES, WITHIN_S
from actors.room.loss import SILENT_S, Reception
from actors.room.mic import MicLane
from actors.room.microphone import WAITED_FOR_S, Microphone
from actors.room.uplink import SAMPLE_BYTES, Uplink
from tests import virtual_loop

pytestmark = pytest.mark.unit

RATE = 16_000
BLOCK = RATE // 10
AGENT = Participant("agent", "PA_1", "agent", True, {"lk.agent.state": "listening"})


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Instead of the check of all tests: the client's native half, once begun, keeps its threads
    and descriptors for the life of the process.
    """


class SlowLine:
    """A backend whose client takes everything at once, and whose ordered channel is slow."""

    name = identity = ""
    queued_s = 0.0

    def __init__(self, bytes_a_second: float) -> None:
        self.microphone: Microphone
        self.in_time: list[float] = []
        """Seconds of speech of each buffer that came while the agent waited for it."""
        self.late: list[float] = []
        self.live_s = 0.0
        """Seconds of speech that went live since the last buffer."""
        self.heard = asyncio.Event()
        self.dead_until = 0.0
        """Nothing gets through before."""
        self._speed = bytes_a_second
        self._loop = asyncio.get_running_loop()
        self._free_at = 0.0
        self._subscribed_at = 0.0
        self._track = 1

    async def capture(self, pcm: bytes) -> None:
        self.live_s += len(pcm) / SAMPLE_BYTES / RATE

    async def send_bytes(
        self, content: bytes, *, topic: str, attributes: dict[str, str], to: str, name: str
    ) -> None:
        begin = max(self._loop.time(), self._free_at, self.dead_until)
        self._free_at = begin + len(content) / self._speed
        seconds = len(content) / SAMPLE_BYTES / int(attributes["sampleRate"])
        self.live_s = 0.0
        if self._free_at - self._subscribed_at > WAITED_FOR_S:
            self.late.append(seconds)
        else:
            self.in_time.append(seconds)
            self._loop.call_at(self._free_at, self.heard.set)

    async def has_reached(self, to: str, *, timeout_s: float) -> bool | None:
        left_s = self._free_at - self._loop.time()
        await asyncio.sleep(min(left_s, timeout_s))
        return left_s <= timeout_s

    async def reception(self) -> Reception | None:
        now = self._loop.time()
        return Reception(int(now * 50), int(now) if now >= self.dead_until else None)

    async def republish_microphone(self) -> None:
        self._track += 1
        self.microphone.republished(f"TR_{self._track}")
        self._loop.call_later(0.1, self.get_subscribed)

    def get_subscribed(self) -> None:
        self._subscribed_at = self._loop.time()
        self.microphone.subscribed(f"TR_{self._track}")


class Talk:
    """Somebody has talked for so long, to nobody, and goes on."""

    def __init__(self, line: SlowLine, seconds: int) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._end = seconds * RATE
        self._follow = Follow(0, 0, -1)
        self._next = 0
        self.line = line
        self.microphone = line.microphone = Microphone(
            line,  # type: ignore[arg-type]  # what the microphone needs of a backend
            Uplink(RATE),
            MicLane(self._on_follow),
            RATE,
            self._spawn,
            clock=asyncio.get_running_loop().time,
        )
        self._spawn(self._talk(), "tape")

    @property
    def served_s(self) -> float:
        return self._follow.served / RATE

    @property
    def said_s(self) -> float:
        return self._end / RATE

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.append(task)
        return task

    def _on_follow(self, follow: Follow) -> None:
        if follow.stream != self._follow.stream:
            self._next = max(follow.next, 0)
        self._follow = follow

    async def _talk(self) -> None:
        while True:
            while self._next < self._end:
                behind = self._end - self._next - BLOCK
                run = Captured(
                    self._follow.stream, self._next, RATE, bytes(2 * BLOCK), behind=behind
                )
                self._next += BLOCK
                self.microphone.captured(run)
            await asyncio.sleep(BLOCK / RATE)
            self._end += BLOCK

    def join(self) -> None:
        self.microphone.published("TR_1")
        self.microphone.participants((AGENT,))
        self.line.get_subscribed()

    async def close(self) -> None:
        self.microphone.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("outage_s", "mbit"), [(20, 0.7), (60, 1.0), (60, 2.0), (60, 4.0), (110, 5.0), (125, 20.0)]
)
def test_all_is_heard_once_in_parts_of_what_the_line_carries(outage_s: int, mbit: float) -> None:
    async def scenario() -> None:
        bytes_a_second = mbit * 1e6 / 8
        talk = Talk(SlowLine(bytes_a_second), outage_s)
        await asyncio.sleep(1.0)
        talk.join()
        part_s = bytes_a_second * WITHIN_S / (RATES[-1] * SAMPLE_BYTES)
        async with asyncio.timeout(60):
            while talk.said_s - talk.served_s > 0.5:
                await asyncio.sleep(0.1)
        heard_s = sum(talk.line.in_time) + talk.line.live_s
        assert heard_s == pytest.approx(talk.said_s, abs=0.3)
        assert len(talk.line.late) <= 1, "measured once"
        assert len(talk.line.in_time) <= 1 + talk.said_s / part_s
        await talk.close()

    virtual_loop.run(scenario())


@pytest.mark.parametrize("mbit", [0.35, 0.6])
def test_of_a_line_too_slow_for_parts_the_newest_is_heard(mbit: float) -> None:
    async def scenario() -> None:
        bytes_a_second = mbit * 1e6 / 8
        talk = Talk(SlowLine(bytes_a_second), 20)
        await asyncio.sleep(1.0)
        talk.join()
        async with asyncio.timeout(60):
            await talk.line.heard.wait()
        (heard_s,) = talk.line.in_time
        assert heard_s > 0.95 * bytes_a_second * WITHIN_S / (RATES[-1] * SAMPLE_BYTES)
        assert len(talk.line.late) <= 1
        await asyncio.sleep(2.0)
        assert talk.said_s - talk.served_s < 0.5
        await talk.close()

    virtual_loop.run(scenario())


def test_a_line_that_was_dead_for_a_moment_is_not_taken_for_a_slow_one() -> None:
    async def scenario() -> None:
        talk = Talk(SlowLine(1e6), 10)
        await asyncio.sleep(1.0)
        talk.join()
        async with asyncio.timeout(60):
            await talk.line.heard.wait()  # and the server has reported something
            await asyncio.sleep(5.0)
            talk.line.heard.clear()
            talk.microphone.connection(up=False)
            await asyncio.sleep(30.0)
            await talk.line.republish_microphone()
            talk.microphone.connection(up=True)
            talk.line.dead_until = asyncio.get_running_loop().time() + 2 * SILENT_S
            await talk.line.heard.wait()
        assert talk.line.late[-1] > 30.0
        assert talk.line.in_time[-1] > talk.line.late[-1]
        await talk.close()

    virtual_loop.run(scenario())

"""A line that fails in the middle of speech: what the tape is told was heard, and what goes on."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from actors.audio.follower import Follower
from actors.audio.tape import Tape
from actors.messages import Participant
from actors.room.backend import RoomError
from actors.room.loss import BURST, DEAD_S, SILENT_S, Reception
from actors.room.mic import MicLane
from actors.room.microphone import WAITED_FOR_S, WATCH_S, Microphone
from actors.room.uplink import Uplink
from tests import virtual_loop

pytestmark = pytest.mark.unit

RATE = 1000
BLOCK_S = 0.02
REPORT_S = 1.0
REPEATED_S = REPORT_S + 2 * WATCH_S
"""At most: a report tells of what was sent a look before it, and is seen a look later."""
SUBSCRIBED_S = 0.1
AGENT = Participant("agent", "PA_1", "agent", True, {"lk.agent.state": "listening"})


class Line:
    """A room's backend over a network that can be cut. Sound that is sent then is lost, and nobody
    says so until it is mended; a buffer comes late, as on a reliable channel.
    """

    name = identity = ""
    queued_s = 0.0

    def __init__(self, heard: "Counter[int]") -> None:
        self.microphone: Microphone
        self.heard = heard
        self.whole = asyncio.Event()
        self.whole.set()
        self.lost = 0
        """Packets of the track."""
        self.republished = 0
        self.is_new = asyncio.Event()
        """Its track is not the first."""
        self.asked: Callable[[], None] = lambda: None
        """Called when the reports are looked at, before they are there."""
        self.reports = True
        self.fails = 0
        """So many times publishing anew fails."""
        self._sid = 1
        self._subscribed_at = 0.0
        self.stands_still = False
        """Its track takes samples and sends nothing."""
        self._sent = 0
        self._report: tuple[float | None, int] = (None, 0)

    async def capture(self, pcm: bytes) -> None:
        if self.stands_still:
            return
        self._sent += 1
        if self.whole.is_set():
            self.heard.update(_positions(pcm))
        else:
            self.lost += 1

    async def send_bytes(
        self, content: bytes, *, topic: str, attributes: dict[str, str], to: str, name: str
    ) -> None:
        await self.whole.wait()
        if asyncio.get_running_loop().time() - self._subscribed_at <= WAITED_FOR_S:
            self.heard.update(_positions(content))

    async def has_reached(self, to: str, *, timeout_s: float) -> bool | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.whole.wait()
        return self.whole.is_set()

    async def reception(self) -> Reception | None:
        self.asked()
        await asyncio.sleep(0.002)
        return Reception(self._sent, *self._report)

    async def republish_microphone(self) -> None:
        await asyncio.sleep(0.05)
        if self.fails:
            self.fails -= 1
            raise RoomError("not now")
        self.republished += 1
        self.get_new_track()

    def get_new_track(self) -> None:
        self.is_new.set()
        self._sid += 1
        self.lost = self._sent = 0
        self._report = (None, 0)
        self.microphone.republished(f"TR_{self._sid}")
        asyncio.get_running_loop().call_later(SUBSCRIBED_S, self.get_subscribed)

    def get_subscribed(self) -> None:
        self._subscribed_at = asyncio.get_running_loop().time()
        self.microphone.subscribed(f"TR_{self._sid}")

    async def report(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(REPORT_S)
            if self.reports and self.whole.is_set():
                self._report = (loop.time(), self.lost)


class Talk:
    """Somebody talks all the time, in blocks; each sample tells its position."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.heard: Counter[int] = Counter()
        """Positions that have reached the agent, in a buffer or on the track, and how often."""
        self._follower = Follower(tape)
        self._talking = asyncio.get_running_loop().create_task(self._talk())
        self._of_room: list[asyncio.Task[None]] = []
        self.join()

    def join(self) -> None:
        """With another microphone, as that of a new connection or a new room process."""
        self.line = Line(self.heard)
        self.microphone = self.line.microphone = Microphone(
            self.line,  # type: ignore[arg-type]  # what the microphone needs of a backend
            Uplink(RATE),
            MicLane(self._follower.follow),
            RATE,
            self._spawn,
            clock=asyncio.get_running_loop().time,
        )
        self._spawn(self.line.report(), "reports")
        self.microphone.published("TR_1")
        self.microphone.participants((AGENT,))
        self.line.get_subscribed()

    @property
    def end(self) -> int:
        return self.tape.header.end

    @property
    def served(self) -> int:
        return self.tape.header.served

    @property
    def missing(self) -> list[int]:
        """What counts as heard and was not."""
        return [each for each in range(self.served) if not self.heard[each]]

    @property
    def repeated_s(self) -> float:
        return (self.heard.total() - len(self.heard)) / RATE

    def cut(self) -> int:
        """Returns the position at which it happens."""
        self.line.whole.clear()
        return self.end

    def mend(self) -> None:
        self.line.whole.set()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._of_room.append(task)
        return task

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        block = round(BLOCK_S * RATE)
        while True:
            await asyncio.sleep(BLOCK_S)
            pcm = b"".join((self.end + each).to_bytes(2, "big") for each in range(block))
            self.tape.append(pcm, loop.time())
            for run in self._follower.due():
                self.microphone.captured(run)

    async def die(self) -> None:
        """As the room's process does: without a last word."""
        for task in self._of_room:
            task.cancel()
        await asyncio.gather(*self._of_room, return_exceptions=True)
        self._of_room.clear()

    async def close(self) -> None:
        await self.die()
        self._talking.cancel()
        await asyncio.gather(self._talking, return_exceptions=True)


def _positions(pcm: bytes) -> list[int]:
    return [int.from_bytes(pcm[at : at + 2], "big") for at in range(0, len(pcm), 2)]


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Tape]:
    tape = Tape.open(tmp_path / "tape", RATE, 60)
    tape.begin("conversation", 0.0)
    yield tape
    tape.close()


def play(tape: Tape, scenario: Callable[[Talk], Coroutine[Any, Any, None]]) -> None:
    async def with_talk() -> None:
        talk = Talk(tape)
        try:
            await asyncio.sleep(5.0)
            assert talk.microphone.state == "live"
            await scenario(talk)
        finally:
            await talk.close()

    virtual_loop.run(with_talk())


def goes_on(talk: Talk) -> bool:
    """All is as before: speech flows, and what counts as heard was."""
    return (
        talk.microphone.state == "live"
        and talk.microphone.health() == "ok"
        and talk.end - talk.served < RATE // 2
        and not talk.missing
    )


def test_a_cut_while_a_hole_waits_to_be_said_again_ends_with_the_cut(tape: Tape) -> None:
    async def scenario(talk: Talk) -> None:
        talk.line.lost += BURST
        await asyncio.sleep(2.0)
        assert talk.line.republished == 1
        talk.line.lost += BURST  # known with the next report, but too soon to be said again
        await asyncio.sleep(1.2)
        talk.cut()
        await asyncio.sleep(4.5)
        talk.mend()
        await asyncio.sleep(15.0)
        assert goes_on(talk)

    play(tape, scenario)


def test_another_agent_that_comes_while_nothing_is_reported_is_spoken_to(tape: Tape) -> None:
    async def scenario(talk: Talk) -> None:
        talk.cut()
        await asyncio.sleep(SILENT_S + 1.0)
        talk.microphone.participants(())
        await asyncio.sleep(1.0)
        talk.mend()
        talk.microphone.participants((AGENT,))
        await asyncio.sleep(5.0)
        assert goes_on(talk)

    play(tape, scenario)


def test_a_reconnect_that_begins_while_the_reports_are_looked_at_is_one(tape: Tape) -> None:
    async def scenario(talk: Talk) -> None:
        looked = asyncio.Event()
        talk.line.asked = looked.set
        await looked.wait()
        cut = talk.cut()
        talk.microphone.connection(up=False)
        await asyncio.sleep(15.0)
        assert talk.served <= cut
        talk.mend()
        talk.microphone.connection(up=True)
        await asyncio.sleep(5.0)
        assert goes_on(talk)

    play(tape, scenario)


@pytest.mark.parametrize("tracks", [1, 2, 3])
def test_tracks_that_send_nothing_cost_no_word(tape: Tape, tracks: int) -> None:
    async def scenario(talk: Talk) -> None:
        talk.line.stands_still = True
        for _ in range(tracks):
            talk.line.is_new.clear()
            await talk.line.is_new.wait()
        talk.line.stands_still = False
        await asyncio.sleep(5.0)
        assert goes_on(talk)
        assert talk.line.republished == tracks
        assert talk.repeated_s <= REPEATED_S

    play(tape, scenario)


@pytest.mark.parametrize("noticed_s", [0.1, 2.0, 20.0])
def test_a_cut_that_ends_the_connection_costs_no_word(tape: Tape, noticed_s: float) -> None:
    async def scenario(talk: Talk) -> None:
        talk.cut()
        await asyncio.sleep(noticed_s)
        talk.microphone.connection(up=False)
        talk.microphone.close()
        await asyncio.sleep(1.0)
        talk.join()
        await asyncio.sleep(5.0)
        assert goes_on(talk)
        assert talk.repeated_s <= REPEATED_S

    play(tape, scenario)


@pytest.mark.parametrize("connection", ["stands", "is down"])
def test_a_room_that_is_killed_during_an_outage_costs_no_word(tape: Tape, connection: str) -> None:
    async def scenario(talk: Talk) -> None:
        talk.cut()
        await asyncio.sleep(SILENT_S + 1.0)
        if connection == "is down":
            talk.microphone.connection(up=False)
            await asyncio.sleep(1.0)
        await talk.die()
        talk.join()
        await asyncio.sleep(5.0)
        assert goes_on(talk)
        assert talk.repeated_s <= REPEATED_S

    play(tape, scenario)


def test_a_room_that_is_killed_while_it_says_something_again_costs_no_word(tape: Tape) -> None:
    async def scenario(talk: Talk) -> None:
        talk.cut()
        await asyncio.sleep(1.0)
        talk.mend()
        await talk.line.is_new.wait()
        await talk.die()
        talk.join()
        await asyncio.sleep(5.0)
        assert goes_on(talk)

    play(tape, scenario)


def test_a_kill_on_a_good_line_repeats_next_to_nothing(tape: Tape) -> None:
    async def scenario(talk: Talk) -> None:
        await talk.die()
        talk.join()
        await asyncio.sleep(5.0)
        assert goes_on(talk)
        assert talk.repeated_s < 0.3

    play(tape, scenario)


def test_a_track_that_the_server_has_lost_is_published_anew(tape: Tape) -> None:
    """It reports nothing of it, while the connection stands."""

    async def scenario(talk: Talk) -> None:
        talk.cut()
        await asyncio.sleep(DEAD_S - REPORT_S)
        assert not talk.line.republished
        await talk.line.is_new.wait()
        assert "reports no sound of the microphone" in talk.microphone.health()
        talk.mend()
        await asyncio.sleep(5.0)
        assert goes_on(talk)

    play(tape, scenario)


def test_a_track_of_which_nothing_is_ever_reported_is_published_anew(tape: Tape) -> None:
    async def scenario(talk: Talk) -> None:
        talk.line.reports = False
        await talk.line.is_new.wait()
        assert talk.line.republished == 1
        await asyncio.sleep(2 * DEAD_S)
        assert "reports no sound of the microphone" in talk.microphone.health()
        assert talk.line.republished > 1

    play(tape, scenario)


def test_what_cannot_be_published_is_tried_again_soon(tape: Tape) -> None:
    async def scenario(talk: Talk) -> None:
        talk.line.fails = 3
        talk.cut()
        await asyncio.sleep(1.0)
        talk.mend()
        await asyncio.sleep(6.0)
        assert talk.line.republished == 1
        assert goes_on(talk)

    play(tape, scenario)


def test_after_a_long_reconnect_a_report_is_waited_for(tape: Tape) -> None:
    async def scenario(talk: Talk) -> None:
        talk.microphone.connection(up=False)
        await asyncio.sleep(DEAD_S + REPORT_S)
        talk.microphone.connection(up=True)
        await asyncio.sleep(2 * REPORT_S)
        assert goes_on(talk)
        assert not talk.line.republished

    play(tape, scenario)


def test_what_is_said_while_barred_is_never_heard_and_what_follows_is(tape: Tape) -> None:
    """Also if publishing it anew does not succeed at once."""

    async def scenario(talk: Talk) -> None:
        talk.microphone.barred("the server has muted the microphone")
        barred = talk.end
        await asyncio.sleep(2 * DEAD_S)
        assert talk.microphone.trouble == "the server has muted the microphone"
        assert talk.line.republished == 0
        talk.line.fails = 2
        talk.microphone.barred("")
        allowed = talk.end
        await asyncio.sleep(5.0)
        assert (talk.microphone.state, talk.microphone.health()) == ("live", "ok")
        assert talk.line.republished == 1
        assert talk.served > allowed
        assert not talk.heard.keys() & set(range(barred, allowed))
        assert talk.heard.keys() >= set(range(allowed, talk.served))

    play(tape, scenario)

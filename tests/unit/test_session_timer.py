"""Timers of the session, and what it shows in one turn of the loop."""

import asyncio
import time

import pytest

from actors.messages import AgentView, SessionState
from actors.session.showing import Showing
from actors.session.timer import Timer, boottime

pytestmark = pytest.mark.unit

AGENT = AgentView("disconnected", None, False, False, False, True)


def test_it_rings_once_for_each_arming_and_not_when_it_was_disarmed() -> None:
    async def play() -> None:
        rung: list[float] = []
        news = asyncio.Event()

        def ring() -> None:
            rung.append(boottime())
            news.set()

        timer = Timer(ring)
        timer.arm(0.0)
        timer.disarm()
        timer.arm(60.0)
        assert timer.due_at == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME) + 60, abs=1)
        timer.arm(-5.0)
        await asyncio.wait_for(news.wait(), 5)
        assert (len(rung), timer.due_at) == (1, 0.0)

    asyncio.run(play())


def test_what_it_was_armed_for_before_is_known_until_it_is_armed_again() -> None:
    """A process that is killed before it could arm it leaves that to the next."""
    timer = Timer(lambda: None, 123.0)
    assert timer.due_at == 123.0
    timer.disarm()
    assert timer.due_at == 0.0


def test_all_changes_of_one_turn_are_shown_once_and_what_is_the_same_is_not() -> None:
    async def play() -> None:
        states = [SessionState(name, False, "disconnected", AGENT) for name in "aab"]
        said: list[SessionState] = []
        now = states[0]
        showing = Showing(lambda: now, said.append)
        for now in states:  # noqa: B007  # the closure sees it
            showing.soon()
            showing.soon()
            await asyncio.sleep(0)
        assert said == [states[0], states[2]]

    asyncio.run(play())


def test_held_it_shows_nothing_until_it_is_released_or_its_time_is_over() -> None:
    async def play() -> None:
        said: list[SessionState] = []
        state = SessionState("a", False, "disconnected", AGENT)
        showing = Showing(lambda: state, said.append)
        showing.hold(60.0)
        showing.soon()
        await asyncio.sleep(0)
        assert said == []
        showing.release()
        showing.soon()
        await asyncio.sleep(0)
        assert said == [state]
        later = Showing(lambda: state, said.append)
        later.hold(0.0)
        async with asyncio.timeout(5):
            while len(said) < 2:
                await asyncio.sleep(0)

    asyncio.run(play())

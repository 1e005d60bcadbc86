"""The spare process: it becomes whatever is needed next, and costs nothing when it cannot."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from supervisor.spec import ProgramSpec
from tests.children import DEADLINE_S
from tests.supervised import alive, fork_server, gone, puppet, stage

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("fork_server")]
_ = fork_server

SLEEPER = ProgramSpec("program", ("sleep", "600"))


@pytest.mark.parametrize("name", ["puppet", "program"])
def test_it_becomes_whoever_has_died_and_another_takes_its_place(
    runtime_dir: Path, name: str
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), SLEEPER) as on:
            spare, before = await on.spare(), on.pid(name)
            os.kill(before, signal.SIGKILL)
            await on.until_back(before, name)
            assert on.pid(name) == spare
            assert await on.spare() not in (spare, before)

    asyncio.run(scenario())


def test_it_ends_with_the_terminal(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            spare = await on.spare()
            assert alive(spare)
        assert not alive(spare)

    asyncio.run(scenario())


def test_one_that_dies_unused_costs_the_next_start_nothing(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            spare, before = await on.spare(), on.pid()
            os.kill(spare, signal.SIGKILL)
            await gone(spare)
            async with asyncio.timeout(DEADLINE_S):
                while on.terminal._tree._spare.pid is not None:
                    await asyncio.sleep(0.002)
            os.kill(before, signal.SIGKILL)
            row = await on.until_back(before)
            assert row.restarts == 1

    asyncio.run(scenario())


def test_one_that_is_dead_when_it_is_taken_is_one_more_try(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), backoff_initial=0.01) as on:
            spare, before = await on.spare(), on.pid()
            os.kill(spare, signal.SIGSTOP)  # takes its job, and does nothing with it
            os.kill(before, signal.SIGKILL)
            await on.until(lambda now: now["puppet"].pid == spare)
            os.kill(spare, signal.SIGKILL)
            row = await on.until_back(spare)
            assert row.state == "running"

    asyncio.run(scenario())

"""Modules of an operator's own actors, imported before the fork where he wants it."""

import asyncio
from pathlib import Path

import pytest

from supervisor import forks
from supervisor.spec import ActorSpec, Rules
from tests.supervised import puppet, stage

pytestmark = pytest.mark.process


@pytest.mark.parametrize("preload", [True, False])
def test_a_module_is_imported_where_its_operator_wants_it(runtime_dir: Path, preload: bool) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(rules=Rules(preload=preload))) as on:
            imported_in = (await on.ask("imported-in"))["pid"]
            assert imported_in == (forks.server_pid() if preload else on.pid())

    asyncio.run(scenario())


def test_one_that_cannot_be_imported_is_its_own_actors_failure_only(runtime_dir: Path) -> None:
    async def scenario() -> None:
        lost = ActorSpec("lost", "tests.nowhere:Lost", {}, Rules(preload=True, essential=False))
        async with stage(runtime_dir, puppet(), lost) as on:
            await on.until(lambda now: "tests.nowhere" in now["lost"].health)
            assert on.row().state == "running"

    asyncio.run(scenario())

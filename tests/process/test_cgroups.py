"""Each child in a cgroup of its own: nothing that it has started gets away, wherever it hides."""

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.messages import ActorStatus, Custom, Done, GetStatus, RestartActor
from actors.runtime import kin
from actors.runtime.client import Client
from supervisor import cgroup, leaf
from supervisor.leaf import Leaf
from tests.children import DEADLINE_S
from tests.puppet import HIDES
from tests.supervised import alive, gone, order, running
from tests.terminals import Terminals

pytestmark = pytest.mark.process

_PR_CAPBSET_DROP = 24
_CAP_KILL = 5

_FORKS = """
import os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print(os.getpid())
signal.sigwait({signal.SIGUSR1})
for _ in range(10):
    if os.fork() == 0:
        if os.fork() == 0:
            os.write(1, b"%d\\n" % os.getpid())
        os._exit(0)
    os.wait()
time.sleep(600)
"""
"""When told to, ten daemons that end at once and for which nobody waits."""

_LEAVES = """
import os, time
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    time.sleep(600)
"""
"""A daemon; so its parent ends."""

PROGRAMS = {
    "hider": ["sh", "-c", '"$0" -S -c "$1"; exec sleep 600', sys.executable, HIDES],
    "forker": [sys.executable, "-S", "-u", "-c", _FORKS],
    "changed": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "600"],
}


@pytest.fixture
def delegated(tmp_path: Path) -> Iterator[Path]:
    """A cgroup of our own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount cgroup2")
    mounted = tmp_path / "cgroup 2"  # a blank, which mountinfo has in octal
    mounted.mkdir()
    done = subprocess.run(
        ["mount", "-t", "cgroup2", "none", str(mounted)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"cgroup2 cannot be mounted here: {done.stderr.strip()}")
    made = mounted / f"test-of-callpoint-{os.getpid()}"
    made.mkdir()
    try:
        yield made
        give_up = time.monotonic() + DEADLINE_S
        while _folders(made) and time.monotonic() < give_up:
            time.sleep(0.01)  # for a fork server whose supervisor was killed
        assert _folders(made) == [], "all leaves are removed"
    finally:
        _clear(made)
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def _clear(made: Path) -> None:
    for procs in made.rglob("cgroup.procs"):
        for pid in procs.read_text().split():
            kin.kill(int(pid))
    give_up = time.monotonic() + DEADLINE_S
    while "populated 1" in (made / "cgroup.events").read_text() and time.monotonic() < give_up:
        time.sleep(0.01)
    for folder, _, _ in os.walk(made, topdown=False):
        Path(folder).rmdir()


def _folders(of: Path) -> list[Path]:
    return [each for each in of.iterdir() if each.is_dir()]


@pytest.fixture
def terminals(delegated: Path, runtime_dir: Path) -> Iterator[Terminals]:
    """As root that may not signal others' processes, as nobody else may."""

    def enter() -> None:
        (delegated / "cgroup.procs").write_text("0")
        assert ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_KILL, 0, 0, 0) == 0

    scope = delegated.parent / f"{delegated.name}.scope"
    scope.mkdir()
    leaver = ["sh", "-c", 'echo 0 >"$0/cgroup.procs"; "$1" -S -c "$2"; exec sleep 600']
    made = Terminals(
        runtime_dir, enter=enter, **PROGRAMS, leaver=[*leaver, str(scope), sys.executable, _LEAVES]
    )
    try:
        yield made
    finally:
        made.end()
        _clear(scope)


async def _stop(terminals: Terminals) -> None:
    terminals.process.terminate()
    assert await asyncio.to_thread(terminals.process.wait, DEADLINE_S) == 0


async def _row(terminals: Terminals, name: str) -> ActorStatus:
    return (await running(terminals.runtime_dir, GetStatus())).actors[name]


async def _hidden(terminals: Terminals) -> int:
    """The pid of what an actor has hidden."""
    async with Client(terminals.runtime_dir) as client:
        answer = await client.ask("a", Custom("hide", {}), DEADLINE_S)
    assert isinstance(answer, Custom)
    terminals.seen.add(pid := int(answer.payload["pid"]))
    assert alive(pid)
    assert Path(f"/proc/{pid}/environ").read_bytes() == b"", "no mark"
    return pid


async def _told_by(name: str, terminals: Terminals, count: int = 1) -> list[int]:
    """The pids that a program has written, the last ones first."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            said = [json.loads(line) for line in terminals.log.read_text().splitlines()]
            pids = [int(line["message"]) for line in said if line["process"] == name]
            if len(pids) >= count:
                terminals.seen |= set(pids)
                return pids[::-1]
            await asyncio.sleep(0.01)


def test_it_dies_with_its_actor_or_program(terminals: Terminals, delegated: Path) -> None:
    async def scenario() -> None:
        status = await terminals.start()
        (by_program,) = await _told_by("hider", terminals)
        hidden = {"a": await _hidden(terminals), "hider": by_program}
        assert '"children in cgroups"' in terminals.log.read_text()
        for name, pid in hidden.items():
            assert alive(pid), "whoever else dies"
            os.kill(status.actors[name].pid or 0, signal.SIGKILL)
            async with asyncio.timeout(DEADLINE_S):
                while not (row := await _row(terminals, name)).restarts:
                    await asyncio.sleep(0.01)
            assert row.last_exit == "signal SIGKILL"
            assert not alive(pid), "before another copy is there"

    asyncio.run(scenario())


@pytest.mark.parametrize("fork_server", ["the first", "another"])
def test_a_program_collects_no_zombies(terminals: Terminals, fork_server: str) -> None:
    async def scenario() -> None:
        status = await terminals.start()
        await _told_by("forker", terminals)
        forker = status.actors["forker"].pid or 0
        if fork_server == "another":
            os.kill(server := kin.parent_of(forker), signal.SIGKILL)
            await gone(server)
        os.kill(forker, signal.SIGUSR1)
        *ended, _itself = await _told_by("forker", terminals, 11)
        async with asyncio.timeout(DEADLINE_S):
            while any(map(kin.state_of, ended)):
                await asyncio.sleep(0.01)
        await _stop(terminals)

    asyncio.run(scenario())


def test_a_program_that_goes_to_another_cgroup_keeps_its_daemons(
    terminals: Terminals, delegated: Path
) -> None:
    async def scenario() -> None:
        status = await terminals.start()
        program = status.actors["leaver"].pid or 0
        (daemon,) = await _told_by("leaver", terminals)
        assert cgroup.of(daemon) == cgroup.of(program)
        actor = status.actors["a"].pid or 0
        os.kill(actor, signal.SIGKILL)
        async with asyncio.timeout(DEADLINE_S):
            while not (await _row(terminals, "a")).restarts:
                await asyncio.sleep(0.01)
        assert alive(daemon)
        os.kill(program, signal.SIGKILL)
        await gone(daemon)

    asyncio.run(scenario())


def test_nothing_is_left_of_a_terminal_that_stops(terminals: Terminals) -> None:
    """Nor of a program that has changed its user, and may not be signalled."""

    async def scenario() -> None:
        status = await terminals.start()
        await _hidden(terminals)
        await _told_by("hider", terminals)
        changed = status.actors["changed"].pid or 0
        assert await order(terminals.runtime_dir, RestartActor("changed")) == Done()
        assert not alive(changed)
        await _stop(terminals)
        assert not any(map(alive, terminals.seen))

    asyncio.run(scenario())


def test_nothing_is_left_when_the_supervisor_is_killed(
    terminals: Terminals, delegated: Path
) -> None:
    async def scenario() -> None:
        await terminals.start()
        await _hidden(terminals)
        await terminals.kill()
        await gone(*terminals.seen)
        async with asyncio.timeout(DEADLINE_S):
            while _folders(delegated):
                await asyncio.sleep(0.002)

    asyncio.run(scenario())


def test_one_copy_is_left_when_the_next_terminal_takes_over(
    terminals: Terminals, delegated: Path
) -> None:
    """From one that was killed together with whoever could have ended the others."""

    async def scenario() -> None:
        status = await terminals.start()
        await _hidden(terminals)
        actor = status.actors["a"].pid or 0
        os.kill(actor, signal.SIGSTOP)
        await terminals.kill_with(kin.parent_of(actor))
        before = set(terminals.seen)
        assert alive(actor)
        await terminals.start()
        assert not any(map(alive, before))
        assert len(_folders(delegated)) == 1
        await _stop(terminals)

    asyncio.run(scenario())


def test_where_none_can_be_made_it_is_said_once_and_all_goes_on(
    delegated: Path, runtime_dir: Path
) -> None:
    (delegated / "cgroup.max.descendants").write_text("0")
    terminals = Terminals(runtime_dir, enter=lambda: _enter(delegated))

    async def scenario() -> None:
        status = await terminals.start()
        pids = await terminals.family("a")
        os.kill(status.actors["a"].pid or 0, signal.SIGKILL)
        await gone(*pids)
        await _stop(terminals)
        said = [json.loads(line) for line in terminals.log.read_text().splitlines()]
        (told,) = [line for line in said if line["message"] == "children without cgroups"]
        assert "Resource temporarily unavailable" in told["cause"]

    try:
        asyncio.run(scenario())
    finally:
        terminals.end()


@pytest.mark.parametrize("kernel", ["with cgroup.kill", "before Linux 5.14"])
def test_all_in_a_leaf_and_below_are_killed(
    delegated: Path, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    if kernel == "before Linux 5.14":
        monkeypatch.setattr(leaf, "KILL", "cgroup.not-there")
    made = Leaf(delegated / "leaves" / "1")
    os.close(made.procs)
    folder = delegated / "leaves" / "1"
    (folder / "below").mkdir()
    sleepers = [
        subprocess.Popen(["sleep", "600"], preexec_fn=lambda to=to: _enter(to))
        for to in (folder, folder / "below", delegated)
    ]
    *inside, outside = sleepers
    try:
        assert [made.holds(each.pid) for each in sleepers] == [True, True, False]
        assert sorted(made.pids()) == sorted(each.pid for each in inside)
        assert not made.is_empty
        made.remove()
        assert made.pids(), "it is in use"
        made.kill()
        assert [each.wait(DEADLINE_S) for each in inside] == [-signal.SIGKILL] * 2
        assert made.is_empty
        assert outside.poll() is None
        made.remove()
    finally:
        for each in sleepers:
            each.kill()
            each.wait()


def _enter(made: Path) -> None:
    (made / "cgroup.procs").write_text("0")

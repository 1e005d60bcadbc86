"""``callpoint reload`` and SIGHUP on a real terminal: what changed, and nothing else."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.messages import Done, Failed, GetStatus, Reload, RestartActor, Status
from actors.settings import Settings
from supervisor import exits
from supervisor.spec import Rules
from supervisor.tree import StartFailedError
from tests.children import DEADLINE_S
from tests.supervised import Stage, alive, fork_server, order, puppet, running, stage

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("fork_server")]
_ = fork_server

ROOT = Path(__file__).parents[2]
CONFIG = """
[terminal]
runtime_dir = "run"
state_dir = "state"
[livekit]
backend = "practice"
[audio]
input = "none"
output = "none"
loop = false
[kiosk]
enabled = false
[programs.sleeper]
command = ["sleep", "600"]
"""


class Operator:
    """Edits a config and has it read again."""

    def __init__(
        self, directory: Path, text: str, program: Sequence[str], **surroundings: Any
    ) -> None:
        self.directory = directory
        self.runtime_dir = directory / "run"
        self.config = directory / "terminal.toml"
        self.text = text
        self.config.write_text(text)
        self.log = directory / "log"
        args = ("run", str(self.config), "--log-file", str(self.log))
        self.process = self._callpoint(*args, program=program, **surroundings)

    def _callpoint(
        self, *args: str, program: Sequence[str] = (), **surroundings: Any
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *(program or ("-m", "supervisor")), *args],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("CALLPOINT_")},
            **surroundings,
        )

    def edit(self, old: str, new: str) -> None:
        assert old in self.text
        self.text = self.text.replace(old, new)
        self.config.write_text(self.text)

    async def types(self, *args: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        process = self._callpoint(*args)
        out, err = await asyncio.to_thread(process.communicate, None, DEADLINE_S)
        return process.returncode, out, err

    async def reload(self) -> tuple[int, str, str]:
        return await self.types("reload", "--runtime-dir", str(self.runtime_dir))

    async def logged(self, message: str, *, times: int = 1) -> dict[str, Any]:
        """The line of the log that has this message for the so many-th time, once it is there."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                written = self.log.read_text() if self.log.exists() else ""
                lines = map(json.loads, written.rpartition("\n")[0].splitlines())
                found = [line for line in lines if line["message"] == message]
                if len(found) >= times:
                    return dict(found[times - 1])
                await asyncio.sleep(0.01)

    async def pids(self) -> dict[str, int | None]:
        status = await order(self.runtime_dir, GetStatus())
        assert isinstance(status, Status)
        return {name: row.pid for name, row in status.actors.items()}


@contextmanager
def _operating(
    text: str = CONFIG, program: Sequence[str] = (), **surroundings: Any
) -> Iterator[Operator]:
    """With a terminal that is asked to end, and ends well. ``program``: else the command's own.
    ``surroundings``: arguments of Popen.
    """
    # A short directory: sockets are in it.
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as directory:
        made = Operator(Path(directory), text, program, **surroundings)
        try:
            yield made
        finally:
            made.process.terminate()
            _, told = made.process.communicate(timeout=DEADLINE_S)
        assert (made.process.returncode, told) == (0, "")


@pytest.fixture
def operator() -> Iterator[Operator]:
    with _operating() as made:
        yield made


def _changed(before: dict[str, int | None], after: dict[str, int | None]) -> set[str]:
    return {name for name in after if after[name] != before.get(name)}


def test_only_what_changed_is_restarted_and_a_bad_file_is_refused_whole(operator: Operator) -> None:
    async def scenario() -> None:
        await running(operator.runtime_dir, GetStatus())
        first = await operator.pids()
        assert await operator.reload() == (0, "nothing had to be restarted\n", "")
        assert await operator.pids() == first

        operator.edit("loop = false", "loop = true")
        assert await operator.reload() == (0, "restarted: session, audio, room\n", "")
        second = await operator.pids()
        assert _changed(first, second) == {"session", "audio", "room"}

        operator.edit('input = "none"', 'inptu = "none"\nloop = 3')
        operator.edit("loop = true\n", "")
        code, out, err = await operator.reload()
        _, _, checked = await operator.types("check", str(operator.config))
        assert (code, out) == (exits.CONFIG, "")
        assert err.splitlines()[0] == "callpoint: the config is refused, nothing was changed"
        assert err.splitlines()[1:] == checked.splitlines()[1:], "the same words as check's"
        assert len(err.splitlines()) == 3
        logged = (await operator.logged("config refused"))["problems"]
        assert logged == [line.strip() for line in err.splitlines()[1:]]
        assert await operator.pids() == second

        operator.edit('inptu = "none"\nloop = 3', 'input = "none"')
        operator.edit('command = ["sleep", "600"]', 'command = ["sleep", "601"]')
        operator.edit("[kiosk]\nenabled = false", "[kiosk]\nport = 0")
        operator.process.send_signal(signal.SIGHUP)
        await operator.logged("config reloaded", times=3)
        third = await operator.pids()
        assert _changed(second, third) == {"session", "audio", "room", "sleeper", "kiosk"}

        operator.edit('[programs.sleeper]\ncommand = ["sleep", "601"]\n', "")
        assert await operator.reload() == (0, "stopped: sleeper\n", "")
        assert "sleeper" not in await operator.pids()

        operator.edit('runtime_dir = "run"', 'runtime_dir = "elsewhere"')
        code, _, err = await operator.reload()
        assert code == exits.CONFIG
        assert "terminal.runtime_dir: cannot be changed while the terminal runs" in err
        operator.edit('runtime_dir = "elsewhere"', 'runtime_dir = "run"')

        operator.edit("[terminal]", '[terminal]\nlog_level = "ERROR"')
        quiet = len(operator.log.read_text().splitlines())
        code, out, _ = await operator.reload()
        assert (code, out.split()[0]) == (0, "restarted:")
        said = operator.log.read_text().splitlines()[quiet:]
        assert not any('"process": "supervisor"' in line for line in said)

    asyncio.run(scenario())


def test_a_log_file_that_was_moved_away_is_begun_anew_also_under_a_bad_config(
    operator: Operator,
) -> None:
    """Whoever rotates it sends a SIGHUP, and knows nothing of configs."""

    async def scenario() -> None:
        await running(operator.runtime_dir, GetStatus())
        operator.log.rename(operator.log.with_suffix(".1"))
        operator.config.unlink()
        operator.process.send_signal(signal.SIGHUP)
        (problem,) = (await operator.logged("config refused"))["problems"]
        assert problem.startswith(f"{operator.config}: there is no such file")

    asyncio.run(scenario())


# -- a hang-up before it runs ----------------------------------------------------------------------


class Door:
    """An address at which nobody answers until it is opened."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.waiter = f"""
[programs.waiter]
command = ["sleep", "600"]
starts = "before"
ready = "tcp://127.0.0.1:{self._socket.getsockname()[1]}"
start_timeout = 600
"""

    def open(self) -> None:
        self._socket.listen()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.close()


async def _starting(operator: Operator) -> Status:
    """Wait until the first of them starts."""
    async with asyncio.timeout(DEADLINE_S):
        while not (operator.runtime_dir / "control.sock").exists():
            await asyncio.sleep(0.01)
        while True:
            status = await order(operator.runtime_dir, GetStatus())
            assert isinstance(status, Status)
            assert status.state == "starting"
            if status.actors["waiter"].pid:
                return status
            await asyncio.sleep(0.01)


def test_a_hang_up_while_it_starts_is_heeded_once_it_runs(door: Door) -> None:
    async def scenario(operator: Operator) -> None:
        before = await _starting(operator)
        operator.process.send_signal(signal.SIGHUP)
        operator.edit("loop = false", "loop = true")
        assert (await _starting(operator)).pid == before.pid
        door.open()
        reloaded = await operator.logged("config reloaded")
        assert reloaded["actors_restarted"] == ["session", "audio", "room"]
        now = await running(operator.runtime_dir, GetStatus())
        assert now.actors["waiter"].pid == before.actors["waiter"].pid

    with _operating(CONFIG + door.waiter) as operator:
        asyncio.run(scenario(operator))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_it_starts_leaves_nothing(door: Door, number: signal.Signals) -> None:
    async def scenario(operator: Operator) -> None:
        status = await _starting(operator)
        operator.process.send_signal(number)
        assert await asyncio.to_thread(operator.process.wait, DEADLINE_S) == exits.ASKED
        assert list(operator.runtime_dir.glob("*.sock")) == []
        assert not alive(status.actors["waiter"].pid or 0)

    with _operating(CONFIG + door.waiter) as operator:
        asyncio.run(scenario(operator))


_HUNG_UP_AT_ONCE = """
import os, signal, sys
from supervisor.__main__ import main

def hang_up(event, args):
    global config
    if event == "open" and str(args[0]) == config:
        config = ""
        os.kill(os.getpid(), signal.SIGHUP)

config = sys.argv[2]
sys.addaudithook(hang_up)
main()
"""


def test_so_is_one_while_it_reads_its_config_for_the_first_time() -> None:
    async def scenario(operator: Operator) -> None:
        reloaded = await operator.logged("config reloaded")
        assert reloaded["actors_restarted"] == []

    with _operating(program=("-c", _HUNG_UP_AT_ONCE)) as operator:
        asyncio.run(scenario(operator))


_RUN = """
import sys
from pathlib import Path
from actors.settings import Settings
from supervisor.run import run
from supervisor.spec import ActorSpec
specs = [ActorSpec("router", "actors.router.process:Router")]
sys.exit(run(Settings(), Path(sys.argv[1]), specs=specs))
"""


def test_a_hang_up_of_its_terminal_stops_it_where_a_mere_sighup_does_not(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        ours, its = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(runtime_dir)],
            stdin=its,
            stdout=its,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(its)
        before = await running(runtime_dir, GetStatus())
        process.send_signal(signal.SIGHUP)
        assert (await running(runtime_dir, GetStatus())).actors["router"].pid == before.actors[
            "router"
        ].pid
        os.close(ours)
        assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0

    asyncio.run(scenario())


def test_one_that_is_to_outlive_it_goes_on() -> None:
    """As nohup(1) says it."""

    def nohup() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def scenario(operator: Operator) -> None:
        await running(operator.runtime_dir, GetStatus())
        os.close(ours)
        await operator.logged("config reloaded")
        assert (await running(operator.runtime_dir, GetStatus())).pid == operator.process.pid

    ours, its = pty.openpty()
    with _operating(stdin=its, start_new_session=True, preexec_fn=nohup) as operator:
        os.close(its)
        asyncio.run(scenario(operator))


def test_a_terminal_without_a_config_file_says_so(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir):
            answer = await order(runtime_dir, Reload())
            assert isinstance(answer, Failed)
            assert answer.reason == "this terminal was not started from a config file"

    asyncio.run(scenario())


def test_a_fault_over_a_reload_is_told_and_ends_nothing(
    runtime_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def reread() -> Settings:
        raise RuntimeError("a mistake of ours")

    async def scenario() -> None:
        async with stage(runtime_dir, reread=reread) as on:
            told = await order(runtime_dir, Reload())
            assert told == Failed("fault", "a fault of callpoint itself", "the log says more")
            assert "a mistake of ours" in caplog.text
            assert on.terminal.status().state == "running"

    asyncio.run(scenario())


def test_what_cannot_start_under_the_new_config_is_told_and_tried_again(runtime_dir: Path) -> None:
    """The tree is given directly: the settings would ask for the real actors."""

    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b"), backoff_initial=0.01) as on:
            before = {name: on.pid(name) for name in ("router", "a", "b")}
            tree, settings = on.terminal._tree, on.terminal._settings
            specs = [
                tree.members["router"].spec,
                puppet("a"),
                puppet("b", start="fail-until"),
                puppet("c"),
            ]
            done, failed = await tree.change(settings, specs)
            assert (done.restarted, done.start, failed) == (("b",), ("b", "c"), ["b"])
            assert {name: on.pid(name) for name in ("router", "a")} == {
                name: before[name] for name in ("router", "a")
            }
            assert not on.terminal.escalation, "also what is needed is tried again"
            (runtime_dir / "mended").touch()
            await on.until(lambda now: now["b"].state == "running")

    asyncio.run(scenario())


def test_a_reload_is_a_second_chance_for_what_waits(runtime_dir: Path) -> None:
    async def scenario() -> None:
        spare = puppet("spare", target="Dispensable")
        async with stage(runtime_dir, spare, intensity=0, quarantine=600.0) as on:
            os.kill(on.pid("spare"), signal.SIGKILL)
            await on.until(lambda now: now["spare"].state == "quarantined")
            tree = on.terminal._tree
            await tree.change(on.terminal._settings, [each.spec for each in tree.members.values()])
            await on.until(lambda now: now["spare"].state == "running")
            pid = on.pid("spare")
            assert await order(runtime_dir, RestartActor("spare")) == Done()
            assert on.pid("spare") != pid, "and it can still be restarted"

    asyncio.run(scenario())


def test_one_that_had_ended_is_of_its_group_also_after_a_reload(runtime_dir: Path) -> None:
    async def scenario() -> None:
        members = [
            puppet("a", rules=Rules(group="g")),
            puppet("b", rules=Rules(group="g", restart="transient")),
        ]
        async with stage(runtime_dir, *members, groups={"g": "one_for_all"}) as on:
            ended = on.pid("b")
            await on.tell("end", to="b")
            await on.until(lambda now: now["b"].state == "ended")
            tree = on.terminal._tree
            await tree.change(on.terminal._settings, [each.spec for each in tree.members.values()])
            assert on.row("b").state == "ended"
            os.kill(on.pid("a"), signal.SIGKILL)
            await on.until_back(ended, "b")

    asyncio.run(scenario())


_OBEYS_LATE = {"slow_after": 0.5, "stuck_after": 60.0, "stop_grace": 30.0}


async def _ignores_every_order(on: Stage, name: str) -> int:
    """From now on, where the terminal is to be as patient as this; returns its pid."""
    await on.tell("hang", to=name, how="deadlock")
    await on.until(lambda now: now[name].health.startswith("no heartbeat"))
    return on.pid(name)


def test_a_reload_in_the_middle_of_a_groups_restart_loses_nobody(runtime_dir: Path) -> None:
    async def scenario() -> None:
        members = [puppet(name, rules=Rules(group="g")) for name in "abc"]
        async with stage(runtime_dir, *members, groups={"g": "one_for_all"}, **_OBEYS_LATE) as on:
            before = {name: on.pid(name) for name in "abc"}
            stubborn = await _ignores_every_order(on, "c")
            os.kill(before["a"], signal.SIGKILL)
            await on.until(lambda now: now["c"].state == "stopping")
            tree = on.terminal._tree
            await tree.change(on.terminal._settings, [each.spec for each in tree.members.values()])
            assert on.row("c").state == "stopping"
            os.kill(stubborn, signal.SIGKILL)
            for name in "abc":
                await on.until_back(before[name], name)

    asyncio.run(scenario())


def test_while_a_reload_waits_for_a_start_all_others_are_restarted_as_ever(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet("kept"), puppet("changed")) as on:
            before = on.pid("changed")
            tree = on.terminal._tree
            specs = [
                tree.members["router"].spec,
                puppet("kept"),
                puppet("changed", anything="new"),
                puppet("new", start="hang"),
            ]
            change = asyncio.create_task(tree.change(on.terminal._settings, specs))
            await on.until(lambda now: "new" in now and now["new"].state == "starting")
            assert on.pid("changed") != before
            for victim in ("kept", "changed", "router"):
                pid = on.pid(victim)
                os.kill(pid, signal.SIGKILL)
                await on.until_back(pid, victim)
            assert not change.done()
            change.cancel()

    asyncio.run(scenario())


def test_while_a_reload_waits_for_an_end_all_others_are_restarted_as_ever(
    runtime_dir: Path,
) -> None:
    async def scenario() -> None:
        members = [puppet(name, rules=Rules(group="g")) for name in ("mate", "stubborn")]
        async with stage(
            runtime_dir, puppet("kept"), *members, groups={"g": "one_for_all"}, **_OBEYS_LATE
        ) as on:
            stubborn = await _ignores_every_order(on, "stubborn")
            tree = on.terminal._tree
            specs = [each.spec for each in tree.members.values() if each.name != "stubborn"]
            change = asyncio.create_task(tree.change(on.terminal._settings, specs))
            await on.until(lambda now: now["stubborn"].state == "stopping")
            for victim in ("kept", "mate", "router"):
                pid = on.pid(victim)
                os.kill(pid, signal.SIGKILL)
                await on.until_back(pid, victim)
            assert not change.done()
            os.kill(stubborn, signal.SIGKILL)
            done, failed = await change
            assert (done.stop, done.start, failed) == (("stubborn",), (), [])
            assert "stubborn" not in on.terminal.status().actors

    asyncio.run(scenario())


def test_a_reload_does_not_wait_for_a_restart(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(start="hang-again")) as on:
            tree = on.terminal._tree
            restart = asyncio.create_task(tree.restart("puppet"))
            await on.until(lambda now: now["puppet"].state == "starting")
            specs = [each.spec for each in tree.members.values() if each.name != "puppet"]
            done, _ = await tree.change(on.terminal._settings, specs)
            assert done.stop == ("puppet",)
            with pytest.raises(StartFailedError, match="did not become ready \\(config changed\\)"):
                await restart

    asyncio.run(scenario())

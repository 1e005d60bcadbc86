"""The Python API with whole terminals: its own, and one that runs already."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors import (
    BlockingSession,
    MessageChanged,
    OptionsError,
    Refreshed,
    Session,
    SessionClosed,
    SessionOptions,
    TerminalError,
    TokenResponse,
    TokenSource,
)
from actors.messages import GetStatus, Status
from actors.runtime import kin
from actors.runtime.control import ask_supervisor
from supervisor.commands.sounds import DEMO
from tests.attached import LAST
from tests.children import DEADLINE_S
from tests.supervised import gone
from tests.terminal import ROOT, Terminal

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

PRACTICE = TokenSource.practice()
SPOKEN = SessionOptions(input=f"file:{DEMO}", output="none")
WAIT_S = 2 * DEADLINE_S


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """One that runs already, in the practice room."""
    with Terminal(
        tmp_path,
        livekit={"backend": "practice"},
        audio={"input": f"file:{DEMO}", "output": "none", "loop": True},
        kiosk={"enabled": False},
    ) as running:
        yield running


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A private directory whose path leaves room for sockets."""
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as path:
        yield Path(path)


async def _takes_part(session: Session) -> None:
    """Until the connection stands and the agent takes part, be it one that was called again."""
    async with asyncio.timeout(WAIT_S):
        async for now in session.snapshots():
            if now.connection_state == "connected" and now.agent.is_connected:
                return


async def _family(runtime_dir: Path) -> set[int]:
    """Pids of a running terminal's supervisor and all that it has started."""
    status = await ask_supervisor(runtime_dir, GetStatus())
    assert isinstance(status, Status)
    return {status.pid, *(row.pid for row in status.actors.values() if row.pid)}


def test_a_terminal_of_its_own_ends_with_the_session(short_dir: Path) -> None:
    async def play() -> None:
        session = Session.with_agent(
            "my-agent", token_source=PRACTICE, options=SPOKEN, runtime_dir=short_dir / "run"
        )
        async with session:
            family = await _family(short_dir / "run")
            assert len(family) > 5
            assert (short_dir / "run").stat().st_mode & 0o777 == 0o700
            await session.start()
            await session.agent.wait_until_connected(WAIT_S)
            assert await session.send("hello") is not None
            # And another program attaches to it with the very same code.
            async with Session.with_agent("my-agent", runtime_dir=short_dir / "run") as other:
                assert [message.text for message in other.messages][:1] == ["hello"]
                assert other.connection_state == "connected"
            assert {pid for pid in family if kin.state_of(pid) in ("", "Z")} == set()
        await gone(*family)

    asyncio.run(play())


def test_its_history_outlives_it_where_a_directory_is_named_for_it(short_dir: Path) -> None:
    async def play() -> None:
        options = SessionOptions(
            input=f"file:{DEMO}", output="none", state_dir=str(short_dir / "state")
        )
        for before in ([], ["of the first"]):
            async with Session.with_agent("a", token_source=PRACTICE, options=options) as session:
                written = [m.text for m in session.messages if m.kind == "user_input"]
                assert written == before
                await session.start()
                await session.agent.wait_until_connected(WAIT_S)
                assert await session.send("of the first") is not None

    asyncio.run(play())


_PROGRAM = """
import asyncio, sys
from actors import Session, SessionOptions, TokenSource
from supervisor.commands.sounds import DEMO

async def main():
    options = SessionOptions(input=f"file:{DEMO}", output="none")
    session = Session.with_agent(
        "a", token_source=TokenSource.practice(), options=options, runtime_dir=sys.argv[1]
    )
    await session.start()
    print("started", flush=True)
    if sys.argv[2] == "forgets":
        return
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["killed", "forgets"])
def test_no_orphan_of_a_program_that_does_not_close(short_dir: Path, how: str) -> None:
    async def play() -> None:
        program = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(short_dir / "run"), how],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        with program:
            assert program.stdout is not None
            line = await asyncio.to_thread(program.stdout.readline)
            assert line == b"started\n"
            found: set[int] = set()
            if how == "killed":
                found = await _family(short_dir / "run")
                program.kill()
        assert program.returncode == (-signal.SIGKILL if how == "killed" else 0)
        left = {
            pid
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit()
            for pid in [int(entry.name)]
            if str(short_dir).encode() in _environ(pid)
        }
        await gone(*(found | left))

    asyncio.run(play())


def test_what_a_killed_program_has_left_is_removed_by_the_next(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_dir))
    dead, alive, foreign = (short_dir / f"callpoint-own-{name}" for name in ("d", "a", "f"))
    for directory in (dead, alive, foreign):
        (directory / "run").mkdir(parents=True)
    program = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (dead / "owner").write_text(kin.identity(program.pid))
    program.communicate(b"\n")
    (alive / "owner").write_text(kin.identity(os.getpid()))

    async def play() -> None:
        missing = SessionOptions(input="file:/nowhere.wav", output="none")
        async with Session.with_agent("a", token_source=PRACTICE, options=missing):
            raise AssertionError("it cannot start")

    with pytest.raises(TerminalError):
        asyncio.run(play())
    assert sorted(short_dir.iterdir()) == [alive, foreign]


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def test_a_terminal_that_was_killed_is_told_and_started_again(short_dir: Path) -> None:
    async def play() -> None:
        async with Session.with_agent(
            "a", token_source=PRACTICE, options=SPOKEN, runtime_dir=short_dir / "run"
        ) as session:
            family = await _family(short_dir / "run")
            status = await ask_supervisor(short_dir / "run", GetStatus())
            assert isinstance(status, Status)
            changes = session.changes()
            os.kill(status.pid, signal.SIGKILL)
            async with asyncio.timeout(DEADLINE_S):
                async for _ in changes:
                    if session.error is not None:
                        break
            assert session.error is not None
            assert "the terminal ended" in session.error.reason
            assert not session.is_attached
            await gone(*family)
            await session.start()
            assert (session.error, session.is_attached) == (None, True)
            await session.agent.wait_until_connected(WAIT_S)

    asyncio.run(play())


def test_options_with_which_none_could_run_are_refused(short_dir: Path) -> None:
    async def play() -> None:
        wrong = Session.with_agent("a", options=SessionOptions(agent_connect_timeout=-1.0))
        with pytest.raises(OptionsError, match="agent_connect_timeout"):
            await wrong.start()
        missing = SessionOptions(input="file:/nowhere.wav", output="none")
        dumb = Session.with_agent("a", token_source=PRACTICE, options=missing)
        with pytest.raises(TerminalError, match=r"(?s)exit code 64.*nowhere\.wav") as failed:
            await dumb.start()
        assert "Traceback" not in str(failed.value)
        await wrong.close()
        await dumb.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    "tokens",
    [
        TokenSource.local("ws://127.0.0.1:1", "key-of-mine", "secret-of-mine-" * 3),
        TokenSource.literal("ws://127.0.0.1:1", "secret-of-mine"),
        TokenSource.custom(lambda _: TokenResponse("ws://127.0.0.1:1", "secret-of-mine")),
    ],
    ids=["local", "literal", "custom"],
)
def test_secrets_are_in_no_file_and_on_no_command_line(
    short_dir: Path, tokens: TokenSource
) -> None:
    async def play() -> None:
        assert "secret" not in repr(tokens)
        session = Session.with_agent(
            "a", token_source=tokens, options=SPOKEN, runtime_dir=short_dir / "run"
        )
        async with session:
            await session.start()  # nobody listens there
            assert session.error is not None
            assert session.error.reason == "nothing listens at the server's address"
            told = [
                path.read_bytes()
                for path in (*short_dir.rglob("*"), *_own_directory(short_dir).rglob("*"))
                if path.is_file()
            ]
            pids = await _family(short_dir / "run")
            told += [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids]
            assert len(told) > 5
            assert not [text for text in told if b"secret-of-mine" in text]

    asyncio.run(play())


def _own_directory(short_dir: Path) -> Path:
    """Where the session that this process has started keeps config and log."""
    lock = (short_dir / "run" / "lock").read_text().partition(":")[0]
    words = Path(f"/proc/{lock}/cmdline").read_bytes().split(b"\0")
    return Path(os.fsdecode(words[words.index(b"run") + 1])).parent


@pytest.mark.parametrize("name", ["session", "router", "history", "room", "audio", "parrot"])
def test_after_a_kill_of_any_process_the_session_goes_on(terminal: Terminal, name: str) -> None:
    async def play() -> None:
        async with Session.attach(terminal.runtime_dir) as session, asyncio.timeout(90):
            await session.start()
            await session.agent.wait_until_connected(WAIT_S)
            assert await session.send("before") is not None
            pid = await asyncio.to_thread(terminal.kill_actor, name)
            sent = await session.send("meanwhile")  # an answer or an error, and no hang
            assert sent is not None or session.error is not None
            await asyncio.to_thread(terminal.wait_for_restart, name, pid)
            await _takes_part(session)
            while await session.send("after") is None:
                assert session.error is not None
                await session.wait_until_connected(WAIT_S)
            async for now in session.snapshots():
                if now.is_attached:
                    break
            written = [m.text for m in session.messages if m.kind == "user_input"]
            assert written == ["before", *(["meanwhile"] if sent else []), "after"]
            listed = {m.id: m for m in session.messages if m.is_final}
            async with Session.attach(terminal.runtime_dir) as fresh:
                seen = {m.id: m for m in fresh.messages}
                assert {id_: seen[id_] for id_ in listed} == listed

    asyncio.run(play())


def test_a_terminal_that_was_killed_whole_is_found_again_when_it_is_back(
    terminal: Terminal,
) -> None:
    async def play() -> None:
        async with Session.attach(terminal.runtime_dir) as session:
            await session.start()
            await session.agent.wait_until_connected(WAIT_S)
            assert await session.send("before") is not None
            changes = session.changes()
            assert isinstance(await anext(changes), Refreshed)
            await asyncio.to_thread(terminal.kill)
            async with asyncio.timeout(WAIT_S):
                async for _ in changes:
                    if not session.is_attached:
                        break
            await asyncio.to_thread(terminal.start)
            async with asyncio.timeout(WAIT_S):
                async for change in changes:
                    if isinstance(change, Refreshed) and change.snapshot.is_attached:
                        break
            await _takes_part(session)
            assert await session.send("after") is not None
            written = [m.text for m in session.messages if m.kind == "user_input"]
            assert written == ["before", "after"]

    asyncio.run(play())


def test_the_end_of_a_program_leaves_an_attached_terminal_alone(terminal: Terminal) -> None:
    async def play() -> None:
        async with Session.attach(terminal.runtime_dir) as session:
            await session.start()
            await session.agent.wait_until_connected(WAIT_S)
        status = await asyncio.to_thread(terminal.status)
        assert status["state"] == "running"
        assert status["session"]["connection_state"] == "connected"

    asyncio.run(play())


def test_a_script_without_a_loop(terminal: Terminal) -> None:
    with BlockingSession.attach(terminal.runtime_dir) as session:
        session.start()
        session.wait_until_connected(WAIT_S)
        assert session.wait_until_agent_connected(WAIT_S).is_connected
        changes = session.changes()
        assert isinstance(next(changes), Refreshed)
        sent = session.send("two tickets")
        assert sent is not None
        said = next(
            change.message
            for change in changes
            if isinstance(change, MessageChanged) and change.message.id == sent.id
        )
        assert said.text == "two tickets"
        loud = next(level for level in session.levels() if level.input_dbfs > -40.0)
        assert loud.agent_dbfs <= 0.0
        assert session.input_dbfs <= 0.0
        assert session.agent_dbfs <= 0.0
        session.mute()
        assert session.is_muted
        session.unmute()
        session.restore_message_history([])
        session.end()
        session.wait_until_disconnected(WAIT_S)
        assert not session.is_connected
    session.close()
    with pytest.raises(SessionClosed):
        session.send("too late")
    with pytest.raises(TerminalError), BlockingSession.attach("/nowhere"):
        pass


def test_five_programs_at_once_one_killed_one_slow_one_stuck(terminal: Terminal) -> None:
    """The others see every change in order, and nobody's memory grows with what is not read."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    programs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.attached", str(terminal.runtime_dir), pace],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for pace in ("quick", "quick", "killed", "slow", "stuck")
    ]
    try:
        for program in programs:
            assert program.stdout is not None
            assert program.stdout.readline() == "attached\n"
        *quick, killed, slow, stuck = programs
        said = [*(f"message {number}" for number in range(600)), LAST]
        before = terminal.status()["actors"]

        async def talk() -> list[str]:
            async with Session.attach(terminal.runtime_dir) as session:
                await session.start()
                await session.agent.wait_until_connected(WAIT_S)
                for number, text in enumerate(said):
                    if number == 100:
                        killed.kill()
                    assert await session.send(text) is not None, session.error
                return [message.id for message in session.messages]

        listed = asyncio.run(talk())
        (first, peak), (second, other_peak) = map(_ended, quick)
        # Each has told every change: none was left out in favour of a snapshot, and they agree.
        assert [line["text"] for line in first if line.get("text") in said] == said
        assert not [line for line in first + second if "refreshed" in line]
        assert first == second
        seen = dict.fromkeys(line["id"] for line in first if "id" in line)
        assert [id_ for id_ in seen if id_ in listed] == listed
        for late in (slow, stuck):
            lines, late_peak = _ended(late, "go on\n")
            shown: list[str] = []
            for line in lines:
                shown = line.get("refreshed", shown)
                shown += [line["text"]] if "text" in line and line["text"] in said else []
            assert [text for text in shown if text in said] == said
            assert late_peak < max(peak, other_peak) + 16
            if late is slow:
                assert "refreshed" in lines[0], "too much had changed to be told one by one"
        assert max(peak, other_peak) < 100
        after = terminal.status()["actors"]
        assert all(row["restarts"] == 0 for row in after.values())
        assert after["router"]["rss_mib"] < before["router"]["rss_mib"] + 32
    finally:
        for program in programs:
            program.kill()
            program.communicate()


def _ended(program: subprocess.Popen[str], told: str | None = None) -> tuple[list[Any], int]:
    """What it has said, line by line, and MiB that it has needed at most."""
    out, _ = program.communicate(told, timeout=DEADLINE_S)
    *lines, memory = map(json.loads, out.splitlines())
    return lines, memory["peak_mib"]

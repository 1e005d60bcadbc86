"""External programs as children: the same rules, the same table, probes, log capture."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.messages import Done, Failed, RestartActor
from supervisor.program import answered
from supervisor.spec import ProgramSpec, Rules
from supervisor.tree import StartFailedError
from tests.children import DEADLINE_S
from tests.supervised import alive, fork_server, order, puppet, stage

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("fork_server")]
_ = fork_server


def _python(code: str, **fields: Any) -> ProgramSpec:
    return ProgramSpec("program", (sys.executable, "-u", "-c", code), **fields)


SLEEPER = ProgramSpec("program", ("sleep", "600"))

# -- life ------------------------------------------------------------------------------------------


def test_a_program_is_a_row_like_any_other_and_ends_with_the_terminal(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet(), SLEEPER) as on:
            row = on.row("program")
            assert (row.state, row.kind, row.health, row.essential) == (
                "running",
                "program",
                "ok",
                False,
            )
            pid = on.pid("program")
            assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
            os.kill(pid, signal.SIGKILL)
            row = await on.until_back(pid, "program")
            assert (row.last_exit, row.restarts) == ("signal SIGKILL", 1)
            assert await order(runtime_dir, RestartActor("program")) == Done()
            assert on.row("program").restarts == 1
            pid = on.pid("program")
        assert not alive(pid)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("type_", "code", "state"),
    [
        ("permanent", 0, "running"),
        ("transient", 0, "ended"),
        ("transient", 3, "running"),
        ("temporary", 3, "ended"),
    ],
)
def test_restart_types(runtime_dir: Path, type_: Any, code: int, state: str) -> None:
    """It ends by itself the first time, when a file is not there yet."""
    program = _python(
        "import os, sys, time\n"
        "if not os.path.exists('ended'):\n"
        "    open('ended', 'x').close()\n"
        "    input_ended = time.sleep(0.05)\n"
        f"    sys.exit({code})\n"
        "time.sleep(600)",
        directory=str(runtime_dir),
        rules=Rules(restart=type_, essential=False),
    )

    async def scenario() -> None:
        async with stage(runtime_dir, program) as on:
            await on.until(lambda now: now["program"].last_exit == f"exit {code}")
            await on.until(lambda now: now["program"].state == state)

    asyncio.run(scenario())


def test_what_a_program_writes_goes_into_the_log(runtime_dir: Path) -> None:
    program = _python("import sys, time; print('out'); sys.stderr.write('err\\n'); time.sleep(600)")

    async def scenario() -> None:
        async with stage(runtime_dir, program) as on:
            await on.until(lambda _: on.log.messages("program") == ["out", "err"])

    asyncio.run(scenario())


def test_a_program_that_ignores_sigterm_is_killed_with_all_it_has_started(
    runtime_dir: Path,
) -> None:
    program = _python(
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)\n"
        "time.sleep(600)",
        rules=Rules(essential=False, stop_grace=0.2),
    )

    async def scenario() -> None:
        async with stage(runtime_dir, program) as on:
            await on.until(lambda _: bool(on.log.messages("program")))
            child, pid = int(on.log.messages("program")[0]), on.pid("program")
            assert alive(child)
        assert not alive(pid)
        assert not alive(child)

    asyncio.run(scenario())


async def _only_standard_files_are_open(pid: int) -> None:
    """Once it is loaded: until then its libraries are opened one after the other."""
    fds: set[str] = set()
    try:
        async with asyncio.timeout(DEADLINE_S):
            while fds != {"0", "1", "2"}:
                await asyncio.sleep(0.01)
                fds = {fd.name for fd in Path(f"/proc/{pid}/fd").iterdir()}
    except TimeoutError:
        raise AssertionError(f"open files: {sorted(fds)}") from None


def test_it_gets_signals_as_any_program_does(runtime_dir: Path) -> None:
    """Nothing that Python or the fork server ignores or blocks is handed on."""

    async def scenario() -> None:
        async with stage(runtime_dir, SLEEPER) as on:
            status = Path(f"/proc/{on.pid('program')}/status").read_text()
            masks = dict(
                line.split(":\t") for line in status.splitlines() if line.startswith("Sig")
            )
            # Not 32 and 33, which the C library keeps for itself and lets nobody reset; a library
            # of these tests' own process ignores one.
            assert int(masks["SigIgn"], 16) & ~(0b11 << 31) == 0
            assert int(masks["SigBlk"], 16) == 0
            await _only_standard_files_are_open(on.pid("program"))

    asyncio.run(scenario())


# -- what it is given ------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", [False, True])
def test_its_environment_is_ours_without_secrets_unless_it_is_to_have_them(
    runtime_dir: Path, monkeypatch: pytest.MonkeyPatch, credentials: bool
) -> None:
    monkeypatch.setenv("LIVEKIT_API_SECRET", "s3cret")
    monkeypatch.setenv("INHERITED", "yes")
    program = ProgramSpec(
        "program",
        ("sh", "-c", 'echo "$INHERITED $OWN ${LIVEKIT_API_SECRET-none} $PWD"; exec sleep 600'),
        environment={"OWN": "mine"},
        credentials=credentials,
        directory=str(runtime_dir),
    )

    async def scenario() -> None:
        async with stage(runtime_dir, program) as on:
            await on.until(lambda _: bool(on.log.messages("program")))
            secret = "s3cret" if credentials else "none"
            assert on.log.messages("program") == [f"yes mine {secret} {runtime_dir}"]

    asyncio.run(scenario())


# -- readiness -------------------------------------------------------------------------------------

_SERVER = """
import os, socket, time
if {late}: time.sleep({late})
server = socket.create_server(("127.0.0.1", {port}))
while True:
    peer, _ = server.accept()
    head = peer.recv(1000)
    status = b"200 OK" if b"GET /ready?x=1 HTTP" in head else b"503 no"
    peer.sendall(b"HTTP/1.1 " + status + b"\\r\\n\\r\\n")
    peer.close()
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{}", "http://127.0.0.1:{}/ready?x=1"])
def test_it_is_ready_when_its_address_answers(runtime_dir: Path, address: str) -> None:
    port = _free_port()
    program = _python(
        _SERVER.format(port=port, late=0.2),
        ready=address.format(port),
        rules=Rules(essential=True),
    )

    async def scenario() -> None:
        async with stage(runtime_dir, program, puppet()) as on:
            assert on.row("program").state == "running"
            with socket.create_connection(("127.0.0.1", port)):
                pass

    asyncio.run(scenario())


@pytest.mark.parametrize("essential", [True, False])
def test_an_address_that_never_answers_is_a_failed_start_and_never_ready(
    runtime_dir: Path, essential: bool
) -> None:
    port = _free_port()
    program = _python(
        _SERVER.format(port=port, late=0),
        ready=f"http://127.0.0.1:{port}/wrong",
        rules=Rules(essential=essential, start_timeout=0.5),
    )

    async def scenario() -> None:
        if essential:
            with pytest.raises(StartFailedError, match=r"program: not ready within 0\.5 s"):
                async with stage(runtime_dir, program):
                    pass
            return
        async with stage(runtime_dir, program, puppet()) as on:
            assert on.row("program").last_exit == "start failed"
            assert on.row().state == "running"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("/no/such/program",), "cannot run /no/such/program: No such file or directory"),
        (("/dev/null",), "cannot run /dev/null: Permission denied"),
        (
            ("sh", "-c", "echo no display; exit 4"),
            r"ended before it was ready \(exit 4\): no display",
        ),
    ],
)
def test_why_it_cannot_start_is_told(
    runtime_dir: Path, command: tuple[str, ...], reason: str
) -> None:
    needed = ProgramSpec("program", command, ready="tcp://127.0.0.1:1", rules=Rules(essential=True))

    async def scenario() -> None:
        with pytest.raises(StartFailedError, match=reason):
            async with stage(runtime_dir, needed):
                pass

    asyncio.run(scenario())


def test_a_restart_of_one_that_cannot_start_says_why(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, ProgramSpec("program", ("/no/such/program",))) as on:
            await on.until(lambda now: now["program"].restarts > 0)
            answer = await order(runtime_dir, RestartActor("program"))
            assert isinstance(answer, Failed)
            assert (
                answer.reason == "program: cannot run /no/such/program: No such file or directory"
            )

    asyncio.run(scenario())


@pytest.mark.parametrize("said", [b"", b"\n", b"nonsense\r\n", b"HTTP/1.1 abc\r\n", b"x" * 5000])
def test_whatever_a_probe_hears_it_asks_again(said: bytes) -> None:
    async def scenario() -> None:
        answers = [said, b"HTTP/1.1 204 fine\r\n\r\n"]

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answers.pop(0))
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await asyncio.wait_for(answered(f"http://127.0.0.1:{port}"), DEADLINE_S)
        assert answers == []

    asyncio.run(scenario())

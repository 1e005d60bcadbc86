"""What children write: kept, attributed, bounded; and nobody waits for whoever reads it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actors.messages import Custom, GetStatus, RestartActor
from actors.runtime.client import Client
from supervisor import sink as sink_module
from supervisor.sink import Sink
from tests.children import DEADLINE_S
from tests.supervised import fork_server, order, puppet, running, stage

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("fork_server")]
_ = fork_server


def test_whatever_is_written_becomes_a_log_line_with_its_process(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet("a"), puppet("b")) as on:
            await on.tell("write", to="a", text="native library: no device\n", times=2)
            await on.tell("write", to="b", text="without an end", times=1)
            os.kill(on.pid("b"), signal.SIGKILL)
            await on.until(lambda now: now["b"].restarts == 1)
            await on.until(lambda _: on.log.messages("a").count("native library: no device") == 2)
            assert "without an end" in on.log.messages("b")
            assert "ready" in on.log.messages("b")

    asyncio.run(scenario())


def test_a_flood_is_bounded_and_blocks_nobody(
    runtime_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet("loud"), puppet("other")) as on:
            await on.tell("write", to="loud", text="x" * 1023 + "\n", times=3000)
            assert (await on.ask("incarnation", to="loud"))["number"] == 1
            assert (await on.ask("incarnation", to="other"))["number"] == 1
            assert 500 <= on.log.messages("loud").count("x" * 1023) <= 1500
            assert any(record.message == "output flood" for record in caplog.records)
            assert on.row("loud").restarts == 0

    asyncio.run(scenario())


def test_the_last_words_of_a_crash_are_kept(runtime_dir: Path) -> None:
    async def scenario() -> None:
        async with stage(runtime_dir, puppet()) as on:
            pid = on.pid()
            await on.tell("signal", number=11)
            await on.until_back(pid)
            said = on.log.messages("puppet")
            assert "Fatal Python error: Segmentation fault" in said
            assert any("in on_message" in line for line in said)

    asyncio.run(scenario())


# -- nobody reads it -------------------------------------------------------------------------------

_RUN = """
import sys
from pathlib import Path
from actors.settings import Settings
from supervisor.run import run
from supervisor.spec import ActorSpec
specs = [ActorSpec("router", "actors.router.process:Router"), ActorSpec("a", "tests.puppet:Puppet")]
log_file = Path(sys.argv[2]) if len(sys.argv) > 2 else None
sys.exit(run(Settings(), Path(sys.argv[1]), specs=specs, log_file=log_file))
"""


@pytest.mark.parametrize("where", ["a pipe that nobody reads", "a full disk"])
def test_nobody_waits_for_a_reader_that_is_gone_or_a_full_disk(
    runtime_dir: Path, where: str
) -> None:
    """More than any pipe holds is written, and everything still works."""

    async def scenario() -> None:
        reads, writes = os.pipe()
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _RUN,
                str(runtime_dir),
                *(["/dev/full"] if "disk" in where else []),
            ],
            stderr=writes,
        )
        os.close(writes)
        try:
            before = await running(runtime_dir, GetStatus())
            async with asyncio.timeout(DEADLINE_S):
                async with Client(runtime_dir) as client:
                    for _ in range(4):
                        write = Custom("write", {"text": "y" * 999 + "\n", "times": 100})
                        await client.ask("a", write, DEADLINE_S)
                    await order(runtime_dir, RestartActor("a"))
            after = await running(runtime_dir, GetStatus())
            assert after.actors["a"].pid != before.actors["a"].pid
            assert after.actors["router"].pid == before.actors["router"].pid
            process.terminate()
            assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0
        finally:
            process.kill()
            process.wait()
            os.close(reads)

    asyncio.run(scenario())


# -- the sink --------------------------------------------------------------------------------------


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "log"


def _until(condition: object) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < give_up
        time.sleep(0.002)


def test_a_sink_writes_in_order_to_a_private_file(log_file: Path) -> None:
    sink = Sink(log_file)
    for number in range(1000):
        sink.offer(f"{number}\n".encode())
    sink.close()
    assert log_file.read_text().split() == [str(number) for number in range(1000)]
    assert log_file.stat().st_mode & 0o777 == 0o600


def test_a_sink_begins_a_new_file_when_the_old_one_was_moved_away(log_file: Path) -> None:
    sink = Sink(log_file)
    sink.write("one\n")
    _until(lambda: log_file.read_text() == "one\n")
    log_file.rename(log_file.with_suffix(".old"))
    sink.reopen()
    sink.write("two\n")
    sink.close()
    assert log_file.read_text() == "two\n"
    assert log_file.with_suffix(".old").read_text() == "one\n"


def test_a_file_that_has_grown_to_its_limit_is_moved_aside_and_one_is_kept(log_file: Path) -> None:
    sink = Sink(log_file, limit=1000)
    for number in range(40):
        sink.offer(b"%03d" % number + b"x" * 96 + b"\n")
        _until(lambda: not sink._lines)
    sink.close()
    before = log_file.with_name(f"{log_file.name}.1")
    kept = before.read_text().split() + log_file.read_text().split()
    assert [int(line[:3]) for line in kept] == list(range(40))[-len(kept) :]
    assert 10 <= len(kept) < 40
    assert before.stat().st_size < 3000
    assert {path.name for path in log_file.parent.iterdir()} == {log_file.name, before.name}
    assert log_file.stat().st_mode & 0o777 == 0o600


def test_what_a_sink_has_lost_it_says_when_it_can_write_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "_AGAIN_S", 0.01)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = Sink(path)
    line = b"z" * 1023 + b"\n"
    for _ in range(3000):
        sink.offer(line)
    os.set_blocking(reader, True)
    read = b""
    while b"log lines lost" not in read:
        read += os.read(reader, 1 << 20)
        sink.offer(b"more\n")
    (said,) = (json.loads(each) for each in read.split(b"\n") if each.startswith(b"{"))
    assert 1000 < said["lines"] < 3000
    os.close(reader)
    sink.close()

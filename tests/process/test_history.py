"""The history in real processes: delivered once, whatever dies; trouble told and outlived."""

import asyncio
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import pytest

from actors.history.sqlite import SqliteStore
from actors.messages import (
    ChatMessage,
    HistoryPage,
    HistoryState,
    ListHistory,
    Message,
    StoreMessage,
)
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.settings import Settings
from tests.children import DEADLINE_S, Children

pytestmark = pytest.mark.process

ROUTER = "actors.router.process:Router"
HISTORY = "actors.history.process:History"


def _message(number: int, *, final: bool = True) -> ChatMessage:
    return ChatMessage(str(number), "agent_transcript", f"text {number}", float(number), final)


class Bench:
    """Router and history as processes, and a client that delivers as the session does."""

    def __init__(self, runtime_dir: Path, path: Path) -> None:
        settings = msgspec.convert({"history": {"path": str(path)}}, Settings)
        self.children = Children(runtime_dir, settings)
        self.client = Client(runtime_dir, subscribes=(HistoryState,), on_message=self._on_message)
        self.states: list[HistoryState] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.children.__aenter__()
        await self.children.start("router", ROUTER)
        await self.client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.client.__aexit__(kind, error, traceback)
        await self.children.__aexit__(kind, error, traceback)

    def _on_message(self, message: Message, _sender: str) -> None:
        if isinstance(message, HistoryState):
            self.states.append(message)
            self._news.set()

    async def start(self) -> int:
        """History, for the first time or again; what it is owed is sent as the host would."""
        pid = await self.children.start("history", HISTORY)
        self.client.post.peer_up("history")
        return pid

    def deliver(self, *numbers: int) -> None:
        for number in numbers:
            self.client.post.deliver("history", StoreMessage(_message(number)))

    async def until(self, condition: Callable[[HistoryState], bool]) -> HistoryState:
        """The first state of those still to come, or the last one, that fulfils it."""
        async with asyncio.timeout(DEADLINE_S):
            while not (self.states and condition(self.states[-1])):
                self._news.clear()
                await self._news.wait()
        return self.states[-1]

    async def some_news(self, states: int, stored: int) -> None:
        """Wait for so many more states, or until all is stored."""
        wanted = len(self.states) + states
        await self.until(lambda state: len(self.states) >= wanted or state.stored == stored)

    async def page(self, limit: int) -> list[ChatMessage]:
        answer = await self.client.ask("history", ListHistory(limit), timeout_s=DEADLINE_S)
        assert isinstance(answer, HistoryPage)
        return list(answer.messages)

    async def settled(self, count: int) -> list[ChatMessage]:
        """All messages, once there are ``count`` and every delivery is acknowledged."""
        await self.until(lambda state: state.stored == count and not state.error)
        async with asyncio.timeout(DEADLINE_S):
            while self.client.post.undelivered:
                # An acknowledgement is sent before the next answer, or comes with a repetition.
                self.client.post.redeliver("history")
                await self.page(limit=1)
        return await self.page(limit=1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.sqlite3"


# -- storing and listing ---------------------------------------------------------------------------


def test_deliveries_are_stored_once_acknowledged_and_there_after_a_restart(
    runtime_dir: Path, path: Path
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, path) as bench:
            await bench.start()
            bench.deliver(1, 2, 3, 2, 1)
            expected = [_message(1), _message(2), _message(3)]
            assert await bench.settled(3) == expected
            assert await bench.children.stop("history") == 0
            await bench.start()
            assert await bench.settled(3) == expected

    asyncio.run(scenario())


def test_what_has_queued_up_is_stored_in_few_commits(runtime_dir: Path, path: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, path) as bench:
            bench.deliver(*range(600))
            await bench.start()
            assert await bench.settled(600) == [_message(number) for number in range(600)]
            growing = [state.stored for state in bench.states]
            assert growing == sorted(growing)
            assert len(set(growing)) < 300, "each was committed alone"

    asyncio.run(scenario())


def test_impossible_orders_are_refused(runtime_dir: Path, path: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, path) as bench:
            await bench.start()
            for order in (ListHistory(limit=0), ListHistory(before=float("nan")), HistoryState(1)):
                with pytest.raises(OrderFailed) as refused:
                    await bench.client.ask("history", order)
                assert refused.value.code == "invalid"

    asyncio.run(scenario())


def test_a_message_without_a_time_does_not_kill_it(runtime_dir: Path, path: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, path) as bench:
            await bench.start()
            timeless = ChatMessage("1", "user_input", "when?", float("nan"))
            bench.client.post.deliver("history", StoreMessage(timeless))
            (stored,) = await bench.settled(1)
            assert stored.text == "when?"
            assert stored.timestamp > 1e9

    asyncio.run(scenario())


def test_a_page_longer_than_a_frame_is_cut_to_its_newest(runtime_dir: Path, path: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, path) as bench:
            await bench.start()
            for number in range(5):
                long = ChatMessage(str(number), "user_input", "x" * 4_000_000, float(number))
                bench.client.post.deliver("history", StoreMessage(long))
            found = await bench.settled(5)
            assert [message.id for message in found] == ["3", "4"]

    asyncio.run(scenario())


# -- kill -9 ---------------------------------------------------------------------------------------


def test_killed_again_and_again_it_has_every_message_once(runtime_dir: Path, path: Path) -> None:
    async def scenario() -> None:
        chance = random.Random(3)
        async with Bench(runtime_dir, path) as bench:
            sent = 0
            for _ in range(12):
                await bench.start()
                for _ in range(chance.randrange(1, 4)):
                    many = chance.randrange(1, 40)
                    bench.deliver(*range(sent, sent + many))
                    sent += many
                    # Somewhere in the middle of it, at a word of its own, not at a time.
                    await bench.some_news(chance.randrange(1, 3), sent)
                await bench.children.kill("history")
            await bench.start()
            assert await bench.settled(sent) == [_message(number) for number in range(sent)]

    asyncio.run(scenario())


_WRITER = """
import sys
from pathlib import Path
from actors.history.sqlite import SqliteStore
from actors.messages import ChatMessage
store = SqliteStore(Path(sys.argv[1]))
store.open()
number = store.count()
while True:
    store.keep([ChatMessage(f"{number}.{n}", "user_input", "x" * 300, number) for n in range(3)])
    print(number, flush=True)
    number += 3
"""


def test_what_a_commit_returned_for_is_there_after_any_kill(path: Path) -> None:
    chance = random.Random(11)
    told = -3
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 200)):
                told = int(writer.stdout.readline())
            writer.kill()
            if rest := writer.stdout.read().split("\n")[:-1]:
                told = int(rest[-1])
        store = SqliteStore(path)
        store.open()
        found = store.count()
        store.close()
        # All that was told, and at most the one commit that was cut off before it was told.
        assert told + 3 <= found <= told + 6
        assert found % 3 == 0
        _check_integrity(path)


def _check_integrity(path: Path) -> None:
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        db.close()


# -- trouble ---------------------------------------------------------------------------------------


class LimitedDisk:
    """Full for one process: it may not let any file grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, pid: int) -> None:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))

    def free(self, pid: int) -> None:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    def close(self) -> None:
        pass


class SmallDisk:
    """Really full: a file system of 1 MiB. Mounting needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(folder)]
        subprocess.run(mount, check=True)

    def fill(self, pid: int) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(b"\0" * 4096):
                    pass
            except OSError:
                return

    def free(self, pid: int) -> None:
        (self.folder / "ballast").unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


DISKS = [LimitedDisk, SmallDisk] if os.geteuid() == 0 else [LimitedDisk]


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LimitedDisk | SmallDisk]:
    disk = request.param(tmp_path / "disk")
    yield disk
    disk.close()


def test_a_full_disk_is_told_nothing_is_lost_and_it_goes_on_by_itself(
    runtime_dir: Path, disk: LimitedDisk | SmallDisk
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, disk.folder / "history.sqlite3") as bench:
            pid = await bench.start()
            bench.deliver(0)
            await bench.settled(1)
            disk.fill(pid)
            # More than the room left in pages that the log already has.
            bench.deliver(*range(1, 900))
            state = await bench.until(lambda state: state.error != "")
            assert "cannot write" in state.error
            assert await bench.page(limit=1), "what there is can still be read"
            assert bench.client.post.undelivered
            await bench.children.until(
                lambda: next(
                    (b for b in bench.children.heartbeats("history") if "cannot" in b.health), None
                )
            )
            disk.free(pid)
            assert await bench.settled(900) == [_message(number) for number in range(900)]
            os.kill(pid, 0)

    asyncio.run(scenario())


def test_a_disk_full_at_the_start_does_not_stop_the_start(
    runtime_dir: Path, tmp_path: Path, disk: LimitedDisk | SmallDisk
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, disk.folder / "history.sqlite3") as bench:
            pid = await bench.start()
            bench.deliver(*range(50))
            await bench.settled(50)
            await bench.children.kill("history")
            bench.states.clear()
            if isinstance(disk, SmallDisk):
                disk.fill(pid)
            pid = await bench.start()
            if isinstance(disk, LimitedDisk):
                disk.fill(pid)
            bench.deliver(*range(50, 900))
            await bench.until(lambda state: state.error != "")
            disk.free(pid)
            assert len(await bench.settled(900)) == 900

    asyncio.run(scenario())


def test_a_lock_held_too_long_is_told_and_outlived(runtime_dir: Path, path: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, path) as bench:
            await bench.start()
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            bench.deliver(1)
            state = await bench.until(lambda state: state.error != "")
            assert "another program" in state.error
            other.execute("ROLLBACK")
            other.close()
            assert await bench.settled(1) == [_message(1)]

    asyncio.run(scenario())


def test_a_corrupt_store_is_set_aside_and_told(runtime_dir: Path, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database " * 1000)

    async def scenario() -> None:
        async with Bench(runtime_dir, path) as bench:
            await bench.start()
            bench.deliver(1)
            assert await bench.settled(1) == [_message(1)]
            aside = Path(bench.states[-1].set_aside)
            assert aside.name.startswith("history.sqlite3.corrupt-")
            assert aside.read_bytes() == b"not a database " * 1000
            beat = await bench.children.until(
                lambda: next(iter(bench.children.heartbeats("history")), None)
            )
            assert str(aside) in beat.health

    asyncio.run(scenario())


def test_messages_that_the_disk_has_changed_are_told_and_the_rest_is_there(
    runtime_dir: Path, path: Path
) -> None:
    store = SqliteStore(path)
    store.open()
    store.keep([_message(1), _message(2), _message(3)])
    store.close()
    db = sqlite3.connect(path)
    db.execute("UPDATE message SET text = CAST(x'fffe' AS TEXT) WHERE id = ?", (_message(1).id,))
    db.execute("UPDATE message SET kind = 'nothing' WHERE id = ?", (_message(2).id,))
    db.commit()
    db.close()

    async def scenario() -> None:
        async with Bench(runtime_dir, path) as bench:
            pid = await bench.start()
            found = await bench.page(limit=10)
            assert [message.id for message in found] == [_message(1).id, _message(3).id]
            await bench.children.until(
                lambda: next(
                    (b for b in bench.children.heartbeats("history") if "damaged" in b.health), None
                )
            )
            os.kill(pid, 0)

    asyncio.run(scenario())


def test_a_path_that_cannot_be_a_file_is_refused_with_a_remedy(
    runtime_dir: Path, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, tmp_path) as bench:
            await bench.children.launch("history", HISTORY)
            failed = await bench.children.start_failed()
            assert str(tmp_path) in failed.error
            assert "[history] path" in failed.remedy
            assert await bench.children.exit_code("history") == 3

    asyncio.run(scenario())


def test_two_terminals_do_not_share_a_history(runtime_dir: Path, path: Path) -> None:
    async def scenario() -> None:
        with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as elsewhere:
            async with Bench(runtime_dir, path) as one, Bench(Path(elsewhere), path) as other:
                await one.start()
                one.deliver(1)
                await one.settled(1)
                await other.children.launch("history", HISTORY)
                failed = await other.children.start_failed()
                assert failed.error == f"another terminal keeps its history in {path}"
                assert "CALLPOINT_STATE_DIR" in failed.remedy
                assert await other.children.exit_code("history") == 3
                # Who was killed has let go of it.
                await one.children.kill("history")
                await other.start()
                assert await other.page(limit=10) == [_message(1)]

    asyncio.run(scenario())


def test_a_store_that_is_away_at_a_restart_is_waited_for(runtime_dir: Path, path: Path) -> None:
    async def scenario() -> None:
        async with Bench(runtime_dir, path) as bench:
            await bench.start()
            bench.deliver(1)
            await bench.settled(1)
            await bench.children.kill("history")
            bench.states.clear()
            away = path.parent.rename(path.parent.with_name("unplugged"))
            path.parent.write_text("")  # nothing can be made here
            await bench.start()
            await bench.until(lambda state: state.error != "")
            bench.deliver(2)
            path.parent.unlink()
            away.rename(path.parent)
            assert await bench.settled(2) == [_message(1), _message(2)]

    asyncio.run(scenario())

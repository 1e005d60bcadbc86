"""A runtime directory that cannot be used: told with a remedy, and nothing is left of the try."""

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import exits
from supervisor.rundir import LOCK, RuntimeDir, RuntimeDirError
from supervisor.tree import StartFailedError
from tests.children import DEADLINE_S
from tests.supervised import fork_server, stage

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("fork_server")]
_ = fork_server

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


async def _starts(runtime_dir: Path) -> None:
    async with stage(runtime_dir) as on:
        assert on.terminal.status().state == "running"


@pytest.mark.parametrize("name", [LOCK, "router.sock"])
def test_what_stands_in_the_way_is_named(runtime_dir: Path, name: str) -> None:
    (runtime_dir / name).mkdir()
    with pytest.raises(RuntimeDirError, match=f"cannot use .*{name}.*: Is a directory") as refused:
        asyncio.run(_starts(runtime_dir))
    assert "--runtime-dir" in refused.value.remedy
    (runtime_dir / name).rmdir()
    asyncio.run(_starts(runtime_dir))


def test_a_lock_that_cannot_be_written_is_given_up(runtime_dir: Path) -> None:
    with _no_file_may_grow(), pytest.raises(RuntimeDirError, match="File too large"):
        RuntimeDir(runtime_dir)
    RuntimeDir(runtime_dir).release()


@contextlib.contextmanager
def _no_file_may_grow() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_cannot_be_removed_at_the_end_does_not_keep_it_locked(runtime_dir: Path) -> None:
    held = RuntimeDir(runtime_dir)
    (runtime_dir / "odd.sock").mkdir()
    held.release()
    (runtime_dir / "odd.sock").rmdir()
    RuntimeDir(runtime_dir).release()


# -- really full -----------------------------------------------------------------------------------


class SmallDisk:
    """A runtime directory that is a file system of its own: 1 MiB, and 32 files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        options = "size=1m,nr_inodes=32,mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)

    def fill(self) -> None:
        """Leave no byte."""
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", 0) as ballast:
            while ballast.write(b"\0" * 4096):
                pass

    def fill_but(self, files: int) -> None:
        """Leave room for so many files."""
        made: list[Path] = []
        with contextlib.suppress(OSError):
            while True:
                made.append(self.folder / f"ballast-{len(made)}")
                made[-1].touch()
        for path in made[:files]:
            path.unlink()

    def free(self) -> None:
        for path in self.folder.glob("ballast*"):
            path.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def disk(runtime_dir: Path) -> Iterator[SmallDisk]:
    made = SmallDisk(runtime_dir)
    yield made
    made.close()


@needs_root
def test_a_full_one_is_refused_and_good_again_when_there_is_room(disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(RuntimeDirError, match="no space left") as refused:
        asyncio.run(_starts(disk.folder))
    assert refused.value.remedy.startswith("make room")
    disk.free()
    asyncio.run(_starts(disk.folder))


@needs_root
@pytest.mark.parametrize("files", range(3))
def test_so_is_one_without_room_for_the_supervisors_own(disk: SmallDisk, files: int) -> None:
    """The lock, and a socket for the actors and one for operators."""
    disk.fill_but(files)
    with pytest.raises(RuntimeDirError, match="no space left"):
        asyncio.run(_starts(disk.folder))
    disk.free()
    asyncio.run(_starts(disk.folder))


@needs_root
def test_an_actor_without_room_for_its_socket_says_so_at_once(disk: SmallDisk) -> None:
    disk.fill_but(3)
    with pytest.raises(StartFailedError, match=r"router: .*No space left on device.*router\.sock"):
        asyncio.run(_starts(disk.folder))
    assert [path.name for path in disk.folder.iterdir() if "ballast" not in path.name] == [LOCK]


_RUN = """
import sys
from pathlib import Path
from actors.settings import Settings
from supervisor.run import run
sys.exit(run(Settings(), Path(sys.argv[1]), specs=()))
"""


@needs_root
@pytest.mark.parametrize("files", range(4))
def test_the_operator_is_told_without_a_traceback(disk: SmallDisk, files: int) -> None:
    """Here the fork server's socket is there too."""
    disk.fill_but(files)
    ended = subprocess.run(
        [sys.executable, "-c", _RUN, str(disk.folder)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == exits.RUNTIME_DIR
    reason, remedy = ended.stderr.splitlines()
    assert reason == f"callpoint: no space left in the runtime directory {disk.folder}"
    assert remedy.strip().startswith("make room")

"""Each fault does what it says to a real process, and is undone."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.drill.faults import FAULTS, Scene, Victim
from supervisor.drill.hang import Hang, may_trace
from tests.children import DEADLINE_S

pytestmark = pytest.mark.process

_PUPPET = """
import sys, threading, time
def write(name):
    with open(name, "ab", buffering=0) as file:
        while True:
            try:
                file.write(b".")
            except OSError:
                open("refused", "w").close()
            time.sleep(0.005)
threading.Thread(target=write, args=("thread",), daemon=True).start()
write("main")
"""


@pytest.fixture
def puppet(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Writes from two threads until it is killed."""
    child = subprocess.Popen([sys.executable, "-c", _PUPPET], cwd=tmp_path)
    try:
        _until(lambda: _size(tmp_path, "main") and _size(tmp_path, "thread"))
        yield child
    finally:
        child.kill()
        child.wait()


def _until(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up, "not within the deadline"
        time.sleep(0.01)


def _size(folder: Path, name: str) -> int:
    path = folder / name
    return path.stat().st_size if path.exists() else 0


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _grows(folder: Path, name: str) -> None:
    before = _size(folder, name)
    _until(lambda: _size(folder, name) > before)


def _victim(puppet: "subprocess.Popen[bytes]", folder: Path) -> Victim:
    return Victim("history", puppet.pid, folder)


def test_a_hang_stops_the_main_thread_alone_and_whoever_kills_it_sees_it_die(
    puppet: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    if why := may_trace():
        pytest.skip(why)
    with Hang(puppet.pid):
        before = _size(tmp_path, "main")
        _grows(tmp_path, "thread")
        _grows(tmp_path, "thread")
        assert _size(tmp_path, "main") == before
        puppet.kill()
    _until(lambda: not Path(f"/proc/{puppet.pid}").exists())


def test_a_hang_that_nobody_finds_is_ended(
    puppet: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    if why := may_trace():
        pytest.skip(why)
    with Hang(puppet.pid):
        pass
    _until(lambda: not Path(f"/proc/{puppet.pid}").exists())


def test_a_process_that_is_gone_cannot_be_hung() -> None:
    with pytest.raises(OSError, match="No such process"), Hang(2**22 - 1):
        pass


def test_a_stop_stops_and_is_undone(puppet: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    with FAULTS["stop"].strike(_victim(puppet, tmp_path)):
        _until(lambda: _state(puppet.pid) == "T")
    _grows(tmp_path, "main")


def test_slow_goes_on_slower_and_is_undone(
    puppet: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    with FAULTS["slow"].strike(_victim(puppet, tmp_path)):
        for _ in range(3):
            _until(lambda: _state(puppet.pid) == "T")
            _until(lambda: _state(puppet.pid) != "T")
        _grows(tmp_path, "main")
    assert _state(puppet.pid) != "T"
    _grows(tmp_path, "main")


def test_a_full_disk_refuses_writes_and_is_undone(
    puppet: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    before = resource.prlimit(puppet.pid, resource.RLIMIT_FSIZE)
    with FAULTS["disk-full"].strike(_victim(puppet, tmp_path)):
        _until((tmp_path / "refused").exists)
    assert resource.prlimit(puppet.pid, resource.RLIMIT_FSIZE) == before
    _grows(tmp_path, "main")


@pytest.mark.parametrize("name", ["kill", "stop", "slow", "disk-full"])
def test_whoever_dies_meanwhile_is_no_error_of_the_fault(
    puppet: "subprocess.Popen[bytes]", tmp_path: Path, name: str
) -> None:
    with FAULTS[name].strike(_victim(puppet, tmp_path)):
        os.kill(puppet.pid, signal.SIGKILL)
        puppet.wait()


def test_no_fault_hits_what_it_cannot() -> None:
    scene = Scene("practice", ("router", "kiosk"), ("router",))
    assert FAULTS["kill"].targets(scene) == ("router", "kiosk", "supervisor")
    assert FAULTS["stop"].targets(scene) == ("router", "kiosk")
    assert FAULTS["corrupt"].targets(scene) == ("router",)
    assert FAULTS["disk-full"].targets(scene) == FAULTS["drop"].targets(scene) == ()
    assert FAULTS["drop"].obstacle(scene)

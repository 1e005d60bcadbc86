"""Rules for all tests: every module says its category, and no test leaves anything behind."""

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

CATEGORIES = {"unit", "contract", "process", "system"}


def pytest_configure() -> None:
    """Under nohup(1) a hang-up is ignored, and would be by all that the tests start; what is caught
    is not inherited.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    unmarked = sorted(
        {
            item.nodeid.split("::")[0]
            for item in items
            if not CATEGORIES & {mark.name for mark in item.iter_markers()}
        }
    )
    if unmarked:
        raise pytest.UsageError(f"these modules name no category {CATEGORIES}: {unmarked}")


def _open_fds() -> dict[str, str]:
    fds = {}
    for fd in Path("/proc/self/fd").iterdir():
        try:
            fds[fd.name] = os.readlink(fd)  # noqa: PTH115  # its target may be no path
        except FileNotFoundError:
            continue
    return fds


def _children() -> set[int]:
    children = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            children.update(int(pid) for pid in (task / "children").read_text().split())
        except FileNotFoundError:
            continue  # a thread that ended since: its children are another one's by now
    return children


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No file descriptor, child process or task outlives its test."""
    fds, children = _open_fds(), _children()
    yield
    gc.collect()
    left = {fd: target for fd, target in _open_fds().items() if fd not in fds}
    assert not left, f"file descriptors left open: {left}"
    assert not _children() - children, f"children left running: {_children() - children}"


@pytest.fixture
def runtime_dir(tmp_path: Path) -> Path:
    """A private runtime directory, mode 0700."""
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop of the test's own, with nothing left in it afterwards."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    left = asyncio.all_tasks(loop)
    asyncio.set_event_loop(None)
    loop.close()
    assert not left, f"tasks left running: {left}"


# On a CI machine the examples are the same every time: a change is judged by itself, and luck is
# for the developer's runs.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

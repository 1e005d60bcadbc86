"""``callpoint run`` where its surroundings lack something: told with a remedy, or done without."""

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.messages import GetStatus
from supervisor import exits
from tests.children import DEADLINE_S
from tests.supervised import running

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
CONFIG = """
[livekit]
backend = "practice"
[audio]
input = "none"
output = "none"
[kiosk]
enabled = false
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "terminal.toml"
    path.write_text(CONFIG)
    return path


Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(config: Path, runtime_dir: Path) -> Iterator[Run]:
    """Types it, with further arguments, in surroundings that are Popen's arguments."""
    given = {"CALLPOINT_RUNTIME_DIR": str(runtime_dir), "CALLPOINT_STATE_DIR": str(config.parent)}
    with contextlib.ExitStack() as begun:

        def type_it(*args: str, **surroundings: Any) -> "subprocess.Popen[str]":
            process = begun.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "supervisor", "run", str(config), *args],
                    env={**os.environ, **given, "PYTHONPATH": str(ROOT)},
                    text=True,
                    **surroundings,
                )
            )
            begun.callback(process.kill)
            return process

        yield type_it


def _refused(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Exit code, reason and remedy, and nothing else."""
    _, told = process.communicate(timeout=DEADLINE_S)
    reason, remedy = told.splitlines()
    return process.returncode, reason, remedy


@pytest.mark.parametrize("limit", [10, 50])
def test_too_few_open_files_are_told(run: Run, limit: int) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    code, reason, remedy = _refused(run(stderr=subprocess.PIPE, preexec_fn=few))
    assert code == exits.CANNOT_START
    assert reason == "callpoint: 6 processes cannot be kept: Too many open files"
    assert "ulimit -n" in remedy


@pytest.mark.parametrize("name", [".", "missing/log"])
def test_a_log_file_that_cannot_be_made_is_told(run: Run, tmp_path: Path, name: str) -> None:
    log = tmp_path / name
    code, reason, remedy = _refused(run("--log-file", str(log), stderr=subprocess.PIPE))
    assert code == exits.RUNTIME_DIR
    assert reason.startswith(f"callpoint: cannot write {log}: ")
    assert remedy == "  name another with --log-file"


def test_closed_standard_descriptors_are_no_file_of_ours(run: Run, runtime_dir: Path) -> None:
    """What is opened first would get their numbers, and whatever is written to standard error."""
    process = run(preexec_fn=lambda: os.closerange(0, 3))
    asyncio.run(running(runtime_dir, GetStatus()))
    where = {Path(f"/proc/{process.pid}/fd/{number}").readlink() for number in range(3)}
    process.terminate()
    assert process.wait(DEADLINE_S) == exits.ASKED
    assert where == {Path(os.devnull)}


def test_a_working_directory_that_is_gone_is_none_of_its_business(
    run: Run, runtime_dir: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    process = run(cwd=gone, preexec_fn=gone.rmdir, stderr=subprocess.DEVNULL)
    asyncio.run(running(runtime_dir, GetStatus()))
    process.terminate()
    assert process.wait(DEADLINE_S) == exits.ASKED

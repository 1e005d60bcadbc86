"""Modules of an integrator's own, beside the config file, from wherever the terminal is started."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.messages import GetStatus
from supervisor import exits
from supervisor.drill.speaking import SpeakingTerminal
from tests.children import DEADLINE_S
from tests.supervised import running

pytestmark = pytest.mark.process

CALLPOINT = Path(sys.executable).with_name("callpoint")
"""As it is installed; ``python -m`` would look into the working directory."""

GATE = """
from actors.runtime.actor import Actor
class Gate(Actor):
    async def on_start(self):
        self.log.info("gate is there")
"""
CONFIG = """
[livekit]
backend = "practice"
[audio]
input = "none"
output = "none"
[kiosk]
enabled = false
[actors.gate]
target = "gate:Gate"
preload = PRELOAD
"""


@pytest.fixture(params=["true", "false"], ids=["preloaded", "not preloaded"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "gate.py").write_text(GATE)
    config = tmp_path / "own.toml"
    config.write_text(CONFIG.replace("PRELOAD", request.param))
    return config


@pytest.fixture
def callpoint(
    runtime_dir: Path, tmp_path: Path
) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    begun: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> "subprocess.Popen[str]":
        environ = {
            **os.environ,
            "CALLPOINT_RUNTIME_DIR": str(runtime_dir),
            "CALLPOINT_STATE_DIR": str(tmp_path / "state"),
        }
        process = subprocess.Popen(
            [CALLPOINT, *words],
            cwd="/",
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def test_an_actor_beside_the_config_runs_and_one_that_is_not_there_is_refused(
    runtime_dir: Path, config: Path, callpoint: Callable[..., "subprocess.Popen[str]"]
) -> None:
    assert (
        callpoint("check", str(config)).communicate(timeout=DEADLINE_S)[0] == f"{config}: right\n"
    )
    callpoint("run", str(config))
    assert asyncio.run(running(runtime_dir, GetStatus())).actors["gate"].state == "running"
    config.write_text(config.read_text().replace("gate:Gate", "gaet:Gate"))
    reload = callpoint("reload")
    told, _ = reload.communicate(timeout=DEADLINE_S)
    assert reload.returncode == exits.CONFIG
    line = config.read_text().splitlines().index('target = "gaet:Gate"') + 1
    assert f"{config}:{line}" in told
    assert "there is no module gaet" in told
    assert "put it beside this file" in told


def test_the_drills_terminal_finds_it_too(
    config: Path, terminal: Callable[[Path], SpeakingTerminal]
) -> None:
    assert terminal(config).status()["actors"]["gate"]["state"] == "running"

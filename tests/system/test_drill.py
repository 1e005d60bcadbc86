"""The drill against a real LiveKit server, in whose room it is the agent."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.commands.drill import LOST
from tests.peers.livekit_server import LiveKitServer

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKitServer]:
    with LiveKitServer(tmp_path_factory.mktemp("server")) as server:
        yield server


def _drill(server: LiveKitServer, folder: Path, faults: str) -> tuple[int, dict[str, Any]]:
    config = folder / "terminal.toml"
    config.write_text("[kiosk]\nenabled = false\n")
    command = [sys.executable, "-m", "supervisor", "drill", str(config), "--faults", faults]
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as short:
        done = subprocess.run(
            [*command, "--seed", "1", "--json"],
            cwd=ROOT,
            env={**os.environ, **server.environment, "TMPDIR": short},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert done.stdout, done.stderr
    assert server.api_secret not in done.stdout + done.stderr
    report = json.loads(done.stdout)
    wanted = {wish.partition(":")[0] for wish in faults.split(",")}
    assert {each["fault"] for each in report["faults"]} == wanted, done.stderr
    return done.returncode, report


def test_on_livekit_too_no_word_is_lost(server: LiveKitServer, tmp_path: Path) -> None:
    code, report = _drill(server, tmp_path, "kill:room,kill:session,kill:supervisor")
    assert report["lost_nothing"], json.dumps(report)
    assert report["words"]["said"] > 40, "a second of rest before each of the three, and their cure"
    assert code == 0


def test_a_bad_line_costs_no_word(server: LiveKitServer, tmp_path: Path) -> None:
    """A fifth of the packets is more than redundancy mends: it is said again, and out of order
    where later words were heard before.
    """
    code, report = _drill(server, tmp_path, "drop")
    assert report["words"]["lost"] == [], json.dumps(report)
    assert code == (0 if report["lost_nothing"] else LOST)
    assert report["recovered"]
    assert report["words"]["said"] > 50

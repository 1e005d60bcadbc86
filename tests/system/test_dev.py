"""`make run LIVEKIT=dev`: the demo through the real server and the real agent worker."""

import os
import subprocess
import sys

import pytest

from tests.terminal import ROOT

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def test_the_demo_talks_with_a_real_agent_and_leaves_nothing() -> None:
    without_a_card = {"ALSA_CONFIG_PATH": "/dev/null", "PULSE_SERVER": "unix:/nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.peers.dev", "--no-kiosk"],
        cwd=ROOT,
        env={**os.environ, **without_a_card},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    labels = [line.split("  ")[0] for line in lines]
    assert labels.count("you said") >= 1
    assert labels.count("agent") >= 1
    assert "heard" in lines[-1]

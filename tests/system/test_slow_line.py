"""A line that cannot carry in an agent's three seconds what was said before it came."""

from pathlib import Path

import pytest

from supervisor.drill.coded_signal import generate
from supervisor.drill.network import Outage
from tests.peers.pulse import RATE
from tests.stage import Stage

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

BLOCKS = 450
AGENT_COMES_AFTER_S = 40
KB_A_SECOND = 150
"""1.2 Mbit/s: what is kept took fourteen seconds in one go."""


def test_all_that_was_said_before_the_agent_came_is_heard_in_parts(
    stage: Stage, tmp_path: Path
) -> None:
    late = f'{{"delay_s": {AGENT_COMES_AFTER_S}}}'
    patience = {"agent_connect_timeout": 2.0 * AGENT_COMES_AFTER_S}
    with stage.terminal(tmp_path, late, session=patience) as terminal:
        terminal.callpoint("start")
        terminal.wait_until(lambda now: now["room"]["microphone_sid"])
        with Outage(terminal.actor_pid("room"), beyond=KB_A_SECOND):
            stage.pulse.speak_pcm(generate(BLOCKS, RATE), RATE)
            job = stage.job(terminal)
            stage.worker.wait_until(lambda: not job.decode().missing(BLOCKS), deadline_s=60)
        assert terminal.logged("pre-connect buffer came too late", "after_s"), "the line is slow"

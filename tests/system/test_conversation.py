"""A whole terminal with the real server, a real agent worker and a real sound system."""

from pathlib import Path

import pytest

from supervisor.drill.coded_signal import decode, generate
from tests.peers.pulse import RATE
from tests.stage import ANSWER_S, Stage

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

BLOCKS = 60
"""Of 100 ms each, another chord in every one."""


@pytest.mark.parametrize(("delay_s", "runs"), [(0, 4), (1, 4), (5, 2)])
def test_every_word_said_before_the_agent_came_is_heard(
    stage: Stage, tmp_path: Path, delay_s: int, runs: int
) -> None:
    """Speech begins when ``callpoint start`` has answered, long before there is an agent; the seam
    between what was kept and what is live lies within it.
    """
    speech = generate(BLOCKS, RATE)
    with stage.terminal(tmp_path, f'{{"delay_s": {delay_s}}}') as terminal:
        for run in range(runs):
            terminal.callpoint("start")
            with stage.pulse.record_microphone() as microphone:
                stage.pulse.speak_pcm(speech, RATE)
                job = stage.job(terminal)
                stage.wait_until_heard(job)
            heard = job.decode()
            spoken = decode(microphone.pcm, RATE)
            what = (
                f"run {run}; the microphone itself missed {spoken.missing(BLOCKS)}; {heard.seams}"
            )
            assert heard.missing(BLOCKS) == (), what
            assert heard.in_order, what
            terminal.callpoint("end")


def test_the_agents_answer_is_heard_whole_at_the_loudspeaker(stage: Stage, tmp_path: Path) -> None:
    with stage.terminal(tmp_path, '{"voice": "signal", "voice_blocks": 30}') as terminal:
        terminal.callpoint("start")
        terminal.wait_for_agent("listening")
        with stage.pulse.record_speaker() as speaker:
            terminal.callpoint("say", "hello")
            terminal.wait_for_agent("speaking")
            speaker.wait_for_sound()
            terminal.wait_for_agent("listening", deadline_s=ANSWER_S)
            # The end of what the agent takes for said is still on its way here.
            speaker.wait_for_silence()
        heard = decode(speaker.pcm, RATE)
        assert heard.missing(30) == (), heard.seams
        assert heard.in_order


def test_a_message_and_its_answer_outlive_the_terminal(stage: Stage, tmp_path: Path) -> None:
    with stage.terminal(tmp_path) as terminal:
        terminal.callpoint("start")
        terminal.wait_for_agent("listening")
        said = terminal.callpoint("say", "hello").strip()
        terminal.wait_until(lambda status: status["history"]["stored"] == 2, deadline_s=ANSWER_S)
        terminal.kill()
        terminal.start()
        question, answer = terminal.history()
        assert (question["id"], question["kind"], question["text"]) == (said, "user_input", "hello")
        assert (answer["kind"], answer["text"].strip()) == ("agent_transcript", "You said: hello")
        assert answer["is_final"]


def test_a_wrong_key_is_told_without_a_secret_and_the_terminal_lives_on(
    stage: Stage, tmp_path: Path
) -> None:
    wrong = {"LIVEKIT_API_SECRET": "another secret of thirty-two chars"}
    with stage.terminal(tmp_path, environment=wrong) as terminal:
        terminal.callpoint("start")
        error = terminal.wait_until(lambda now: now["session"]["error"])
        assert (error["kind"], error["reason"]) == (
            "connection",
            "the server has refused the token",
        )
        status = terminal.status()
        assert {row["restarts"] for row in status["actors"].values()} == {0}
        assert not status["audio"]["recording"]
        log = terminal.log.read_text()
        assert "Traceback" not in log
        assert "eyJ" not in log, "a token in the log"
        assert wrong["LIVEKIT_API_SECRET"] not in log

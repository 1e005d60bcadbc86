"""The promise: any process is killed in the middle of a sentence, and the agent hears every word.

A whole terminal with the real server, a real agent worker and a real sound system; what is said is
a signal that tells which part of it was not heard.
"""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors import BlockingSession
from supervisor.drill.coded_signal import BLOCK_MS
from supervisor.drill.network import Outage
from tests.children import DEADLINE_S
from tests.peers.agent_worker import AgentWorker
from tests.peers.livekit_server import LiveKitServer
from tests.peers.pulse import RATE
from tests.stage import Stage
from tests.terminal import Terminal

from .coded_speech import CodedSpeech, coded_speech

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

STRETCHED_MS = 60
"""A jitter buffer stretches the sound by so much on a busy machine; nothing is lost by it."""


def _is_back(terminal: Terminal, name: str, pid: int) -> None:
    terminal.wait_for_restart(name, pid)
    terminal.wait_until(
        lambda now: (
            now["session"]["connection_state"] == "connected" and now["room"]["microphone_sid"]
        )
    )


def test_twenty_kills_of_the_room_cost_no_word_and_the_agent_keeps_its_conversation(
    stage: Stage, tmp_path: Path
) -> None:
    chance = random.Random(20)
    kills = 20
    with (
        stage.terminal(tmp_path, supervisor={"backoff_reset": 0.5}) as terminal,
        coded_speech(stage, terminal, blocks=600) as speech,
    ):
        for _ in range(kills):
            assert speech.goes_on_for(chance.uniform(1.0, 3.0)), "killed too slowly"
            pid = terminal.kill_actor("room")
            _is_back(terminal, "room", pid)
        heard = speech.heard()
        assert heard.in_order
        assert heard.said_again_ms / kills < 300, heard.seams
        assert [job.id for job in stage.worker.jobs if job.room == speech.job.room] == [
            speech.job.id
        ]
        assert terminal.status()["actors"]["room"]["restarts"] == kills


@pytest.mark.parametrize("after_s", [0.05, 0.8])
def test_a_kill_soon_after_a_stall_costs_no_word(
    stage: Stage, tmp_path: Path, after_s: float
) -> None:
    """What could not be sent meanwhile then came in one go, and waits in the agent's jitter buffer;
    it throws it away when a dead terminal's track is replaced.
    """
    kills, stall_s = 5, 0.4
    with (
        stage.terminal(tmp_path, supervisor={"backoff_reset": 0.5}) as terminal,
        coded_speech(stage, terminal, blocks=200) as speech,
    ):
        for _ in range(kills):
            speech.goes_on_for(2.0)
            pid = terminal.actor_pid("room")
            os.kill(pid, signal.SIGSTOP)
            speech.goes_on_for(stall_s)
            os.kill(pid, signal.SIGCONT)
            assert speech.goes_on_for(after_s), "killed too slowly"
            _is_back(terminal, "room", terminal.kill_actor("room"))
        heard = speech.heard()
        assert heard.said_again_ms / kills < 300 + stall_s * 1000, heard.seams


@pytest.mark.parametrize("name", ["router", "session", "history", "kiosk"])
def test_a_kill_of_a_process_off_the_lanes_makes_no_gap_at_all(
    stage: Stage, tmp_path: Path, name: str
) -> None:
    with (
        stage.terminal(tmp_path, kiosk={"port": 0}) as terminal,
        coded_speech(stage, terminal, blocks=80) as speech,
    ):
        speech.goes_on_for(2.0)
        began = speech.job.decode()
        for _ in range(3):
            pid = terminal.kill_actor(name)
            _is_back(terminal, name, pid)
            speech.goes_on_for(1.0)
        heard = speech.heard()
        later = [seam for seam in heard.seams if seam.at_ms > began.runs[-1].end_ms]
        stumbles = [seam for seam in later if seam.lost_ms + seam.silence_ms > STRETCHED_MS]
        assert stumbles == [], "the sound stumbled"


def test_a_kill_of_audio_costs_only_the_samples_of_its_own_restart(
    stage: Stage, tmp_path: Path
) -> None:
    with (
        stage.terminal(tmp_path, supervisor={"backoff_reset": 0.5}) as terminal,
        coded_speech(stage, terminal, blocks=100) as speech,
    ):
        for _ in range(3):
            speech.goes_on_for(2.0)
            pid = terminal.kill_actor("audio")
            _is_back(terminal, "audio", pid)
        heard = speech.heard_to_the_end()
        gaps = terminal.logged("recording resumed", "gap_samples")
        assert len(gaps) == 3
        known_ms = sum(gaps) * 1000 / RATE
        # A gap is filled with as much silence, so that what follows is in its place.
        assert heard.lost_ms <= known_ms + 3 * BLOCK_MS / 2, heard.seams
        assert heard.in_order


@pytest.mark.parametrize("seconds", [1.0, 6.0])
def test_what_is_said_while_packets_vanish_unnoticed_is_said_again(
    stage: Stage, tmp_path: Path, seconds: float
) -> None:
    with (
        stage.terminal(tmp_path) as terminal,
        coded_speech(stage, terminal, blocks=150) as speech,
    ):
        speech.goes_on_for(3.0)
        with Outage(terminal.actor_pid("room")):
            speech.goes_on_for(seconds)
        speech.heard()
        assert [job.id for job in stage.worker.jobs if job.room == speech.job.room] == [
            speech.job.id
        ]


def test_a_killed_supervisor_that_is_started_again_loses_only_what_nobody_recorded(
    stage: Stage, tmp_path: Path
) -> None:
    with (
        stage.terminal(tmp_path) as terminal,
        coded_speech(stage, terminal, blocks=120) as speech,
    ):
        speech.goes_on_for(3.0)
        terminal.kill()
        terminal.start()
        heard = speech.heard_to_the_end()
        (gap,) = terminal.logged("recording resumed", "gap_samples")
        assert heard.lost_ms <= gap * 1000 / RATE + BLOCK_MS, heard.seams
        assert heard.in_order
        assert [job.id for job in stage.worker.jobs if job.room == speech.job.room] == [
            speech.job.id
        ]


@pytest.mark.parametrize(("away_s", "blocks"), [(0.0, 450), (90.0, 860)])
def test_a_server_that_comes_back_before_its_workers_costs_no_word(
    stage: Stage, tmp_path: Path, away_s: float, blocks: int
) -> None:
    """The room that is joined again gets no agent, so that another one has to be found; what was
    said meanwhile is on the tape, and it is one that hears it all: as far back as the tape goes,
    should the machine be so slow that it has begun to forget the outage.
    """
    with (
        _own_server(stage, tmp_path) as own,
        own.terminal(tmp_path) as terminal,
        coded_speech(own, terminal, blocks) as speech,
    ):
        speech.goes_on_for(3.0)
        own.server.kill()
        own.worker.stop()
        threading.Event().wait(away_s)
        expected = _back_with_another_agent(own, terminal, speech)
        speech.heard_to_the_end()
        heard = speech.heard(expected & set(speech.within_the_tape()))
        assert heard.in_order


def test_what_was_said_before_a_cut_was_noticed_is_heard_after_the_rejoin(
    stage: Stage, tmp_path: Path
) -> None:
    """A pulled cable closes no socket: the client goes on sending for a while, then gives up."""
    with (
        _own_server(stage, tmp_path) as own,
        own.terminal(tmp_path) as terminal,
        coded_speech(own, terminal, blocks=450) as speech,
    ):
        speech.goes_on_for(3.0)
        with Outage(terminal.actor_pid("room"), tcp=True):
            speech.goes_on_for(4.0)
            own.server.kill()
        own.worker.stop()
        expected = _back_with_another_agent(own, terminal, speech)
        speech.heard(expected)


@contextmanager
def _own_server(stage: Stage, tmp_path: Path) -> Iterator[Stage]:
    with (
        LiveKitServer(tmp_path) as server,
        AgentWorker(server, tmp_path, auto_gain=False) as worker,
    ):
        yield Stage(server, worker, stage.pulse)


def _back_with_another_agent(own: Stage, terminal: Terminal, speech: CodedSpeech) -> set[int]:
    """Start the server and then the worker; returns the blocks that the new agent is to hear."""
    own.server.start()
    terminal.wait_until(lambda now: now["agent"]["error"] == "left", deadline_s=120.0)
    own.worker.start()
    terminal.wait_until(lambda now: now["agent"]["state"] == "listening", deadline_s=120.0)
    before = set(speech.job.decode().blocks)
    expected = set(speech.within_the_tape()) - before
    speech.job = own.job(terminal)
    return expected


def test_a_room_that_stands_still_is_found_and_replaced_and_no_word_is_lost(
    stage: Stage, tmp_path: Path
) -> None:
    patience = {"slow_after": 1.0, "stuck_after": 3.0}
    with (
        stage.terminal(tmp_path, supervisor=patience) as terminal,
        coded_speech(stage, terminal, blocks=120) as speech,
    ):
        speech.goes_on_for(3.0)
        pid = terminal.actor_pid("room")
        os.kill(pid, signal.SIGSTOP)
        _is_back(terminal, "room", pid)
        assert terminal.status()["actors"]["room"]["last_exit"].startswith("hang")
        heard = speech.heard()
        assert heard.in_order


@pytest.mark.parametrize("words", [0, 2, 4])
def test_what_the_agent_says_while_the_room_is_dead_is_asked_of_it(
    stage: Stage, tmp_path: Path, words: int
) -> None:
    """Its transcript breaks off after so many words; the rest is there once, and behind them."""
    text = "one two three four five six seven eight"
    with stage.terminal(tmp_path) as terminal:
        terminal.callpoint("start")
        terminal.wait_for_agent("listening")
        with BlockingSession.attach(terminal.runtime_dir) as session:
            terminal.say(text)
            terminal.wait_for_agent("speaking" if words else "thinking")
            _until(session, lambda said: len(said.split()) >= words)
            _is_back(terminal, "room", terminal.kill_actor("room"))
            job = stage.job(terminal)
            stage.worker.wait_until(lambda: len(job.said) == 1, deadline_s=DEADLINE_S)
            assert _letters(job.said[0]) == _letters(f"You said: {text}")
            _until(session, lambda said: _letters(said) == _letters(job.said[0]))
            listed = session.messages
        terminal.wait_until(lambda now: now["history"]["stored"] == len(listed))
        asked, *answered = terminal.history()
        assert (asked["kind"], asked["text"]) == ("user_input", text)
        assert _letters("".join(each["text"] for each in answered)) == _letters(job.said[0])


def test_a_text_written_while_the_room_is_dead_reaches_the_agent(
    stage: Stage, tmp_path: Path
) -> None:
    """LiveKit's agents ignore what is written by somebody whom they do not know yet, and each room
    process is somebody new.
    """
    texts = [f"are you there, number {number}" for number in range(6)]
    answers: list[str] = []
    with stage.terminal(tmp_path) as terminal:
        terminal.callpoint("start")
        terminal.wait_for_agent("listening")
        job = stage.job(terminal)
        for text in texts:
            terminal.kill_actor("room")
            terminal.say(text)
            answers.append(_letters(f"You said: {text}"))
            stage.worker.wait_until(lambda: len(job.said) == len(answers), deadline_s=DEADLINE_S)
            terminal.wait_for_agent("listening")
        assert [_letters(said) for said in job.said] == answers


def _until(session: BlockingSession, condition: Callable[[str], bool]) -> None:
    """Wait until what the agent has said, as the session has it, is such."""
    for _ in session.changes():
        agents = (each.text for each in session.messages if each.kind == "agent_transcript")
        if condition(" ".join(agents)):
            return


def _letters(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())

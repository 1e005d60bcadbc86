"""A whole terminal in the practice room: every child killed, bad input of every kind."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.audio.header import SLOTS
from supervisor import exits
from supervisor.commands.failures import ORDER_FAILED
from supervisor.drill.coded_signal import BLOCK_MS
from supervisor.drill.launched import LaunchFailed
from supervisor.drill.speaking import SpeakingTerminal, is_itself
from tests.garbage import throw_garbage
from tests.terminal import ROOT, Terminal

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

SPEECH = ROOT / "supervisor" / "commands" / "sounds" / "demo.wav"
PRACTICE: dict[str, dict[str, Any]] = {
    "livekit": {"backend": "practice"},
    "audio": {"input": f"file:{SPEECH}", "output": "none", "loop": True},
    "kiosk": {"port": 0},
}
ACTORS = ("router", "history", "session", "audio", "parrot", "room", "kiosk")
MOST_REPEATED_MS = 1500
"""Of speech, by a kill: what was on its way to an agent that is another one now, too."""
TALKING = ("listening", "thinking", "speaking")


# -- death -----------------------------------------------------------------------------------------


def _descendants(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children}.union(
        *(_descendants(int(child)) for child in children)
    )


def _shared_memory() -> set[str]:
    return {entry.name for entry in Path("/dev/shm").iterdir()}


def test_each_child_killed_is_back_and_nothing_else_is_touched_or_left(
    terminal: Callable[[Path], SpeakingTerminal],
) -> None:
    shared = _shared_memory()
    practising = terminal(ROOT / "configs" / "test.toml")
    assert tuple(practising.status()["actors"]) == ACTORS
    for name in ACTORS:
        before = practising.status()["actors"]
        assert practising.hurt("kill", name).recovery_s
        after = practising.status()["actors"]
        assert after[name]["last_exit"] == "signal SIGKILL"
        for other in set(ACTORS) - {name}:
            assert after[other]["pid"] == before[other]["pid"], f"{name} took {other} along"
    # The conversation is still on, and a message still gets its answer.
    practising.mailbox.send("hello")
    report = practising.report()
    assert report.lost_nothing, report
    assert max(cost.repeated_ms for cost in report.costs) < MOST_REPEATED_MS, report
    family = {practising.pid, *_descendants(practising.pid)}
    assert practising.stop() == exits.ASKED
    assert not [pid for pid in family if Path(f"/proc/{pid}").exists()]
    assert list(practising.runtime_dir.glob("*.sock")) == []
    assert _shared_memory() <= shared


def _goes_on_with(practising: SpeakingTerminal, conversation: str) -> None:
    """The same conversation, in which the agent hears what is said and answers."""
    status = practising.wait_until(lambda status: is_itself(status) and status)
    assert status["session"]["conversation"] == conversation
    assert practising.wait_until_heard(int(practising.spoken_ms) // BLOCK_MS + 10)
    assert practising.mailbox.send("hello")
    assert "hello" in practising.mailbox.kept()


def test_a_reload_that_restarts_all_who_serve_a_conversation_does_not_end_it(
    terminal: Callable[[Path], SpeakingTerminal],
) -> None:
    practising = terminal(ROOT / "configs" / "test.toml")
    conversation = practising.status()["session"]["conversation"]
    config = json.loads(practising.config.read_text())
    config["audio"]["volume"] = 31
    practising.config.write_text(json.dumps(config))
    assert practising.callpoint("reload") == "restarted: session, audio, room\n"
    _goes_on_with(practising, conversation)


def test_a_group_that_is_restarted_as_one_does_not_end_a_conversation(
    tmp_path: Path, terminal: Callable[[Path], SpeakingTerminal]
) -> None:
    group = ("session", "audio", "room")
    grouped = PRACTICE | {
        "supervisor": {"groups": {"talk": {"strategy": "one_for_all"}}},
        "actors": {name: {"group": "talk"} for name in group},
    }
    config = tmp_path / "grouped.yaml"
    config.write_text(json.dumps(grouped))
    practising = terminal(config)
    conversation = practising.status()["session"]["conversation"]
    pids = {name: practising.actor_pid(name) for name in group}
    practising.kill_actor("room")
    for name, pid in pids.items():
        practising.wait_for_restart(name, pid)
    _goes_on_with(practising, conversation)


# -- the microphone off ----------------------------------------------------------------------------


def _spoken_samples_on_tape(practising: SpeakingTerminal) -> int:
    """Samples that are not silent."""
    content = (practising.runtime_dir / "tape").read_bytes()[SLOTS:]
    return int(np.count_nonzero(np.frombuffer(content, "<i2")))


def test_muted_nothing_is_recorded_whoever_dies_and_also_after_a_reboot(
    terminal: Callable[[Path], SpeakingTerminal],
) -> None:
    practising = terminal(ROOT / "configs" / "test.toml")
    practising.kill_actor("audio")
    practising.callpoint("mute")  # an order waits for what is just coming back
    words = _spoken_samples_on_tape(practising)
    assert words, "it had heard something before"
    for name in ("audio", "room", "session", "router", "kiosk"):
        assert practising.hurt("kill", name).recovery_s
        assert practising.wait_until(lambda status: status["audio"])["muted"]
    practising.speak_for(0.5)
    assert _spoken_samples_on_tape(practising) <= words
    # What was said before may still have been on its way; it begins and ends within a block.
    rate = practising.staging.settings.audio.sample_rate
    most = math.ceil(words * 1000 / rate / BLOCK_MS) + 2
    assert len(set(practising.heard.blocks)) <= most
    assert practising.stop() == exits.ASKED
    shutil.rmtree(practising.runtime_dir)
    practising.start()
    practising.callpoint("start")
    assert practising.wait_until(lambda status: status["audio"])["muted"]
    assert practising.wait_until(lambda status: status["audio"])["recording"]
    practising.speak_for(0.5)
    assert not _spoken_samples_on_tape(practising)
    practising.callpoint("unmute")
    practising.wait_until(lambda _: _spoken_samples_on_tape(practising) > 0)
    assert not practising.status()["audio"]["muted"]


# -- bad input -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def practising(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with Terminal(tmp_path_factory.mktemp("terminal"), **PRACTICE) as terminal:
        terminal.callpoint("start")
        yield terminal


def test_garbage_on_every_socket_changes_nothing(practising: Terminal) -> None:
    practising.wait_for_agent(*TALKING)
    before = practising.status()["actors"]
    sockets = sorted(practising.runtime_dir.glob("*.sock"))
    assert [socket.stem for socket in sockets] == [
        "control",
        "mic",
        "practice",
        "router",
        "speaker",
        "supervisor",
    ]
    for socket in sockets:
        throw_garbage(socket)
    practising.callpoint("say", "hello")
    practising.wait_for_agent(*TALKING)
    after = practising.status()["actors"]
    assert {name: row["pid"] for name, row in after.items()} == {
        name: row["pid"] for name, row in before.items()
    }
    log = practising.log.read_text()
    assert "corrupt frame dropped" in log
    assert "Traceback" not in log


def _refused(folder: Path, *sentences: str, code: int, **config: dict[str, Any]) -> None:
    """It does not start, says why in these words, and shows no traceback."""
    terminal = Terminal(folder, **{**PRACTICE, **config})
    with pytest.raises(LaunchFailed, match=f"ended with code {code}"), terminal:
        pass
    told = terminal.log.read_text()
    assert "Traceback" not in told
    for sentence in sentences:
        assert sentence in told
    assert not terminal.runtime_dir.exists()


def test_an_unknown_key_is_refused_with_its_place_and_the_right_one(tmp_path: Path) -> None:
    _refused(
        tmp_path,
        "terminal.yaml:1",
        "audio.inptu",
        'did you mean "input"?',
        code=exits.CONFIG,
        audio={"inptu": "default"},
    )


def test_an_unknown_device_is_refused_with_a_remedy(tmp_path: Path) -> None:
    _refused(
        tmp_path,
        "audio: there is no input device",
        "[audio] input",
        code=exits.CANNOT_START,
        audio={"input": "Theremin", "output": "none"},
    )


def test_a_file_that_is_no_sound_is_refused(tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"no sound")
    _refused(
        tmp_path,
        f"{noise} is no PCM WAV file",
        code=exits.CONFIG,
        audio={"input": f"file:{noise}", "output": "none"},
    )


def test_a_server_without_keys_is_refused_with_their_names(tmp_path: Path) -> None:
    _refused(
        tmp_path,
        "LIVEKIT_API_KEY and LIVEKIT_API_SECRET",
        code=exits.CONFIG,
        livekit={"backend": "livekit", "url": "ws://127.0.0.1:9"},
    )


def test_a_server_that_is_not_there_ends_the_start_and_not_the_terminal(tmp_path: Path) -> None:
    keys = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "a secret of thirty-two characters"}
    config = {**PRACTICE, "livekit": {"backend": "livekit", "url": "ws://127.0.0.1:9"}}
    with Terminal(tmp_path, environment=keys, **config) as terminal:
        terminal.callpoint("start")
        error = terminal.wait_until(lambda now: now["session"]["error"])
        assert error["kind"] == "connection"
        assert error["reason"] == "nothing listens at the server's address"
        status = terminal.status()
        assert status["session"]["connection_state"] == "disconnected"
        assert status["agent"]["state"] == "disconnected"
        assert not status["audio"]["recording"], "the recording is discarded"
        refused = terminal.callpoint("say", "hello", code=ORDER_FAILED)
        assert "callpoint start begins one" in refused
        assert {row["restarts"] for row in status["actors"].values()} == {0}
        log = terminal.log.read_text()
        assert "Traceback" not in log
        assert keys["LIVEKIT_API_SECRET"] not in log
        assert "eyJ" not in log, "a token in the log"

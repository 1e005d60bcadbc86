"""The console beside a whole terminal: typed into, piped into, and through a crash."""

import ast
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.commands import console
from supervisor.commands.failures import NOT_RUNNING
from supervisor.commands.sounds import DEMO
from tests.children import DEADLINE_S
from tests.keyboard import Keyboard
from tests.terminal import ROOT, Terminal

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(
        tmp_path,
        livekit={"backend": "practice"},
        audio={"input": f"file:{_silence(tmp_path)}", "output": "none", "loop": True},
        kiosk={"enabled": False},
    ) as running:
        yield running


def _silence(folder: Path) -> Path:
    """A user who says nothing: the parrot would be interrupted."""
    path = folder / "silence.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16000)
        wav.writeframes(bytes(32000))
    return path


def _console(runtime_dir: Path) -> list[str]:
    return [sys.executable, "-m", "supervisor", "console", "--runtime-dir", str(runtime_dir)]


def test_orders_and_messages_are_typed_and_a_crash_is_told(terminal: Terminal) -> None:
    environ = {**os.environ, "TERM": "xterm"}
    with Keyboard(_console(terminal.runtime_dir), environ) as keyboard:
        keyboard.waits_for(r"Ctrl-D ends")
        keyboard.types("/start\r")
        keyboard.waits_for(r"session connected")
        keyboard.waits_for(r"agent listening")
        keyboard.types("two tickets\r")
        keyboard.waits_for(r"you wrote[^\n]*two tickets")
        keyboard.waits_for(r"agent +\x1b\[0m[^\n]*two tickets")
        keyboard.types("/mute\r")
        keyboard.waits_for(r"muted >")
        keyboard.types("/unmute\r/jump\r")
        keyboard.waits_for(r"there is no /jump")
        terminal.kill_actor("session")
        keyboard.waits_for(r"terminal does not answer")
        keyboard.waits_for(r"terminal answers again")
        keyboard.types("and back\r")
        keyboard.waits_for(r"you wrote[^\n]*and back")
        keyboard.types("\x04")
        assert keyboard.exit_code() == 0
    assert terminal.status()["session"]["connection_state"] == "connected"


def test_what_is_piped_in_is_sent_before_it_ends(terminal: Terminal) -> None:
    done = subprocess.run(
        _console(terminal.runtime_dir),
        cwd=ROOT,
        input="/start\nhello\n//end is no order\nlast",
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = [line for line in done.stdout.splitlines() if line.startswith("you wrote")]
    assert [line.split(maxsplit=2)[2] for line in written] == ["hello", "/end is no order", "last"]
    assert [message["text"] for message in terminal.history() if message["kind"] == "user_input"]


def test_it_shows_how_loud_it_is(tmp_path: Path) -> None:
    with (
        Terminal(
            tmp_path,
            livekit={"backend": "practice"},
            audio={"input": f"file:{DEMO}", "output": "none", "loop": True},
            kiosk={"enabled": False},
        ) as talking,
        Keyboard(_console(talking.runtime_dir), {**os.environ, "TERM": "xterm"}) as keyboard,
    ):
        keyboard.types("/start\r")
        keyboard.waits_for("[▅▆▇█] >")
        keyboard.types("/mute\r")
        keyboard.waits_for("muted >")
        keyboard.types("\x04")
        assert keyboard.exit_code() == 0


def test_it_is_made_of_the_api_alone() -> None:
    tree = ast.parse(Path(console.__file__).read_text())
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = {node.module for node in froms if node.module and node.module.startswith("actors")}
    assert ours == {"actors"}


def test_without_a_terminal_it_says_so(runtime_dir: Path) -> None:
    done = subprocess.run(
        _console(runtime_dir), cwd=ROOT, input="", capture_output=True, text=True, check=False
    )
    assert done.returncode == NOT_RUNNING
    assert "no terminal is running" in done.stderr
    assert "Traceback" not in done.stderr

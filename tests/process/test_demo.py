"""The demo as a whole: every process of a terminal, talked to by a file and by a keyboard."""

import os
import re
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.children import DEADLINE_S
from tests.keyboard import Keyboard

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short temporary directory: sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as path:
        yield Path(path)


def _environ(directory: Path) -> dict[str, str]:
    """Of a machine without a sound card, whatever this one has."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CALLPOINT_")}
    return {
        **clean,
        "TMPDIR": str(directory),
        "ALSA_CONFIG_PATH": "/dev/null",
        "PULSE_SERVER": "unix:/nowhere",
        "TERM": "xterm",
    }


def _demo(*args: str) -> list[str]:
    return [sys.executable, "-m", "supervisor", "demo", *args]


def test_without_a_keyboard_it_talks_the_file_through_and_ends(directory: Path) -> None:
    done = subprocess.run(
        _demo("--no-kiosk"),
        cwd=ROOT,
        env=_environ(directory),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S * 2.5,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    labels = [line.split("  ")[0] for line in lines]
    assert labels.count("you said") == 3
    assert labels.count("agent") == 3
    assert "state      agent connecting, what you say is kept for it" in lines
    assert lines[-1] == "3 heard, 0 written, 3 answered"
    assert not any(line.startswith("page") for line in lines)
    assert list(directory.iterdir()) == []


def test_it_ends_when_its_seconds_are_over_and_says_where_the_page_is(directory: Path) -> None:
    done = subprocess.run(
        _demo("--config", "configs/test.toml", "--seconds", "0"),
        cwd=ROOT,
        env=_environ(directory),
        input="hello\n",
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^page +http://127\.0\.0\.1:[1-9]\d*/$", done.stdout, re.MULTILINE)


def test_a_temporary_directory_too_long_for_sockets_is_told(directory: Path) -> None:
    deep = directory / ("x" * 100)
    deep.mkdir()
    done = subprocess.run(
        _demo(), cwd=ROOT, env=_environ(deep), capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert done.stderr.startswith("callpoint: a socket's path has at most 107 bytes")


def test_a_typed_line_is_sent_and_answered_and_ctrl_d_ends(directory: Path) -> None:
    config = _of_a_silent_user(directory)
    with Keyboard(_demo("--no-kiosk", "--config", str(config)), _environ(directory)) as keyboard:
        keyboard.waits_for(r"Ctrl-D ends")
        keyboard.waits_for(r"agent listening")
        keyboard.types("hellp\x7fo there")
        keyboard.waits_for(r"> hello there")
        keyboard.types("\r")
        keyboard.waits_for(r"you wrote[^\n]*hello there")
        keyboard.waits_for(r"agent +\x1b\[0m[^\n]*hello there")
        keyboard.types("\x04")
        keyboard.waits_for(r"1 written, \d answered")
        assert keyboard.exit_code() == 0
    assert not list(directory.glob("callpoint-*"))


def _of_a_silent_user(directory: Path) -> Path:
    """What the file says would interrupt the answer."""
    with wave.open(str(directory / "silence.wav"), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16000)
        wav.writeframes(bytes(32000))
    config = directory / "silent.toml"
    config.write_text(
        '[livekit]\nbackend = "practice"\n[audio]\noutput = "none"\n'
        'input = "file:silence.wav"\nloop = true\n'
    )
    return config


@pytest.mark.parametrize("when", ["Ctrl-D ends", "agent listening"])
def test_ctrl_c_ends_it_at_any_time_without_a_trace(directory: Path, when: str) -> None:
    with Keyboard(_demo("--no-kiosk"), _environ(directory)) as keyboard:
        keyboard.waits_for(when)
        keyboard.interrupts()
        keyboard.waits_for(r"heard, 0 written, \d answered")
        assert keyboard.exit_code() == 0
        assert "Traceback" not in keyboard.shown

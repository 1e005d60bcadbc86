"""The terminal that is drilled is the operator's own, and what its agent hears is read truly."""

import json
import os
import wave
from pathlib import Path

import numpy as np
import pytest

from actors.settings import Settings
from supervisor.drill.chords import MAX_BLOCKS
from supervisor.drill.coded_signal import BLOCK_MS, decode, generate
from supervisor.drill.ear import Ear
from supervisor.drill.looks import look_at
from supervisor.drill.staging import HEARD_RATE, staged

pytestmark = pytest.mark.unit

OWN = Settings.from_plain(
    {
        "terminal": {"name": "Hall", "runtime_dir": "/run/hall", "state_dir": "/var/lib/hall"},
        "livekit": {"backend": "practice", "agent_name": "clerk", "identity": "hall-1"},
        "session": {"start": "boot", "agent_connect_timeout": 7.0},
        "audio": {
            "input": "default",
            "input_fallbacks": ["usb"],
            "output_fallbacks": ["hdmi"],
            "sample_rate": 16000,
            "echo_cancellation": True,
        },
        "history": {"path": "/var/lib/hall/own.sqlite3"},
        "kiosk": {"host": "0.0.0.0", "port": 8040},
        "supervisor": {"stuck_after": 4.0},
        "actors": {
            "parrot": {"options": {"agent_delay_s": 1.0}},
            "door": {"target": "own.door:Door"},
        },
        "programs": {"browser": {"command": ["chromium"]}},
    }
)


def test_nothing_of_the_operators_own_is_touched_by_a_drill(tmp_path: Path) -> None:
    drilled = staged(OWN, tmp_path).settings
    assert (drilled.terminal.runtime_dir, drilled.terminal.state_dir) == ("", "")
    assert drilled.history.path == ""
    assert (drilled.kiosk.host, drilled.kiosk.port) == ("127.0.0.1", 0)
    assert drilled.livekit.agent_name == ""
    assert drilled.livekit.room_name not in ("", staged(OWN, tmp_path).room)
    assert drilled.programs == {}
    assert drilled.audio.output == "none"
    assert drilled.audio.input_fallbacks == drilled.audio.output_fallbacks == ()


def test_everything_else_is_as_the_config_says(tmp_path: Path) -> None:
    drilled = staged(OWN, tmp_path).settings
    assert drilled.supervisor == OWN.supervisor
    assert drilled.livekit.identity == "hall-1"
    assert drilled.session.agent_connect_timeout == 7.0
    assert drilled.audio.sample_rate == 16000
    assert drilled.actors["door"] == OWN.actors["door"]
    heard = str(tmp_path / "heard.pcm")
    assert drilled.actors["parrot"].options == {"agent_delay_s": 1.0, "hears": heard}


def test_what_is_written_is_a_config_and_the_whole_signal_at_its_rate(tmp_path: Path) -> None:
    staging = staged(OWN, tmp_path)
    staging.write()
    assert Settings.from_plain(json.loads(staging.config.read_text())) == staging.settings
    with wave.open(str(staging.speech)) as speech:
        assert speech.getframerate() == 16000
        pcm = np.frombuffer(speech.readframes(speech.getnframes()), "<i2")
    assert decode(pcm, 16000).missing(MAX_BLOCKS) == ()


def test_an_ear_that_has_heard_nothing_has_reached_nothing(tmp_path: Path) -> None:
    path = tmp_path / "heard.pcm"
    path.touch()
    assert not Ear(path).has_reached(0)
    assert Ear(path).heard().missing(3) == (0, 1, 2)


@pytest.mark.parametrize("odd", [b"", b"\0"])
def test_an_ear_knows_how_far_it_has_come_over_the_turn(tmp_path: Path, odd: bytes) -> None:
    path = tmp_path / "heard.pcm"
    signal = generate(MAX_BLOCKS, HEARD_RATE)
    turn = signal[: 25 * BLOCK_MS * HEARD_RATE // 1000]
    # A frame may be half written when it is read.
    path.write_bytes(signal.tobytes() + turn.tobytes() + odd)
    ear = Ear(path)
    assert ear.has_reached(MAX_BLOCKS + 20)
    assert not ear.has_reached(MAX_BLOCKS + 27)
    assert ear.heard().missing(MAX_BLOCKS + 25) == ()


def test_a_look_at_ourselves_sees_what_we_hold() -> None:
    before = look_at(os.getpid())
    held = bytearray(b"x" * (64 << 20))
    with Path(os.devnull).open():
        after = look_at(os.getpid())
    assert before
    assert after
    assert after.mib - before.mib > 60
    assert after.fds > before.fds
    assert after.threads >= 1
    assert held[-1]


def test_whoever_is_gone_is_not_looked_at() -> None:
    assert look_at(2**22 - 1) is None

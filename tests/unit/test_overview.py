"""``callpoint status``: what it says of what it knows and of what it does not."""

import json
from pathlib import Path

import pytest

from actors.messages import (
    ActorStatus,
    AgentView,
    AudioState,
    HistoryState,
    KioskState,
    Participant,
    RoomState,
    SessionError,
    SessionState,
    Status,
    Track,
)
from supervisor.commands.overview import as_dict, as_text, compose
from supervisor.commands.table import columns, duration

pytestmark = pytest.mark.unit

ROUTER = ActorStatus(41, "running", 0, None, 3.5, 20.25, 1.5, "ok")
ROOM = ActorStatus(None, "backing-off", 2, "signal SIGKILL", 0.0, 0.0, 0.0, "backing-off")
STATUS = Status("running", 40, 3725.0, {"router": ROUTER, "room": ROOM})
TRACK = Track("TR_1", "audio", "microphone", True)
SESSION = SessionState(
    "c1",
    True,
    "connected",
    AgentView("connected", "speaking", True, True, False, False, audio_track=TRACK),
    room_name="r1",
    error=SessionError("sender", "no room"),
)
SNAPSHOTS = [
    SESSION,
    AudioState(True, False, "c1", 48000, "mic", "none"),
    RoomState("c1", "connected", participants=(Participant("a", "PA", "agent", True, {}),)),
    HistoryState(7),
    KioskState("http://127.0.0.1:8040/", 0),
]


def test_the_operator_contract_for_programs() -> None:
    found = json.loads(json.dumps(as_dict(compose(STATUS, SNAPSHOTS))))
    assert found["state"] == "running"
    assert found["session"]["is_connected"] is True
    assert found["session"]["connection_state"] == "connected"
    assert found["session"]["error"] == {"kind": "sender", "reason": "no room"}
    assert found["agent"]["state"] == "speaking"
    flags = ("is_connected", "can_listen", "is_pending", "is_finished", "error")
    assert [found["agent"][flag] for flag in flags] == [True, True, False, False, None]
    assert found["agent"]["audio_track"]["sid"] == "TR_1"
    assert found["actors"]["router"] == {
        "pid": 41,
        "state": "running",
        "restarts": 0,
        "last_exit": None,
        "uptime_s": 3.5,
        "rss_mib": 20.25,
        "cpu_percent": 1.5,
        "health": "ok",
        "essential": True,
        "kind": "actor",
    }
    assert found["actors"]["room"]["pid"] is None
    assert found["audio"]["input"] == "mic"
    assert found["room"]["participants"][0]["identity"] == "a"
    assert found["kiosk"]["address"] == "http://127.0.0.1:8040/"


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    found = as_dict(compose(STATUS, []))
    assert found["session"] == {
        "is_connected": None,
        "connection_state": "unknown",
        "error": None,
    }
    assert found["agent"]["state"] == "unknown"
    assert set(found["agent"]) >= {"is_connected", "can_listen", "is_pending", "is_finished"}
    assert found["audio"] is None
    assert "unknown" in as_text(compose(STATUS, []), Path("/r"))


def test_an_agent_without_a_state_is_where_it_is_in_its_life() -> None:
    failed = SessionState(
        "", False, "disconnected", AgentView("failed", None, False, False, False, True, "timeout")
    )
    overview = compose(STATUS, [SESSION, failed])
    assert as_dict(overview)["agent"]["state"] == "failed"
    assert "agent       failed (timeout)\n" in as_text(overview, Path("/r"))


def test_for_people() -> None:
    assert as_text(compose(STATUS, SNAPSHOTS), Path("/run/x")).splitlines() == [
        "terminal    running for 1h02m, pid 40",
        "            /run/x",
        "session     connected to r1, error sender: no room",
        "agent       speaking, can listen",
        "microphone  recording, from mic to none",
        "history     7 messages",
        "page        http://127.0.0.1:8040/",
        "",
        "ACTOR   STATE        PID  UP  RESTARTS  MIB   CPU  HEALTH       LAST EXIT",
        "router  running       41  3s         0   20  1.5%  ok           -",
        "room    backing-off    -  0s         2    0  0.0%  backing-off  signal SIGKILL",
    ]


def test_a_cell_cannot_break_the_table() -> None:
    assert columns([["a\nb\x1b[2J", "c"]]).count("\n") == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.9, "0s"), (59.9, "59s"), (61, "1m01s"), (3600, "1h00m"), (90061, "1d01h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_what_the_devices_have_lost_and_why_this_one_is_used_is_told() -> None:
    audio = AudioState(
        True, False, "c1", 48000, "board", "none", notes="usb is deaf; board is used", input_xruns=3
    )
    text = as_text(compose(STATUS, [audio]), Path("/run/x"))
    assert (
        "from board to none; usb is deaf; board is used; samples of the microphone lost 3x" in text
    )

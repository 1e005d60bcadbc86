"""The drill as a whole: a practice terminal is hurt, and the report tells what it has cost."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor import exits
from supervisor.commands.drill import ENDED, LOST, NOT_DONE, NOT_RECOVERED
from supervisor.drill.coded_signal import BLOCK_MS

pytestmark = [pytest.mark.process, pytest.mark.timeout(150)]

ROOT = Path(__file__).parents[2]
CONFIG = "configs/test.toml"
Drill = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def places() -> Iterator[Path]:
    """Where drills put their files; short, because sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def drill(places: Path) -> Drill:
    def run(*words: str, config: str | Path = CONFIG) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            _command(config, *words),
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(places)},
            capture_output=True,
            text=True,
            timeout=140,
            check=False,
        )

    return run


def _command(config: str | Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "supervisor", "drill", str(config), *words]


def _report(done: "subprocess.CompletedProcess[str]", code: int = 0) -> dict[str, Any]:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


def test_kills_cost_no_word_and_no_message_and_what_nobody_could_hear_is_told_apart(
    drill: Drill,
) -> None:
    wishes = "kill:room,kill:session,kill:audio,kill:supervisor,corrupt:router,disk-full"
    report = _report(drill("--faults", wishes, "--seed", "1", "--json"))
    done = {f"{each['fault']}:{each['target']}" for each in report["faults"]}
    assert done == {
        "kill:room",
        "kill:session",
        "kill:audio",
        "kill:supervisor",
        "corrupt:router",
        "disk-full:history",
    }
    assert all(each["recovery_s"] > 0 for each in report["faults"])
    assert report["lost_nothing"]
    assert report["words"]["said"] > 50
    # The microphone's own restart takes a moment, which is known and is not taken for a loss.
    assert len(report["words"]["unheard"]) * BLOCK_MS < 20_000
    assert report["messages"]["sent"] >= 3
    assert not report["not_done"]


def test_what_a_frozen_microphone_costs_stands_beside_its_fault(
    drill: Drill, tmp_path: Path
) -> None:
    config = tmp_path / "frozen.toml"
    config.write_text(
        '[livekit]\nbackend = "practice"\n[actors.audio]\nstuck_after = 4\n[kiosk]\nport = 0\n'
    )
    done = drill("--faults", "stop:audio", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    titles, row = (re.split("  +", line) for line in done.stdout.splitlines()[:2])
    struck = dict(zip(titles, row, strict=True))
    assert struck["LOST"] == "0"
    assert float(struck["AWAY"].removesuffix(" s")) > 2


def test_an_actor_that_stays_dead_is_a_terminal_that_does_not_recover(
    drill: Drill, tmp_path: Path
) -> None:
    config = tmp_path / "mortal.toml"
    config.write_text(
        '[livekit]\nbackend = "practice"\n'
        '[actors.kiosk]\nrestart = "temporary"\n'
        "[kiosk]\nport = 0\n"
    )
    done = drill("--faults", "kill:kiosk", "--patience", "5", "--json", config=config)
    report = _report(done, NOT_RECOVERED)
    (struck,) = report["faults"]
    assert struck["recovery_s"] is None
    assert "kiosk ended" in struck["trouble"]
    assert "did not recover" in done.stderr


def test_a_terminal_that_ends_over_it_has_not_recovered(drill: Drill, tmp_path: Path) -> None:
    config = tmp_path / "once.toml"
    config.write_text(
        '[livekit]\nbackend = "practice"\n[supervisor]\nintensity = 0\n[kiosk]\nport = 0\n'
    )
    done = drill("--faults", "kill:router", config=config)
    assert done.returncode == NOT_RECOVERED, done.stderr
    assert f"ended with code {exits.KEEPS_DYING}" in done.stderr
    assert "Traceback" not in done.stderr.partition("the end of terminal.log")[0]


def test_what_cannot_be_done_here_is_said_and_never_passed(drill: Drill) -> None:
    report = _report(drill("--faults", "offline,drop,kill:kiosk", "--json"), NOT_DONE)
    assert set(report["not_done"]) == {"offline", "drop"}
    assert report["not_done"]["drop"] == "the practice room has no network"
    assert [each["target"] for each in report["faults"]] == ["kiosk"]


def test_a_fault_that_there_is_not_is_refused_with_the_nearest(drill: Drill) -> None:
    done = drill("--faults", "kil")
    assert done.returncode == exits.CONFIG
    assert 'did you mean "kill"?' in done.stderr


@pytest.mark.parametrize(("wish", "starts"), [("kill:parson", False), ("corrupt:room", True)])
def test_a_target_that_there_is_not_is_refused_and_leaves_nothing(
    drill: Drill, places: Path, wish: str, starts: bool
) -> None:
    """Sockets are known once they are bound."""
    done = drill("--faults", wish)
    assert done.returncode == exits.CONFIG
    fault, target = wish.split(":")
    assert f"{fault} cannot hit '{target}'" in done.stderr
    assert f"{fault} can hit: " in done.stderr
    assert ("terminal.log" in done.stderr) == starts
    assert list(places.iterdir()) == []


def test_the_help_names_the_sockets_that_there_are(drill: Drill) -> None:
    told = drill("--faults", "corrupt:room").stderr
    sockets = told.partition("corrupt can hit: ")[2].splitlines()[0].split(", ")
    assert "router" in sockets
    said = drill("--help").stdout.partition("of corrupt")[2].partition("of disk-full")[0]
    assert set(sockets) <= set(re.findall(r"\w+", said))


def test_a_terminal_that_does_not_start_leaves_its_log_and_says_where(
    drill: Drill, places: Path, tmp_path: Path
) -> None:
    config = tmp_path / "never.toml"
    config.write_text(
        '[livekit]\nbackend = "practice"\n[kiosk]\nport = 0\n'
        '[actors.door]\ntarget = "own.door:Door"\n'
    )
    done = drill(config=config)
    assert done.returncode == exits.CANNOT_START
    (kept,) = places.iterdir()
    assert f"kept in {kept}" in done.stderr
    assert (kept / "terminal.log").exists()


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_with_a_report_and_leaves_nothing(
    places: Path, which: signal.Signals
) -> None:
    with subprocess.Popen(
        _command(CONFIG, "--minutes", "2", "--faults", "kill:session", "--json"),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(places)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr
        assert any("recovered in" in line for line in running.stderr)
        running.send_signal(which)
        out, told = running.communicate(timeout=100)
    assert "ended before its time" in told
    assert json.loads(out)["lost_nothing"], out
    assert running.returncode == 0, told
    assert list(places.iterdir()) == []


def test_a_signal_before_there_is_a_conversation_leaves_nothing(places: Path) -> None:
    with subprocess.Popen(
        _command(CONFIG),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(places)},
        stderr=subprocess.PIPE,
        text=True,
    ) as starting:
        assert starting.stderr
        assert starting.stderr.readline().startswith("seed ")
        starting.send_signal(signal.SIGTERM)
        _, told = starting.communicate(timeout=100)
    assert starting.returncode == ENDED, told
    assert "callpoint: a signal ended it before there was a report" in told
    assert list(places.iterdir()) == []


def test_livekit_without_keys_is_refused_with_their_names(drill: Drill, tmp_path: Path) -> None:
    config = tmp_path / "livekit.toml"
    config.write_text('[livekit]\nurl = "ws://127.0.0.1:9"\n')
    done = drill(config=config)
    assert done.returncode == exits.CONFIG
    assert "LIVEKIT_API_KEY and LIVEKIT_API_SECRET" in done.stderr


def test_a_loss_is_reported_as_such(drill: Drill, tmp_path: Path) -> None:
    """A tape that is shorter than the time after which a hang is found."""
    config = tmp_path / "forgetful.toml"
    config.write_text(
        '[livekit]\nbackend = "practice"\n'
        "[audio]\ntape_seconds = 10\n"
        "[actors.room]\nstuck_after = 15\n"
        "[kiosk]\nport = 0\n"
    )
    done = drill("--faults", "stop:room", "--json", config=config)
    report = _report(done, LOST)
    (struck,) = report["faults"]
    assert struck["recovery_s"] > 10
    assert not report["lost_nothing"]
    lost = report["words"]["lost"]
    assert struck["lost"] == len(lost) > 10
    assert "were lost" in done.stderr

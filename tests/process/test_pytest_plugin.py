"""The fixture ``terminal`` in a test run of an integrator's own, strict as ours."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
PLUGIN = "supervisor.drill.pytest_plugin"


def _pytest(folder: Path, test: str, *words: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_own.py").write_text(test)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-W", "error", *words, "test_own.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_word_that_is_not_heard_fails_a_test_and_nothing_is_left_running(tmp_path: Path) -> None:
    done = _pytest(
        tmp_path,
        f"""
def test_muted(terminal):
    kiosk = terminal({str(ROOT / "configs" / "test.toml")!r})
    kiosk.callpoint("mute")
    kiosk.speak_for(1.0)
    kiosk.callpoint("unmute")
    kiosk.speak_for(0.5)
    print("supervisor", kiosk.pid)
    assert kiosk.report().lost_nothing
""",
    )
    assert done.returncode == 1, done.stdout
    lost = int(done.stdout.partition("<Report: ")[2].split(" of ")[0])
    assert 9 <= lost < 100
    pid = int(done.stdout.partition("supervisor ")[2].split()[0])
    assert not Path(f"/proc/{pid}").exists()


def test_a_victim_that_stays_dead_fails_a_test_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "mortal.toml").write_text(
        '[livekit]\nbackend = "practice"\n'
        '[actors.kiosk]\nrestart = "temporary"\n'
        "[kiosk]\nport = 0\n"
    )
    done = _pytest(
        tmp_path,
        """
def test_mortal(terminal):
    kiosk = terminal("mortal.toml")
    kiosk.patience_s = 3
    kiosk.hurt("kill", "kiosk")
    assert kiosk.report().lost_nothing
""",
    )
    assert done.returncode == 1, done.stdout
    assert "NotRecovered: kill:kiosk, not within 3 s: kiosk ended" in done.stdout


def test_whoever_does_not_use_it_loads_nothing_of_it(tmp_path: Path) -> None:
    done = _pytest(
        tmp_path,
        """
import sys
def test_nothing_is_loaded():
    ours = {name for name in sys.modules if name.split(".")[0] in ("actors", "supervisor")}
    assert ours == {"supervisor", "supervisor.drill", "supervisor.drill.pytest_plugin"}
    assert not {"zmq", "numpy", "msgspec"} & set(sys.modules)
""",
    )
    assert done.returncode == 0, done.stdout


def test_pytest_finds_it_by_itself_where_callpoint_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"callpoint": PLUGIN}


def test_the_example_of_the_readme_is_the_one_that_is_tested() -> None:
    example = (ROOT / "tests" / "examples" / "test_kiosk.py").read_text()
    test = example[example.index("def test_") :].strip()
    assert len(test.splitlines()) == 5
    assert test in (ROOT / "README.md").read_text()

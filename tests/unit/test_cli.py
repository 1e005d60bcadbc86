"""The command line: help that teaches, mistakes that are told, nothing loaded in vain."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from supervisor import exits
from supervisor.commands.cli import _COMMANDS, cli
from supervisor.commands.failures import NOT_RUNNING, ORDER_FAILED

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
TO_A_TERMINAL = [
    ["status"],
    ["status", "--json", "--watch"],
    ["start"],
    ["end"],
    ["say", "hello"],
    ["mute"],
    ["unmute"],
    ["history", "list"],
    ["restart", "room"],
    ["reload"],
    ["console"],
]


def _call(*args: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, args, prog_name="callpoint", env=environ)


def _callpoint(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LIVEKIT_")}
    return subprocess.run(
        [sys.executable, "-m", "supervisor", *args],
        cwd=ROOT,
        env={**clean, **environ},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_help_lists_every_command_in_a_line_and_teaches_the_first_steps() -> None:
    result = _call("--help")
    assert result.exit_code == 0
    for name in _COMMANDS:
        assert f"\n  {name}" in result.output
    assert "..." not in result.output.split("Commands:")[1]  # nothing is cut short
    assert "callpoint demo" in result.output
    assert "CALLPOINT_RUNTIME_DIR" in result.output


def test_every_command_is_documented_with_its_options() -> None:
    context = click.Context(cli)
    for name in _COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help
        for option in command.params:
            assert not isinstance(option, click.Option) or option.help


@pytest.mark.parametrize("name", ["run", "check", "status", "say", "demo", "restart", "reload"])
def test_help_names_the_exit_codes(name: str) -> None:
    result = _call(name, "--help")
    assert result.exit_code == 0
    assert "Exit codes:\n" in result.output


def test_run_explains_all_its_exit_codes() -> None:
    output = " ".join(_call("run", "--help").output.split())
    for code, meaning in exits.EXPLAINED.items():
        assert f"{code} {meaning}" in output


def test_version() -> None:
    result = _call("--version")
    assert result.exit_code == 0
    assert result.output.startswith("callpoint ")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["satus"], 'did you mean "status"?'),
        (["xyzzy"], "callpoint --help lists all"),
        (["say"], "Missing argument"),
        (["say", "  "], "nothing to say"),
        (["run"], "Missing argument 'CONFIG'"),
        (["run", "a.toml", "--owner", "99999999999"], "not in the range"),
        (["status", "--jsno"], "No such option"),
        (["history", "list", "--limit", "0"], "not in the range"),
        (["--nonsense"], "No such option"),
    ],
)
def test_a_wrong_command_line_is_told_with_its_own_code(args: list[str], words: str) -> None:
    result = _call(*args)
    assert result.exit_code == exits.CONFIG
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_what_the_system_refuses_is_told_in_a_line(tmp_path: Path) -> None:
    config = tmp_path / "t.toml"
    config.write_text('[livekit]\nbackend = "practice"\n')
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "supervisor", "check", str(config)]
        done = subprocess.run(
            command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == ORDER_FAILED
    assert done.stderr == "callpoint: No space left on device\n"


@pytest.mark.parametrize("name", ["", "too long for a file " * 20], ids=["nothing", "too-long"])
@pytest.mark.parametrize("args", TO_A_TERMINAL, ids=" ".join)
def test_where_nothing_runs_that_is_said(args: list[str], tmp_path: Path, name: str) -> None:
    there = tmp_path / name
    result = _call(*args, CALLPOINT_RUNTIME_DIR=str(there))
    assert result.exit_code == NOT_RUNNING
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"callpoint: no terminal is running in {there}",
        "  start one with: callpoint run CONFIG (or name another with --runtime-dir)",
    ]


@pytest.mark.parametrize("directory", ["/nowhere/" + "x" * 200, "/dev/null", "a\nb"])
def test_no_runtime_dir_is_too_odd_to_say_so(directory: str) -> None:
    result = _call("status", "--runtime-dir", directory)
    assert result.exit_code == NOT_RUNNING


def test_the_option_comes_before_the_environment(tmp_path: Path) -> None:
    result = _call("status", "--runtime-dir", str(tmp_path / "a"), CALLPOINT_RUNTIME_DIR="/b")
    assert str(tmp_path / "a") in result.stderr


def test_check_says_what_is_right_and_what_this_machine_lacks() -> None:
    result = _call("check", str(ROOT / "configs" / "kiosk.toml"), LIVEKIT_URL="ws://h")
    assert result.exit_code == 0
    assert result.stdout.endswith("kiosk.toml: right\n")
    assert "cannot run here" in result.stderr
    assert "LIVEKIT_API_SECRET" in result.stderr
    assert _call("check", str(ROOT / "configs" / "test.toml")).stderr == ""


def test_check_refuses_with_every_problem_on_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[audio]\ninptu = 1\n[sesion]\n")
    result = _call("check", str(path))
    assert result.exit_code == exits.CONFIG
    assert result.stderr.splitlines() == [
        "callpoint: the config is refused",
        f'  {path}:2: audio.inptu: no such key; did you mean "input"?',
        f'  {path}:3: sesion: no such section; did you mean "session"?',
    ]


@pytest.mark.parametrize("command", ["run", "demo --config"])
def test_without_credentials_nothing_is_started(command: str) -> None:
    result = _callpoint(*command.split(), "configs/kiosk.toml")
    assert result.returncode == exits.CONFIG
    assert "configs/kiosk.toml:" in result.stderr
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        assert name in result.stderr
    assert "Traceback" not in result.stderr


def test_the_schema_is_printed_as_it_is_in_the_project() -> None:
    assert _call("schema").output == (ROOT / "configs" / "callpoint.schema.json").read_text()
    assert _call("schema", "--example").output == (ROOT / "configs" / "terminal.toml").read_text()


def test_as_a_program_check_and_status_behave(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("kiosk = 3\n")
    refused = _callpoint("check", str(path))
    assert (refused.returncode, refused.stdout) == (exits.CONFIG, "")
    assert "a.toml:1: kiosk: must be a table, not 3" in refused.stderr
    silent = _callpoint("status", "--json", CALLPOINT_RUNTIME_DIR=str(tmp_path))
    assert (silent.returncode, silent.stdout) == (NOT_RUNNING, "")
    assert "Traceback" not in silent.stderr


HEAVY = {"numpy", "livekit", "aiohttp", "sounddevice", "multiprocess", "yaml", "sqlite3"}


@pytest.mark.parametrize("module", ["status", "orders", "history", "restart", "check", "run"])
def test_a_command_loads_nothing_that_it_does_not_need(module: str) -> None:
    program = (
        "import sys; import supervisor.commands.cli, supervisor.commands." + module + ";"
        "import actors.settings.load; print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(loaded.stdout.split())


def test_looking_at_the_entry_point_imports_nothing() -> None:
    program = "import sys; import supervisor.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "click" not in loaded.stdout
    assert "asyncio" not in loaded.stdout

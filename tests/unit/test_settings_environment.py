"""What comes from outside of the config: directories, credentials, and what is missing."""

import os
import pwd
import wave
from pathlib import Path

import msgspec
import pytest

from actors.settings import Settings, SettingsError
from actors.settings.credentials import Credentials, CredentialsError, load_credentials
from actors.settings.dirs import resolve_dirs, runtime_dir
from actors.settings.model import Audio, LiveKit, Terminal
from actors.settings.obstacles import obstacles
from actors.settings.supervision import ProgramSettings

pytestmark = pytest.mark.unit

KEYS = {"LIVEKIT_URL": "ws://h", "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "s3cret"}


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


# -- directories ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("nobody")
def test_a_user_has_directories_of_his_own() -> None:
    assert runtime_dir({"XDG_RUNTIME_DIR": "/run/user/1000"}) == Path("/run/user/1000/callpoint")
    assert runtime_dir({}) == Path("/tmp/callpoint-1000")
    settings = resolve_dirs(Settings(), {"XDG_STATE_HOME": "/s"})
    assert settings.terminal.state_dir == "/s/callpoint"
    assert settings.history.path == "/s/callpoint/history.sqlite3"


@pytest.mark.usefixtures("root")
def test_a_service_and_its_operator_mean_the_same_directories() -> None:
    settings = resolve_dirs(Settings(), {"XDG_RUNTIME_DIR": "/run/user/0", "XDG_STATE_HOME": "/s"})
    assert settings.terminal.runtime_dir == "/run/callpoint"
    assert settings.terminal.state_dir == "/var/lib/callpoint"


@pytest.mark.usefixtures("nobody")
def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(SettingsError) as refused:
        resolve_dirs(Settings(), {})
    assert str(refused.value) == (
        "CALLPOINT_STATE_DIR: this user has no home directory; set it, or [terminal] state_dir"
    )
    assert resolve_dirs(Settings(terminal=Terminal(state_dir="/s")), {}).terminal.state_dir == "/s"


def test_the_environment_comes_before_the_file() -> None:
    configured = Settings(terminal=Terminal(runtime_dir="/file/run", state_dir="/file/state"))
    assert resolve_dirs(configured, {}).terminal.runtime_dir == "/file/run"
    environ = {"CALLPOINT_RUNTIME_DIR": "/env/run", "CALLPOINT_STATE_DIR": "/env/state"}
    resolved = resolve_dirs(configured, environ)
    assert (resolved.terminal.runtime_dir, resolved.terminal.state_dir) == (
        "/env/run",
        "/env/state",
    )
    assert resolve_dirs(resolved, environ) == resolved


def test_relative_directories_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert runtime_dir({"CALLPOINT_RUNTIME_DIR": "run"}) == tmp_path / "run"


# -- credentials ---------------------------------------------------------------------------------


def _file(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "livekit.env"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_credentials_from_the_environment_are_never_shown() -> None:
    found = load_credentials(KEYS)
    assert found == Credentials("ws://h", "key", "s3cret")
    assert "s3cret" not in repr(found)
    assert "key" not in repr(found)
    assert found.missing == ()


def test_nothing_found_is_nothing_but_said() -> None:
    assert load_credentials({}).missing == ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")


def test_credentials_from_a_file_as_a_shell_would_have_it(tmp_path: Path) -> None:
    text = "# keys\n\nexport LIVEKIT_API_KEY='a=b'\nLIVEKIT_API_SECRET = \"x y\"\nOTHER=1\n"
    found = load_credentials({"CALLPOINT_CREDENTIALS_FILE": str(_file(tmp_path, text))})
    assert (found.api_key, found.api_secret) == ("a=b", "x y")


def test_the_environment_comes_before_the_credentials_file(tmp_path: Path) -> None:
    path = _file(tmp_path, "LIVEKIT_API_KEY=file\nLIVEKIT_URL=ws://file\n")
    environ = {"CALLPOINT_CREDENTIALS_FILE": str(path), "LIVEKIT_API_KEY": "environ"}
    assert load_credentials(environ) == Credentials("ws://file", "environ", "")


def test_systemds_credentials_are_found_even_with_its_group_bits(tmp_path: Path) -> None:
    _file(tmp_path, "LIVEKIT_API_KEY=k\n", mode=0o440)
    assert load_credentials({"CREDENTIALS_DIRECTORY": str(tmp_path)}).api_key == "k"
    (tmp_path / "livekit.env").unlink()
    assert load_credentials({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == Credentials()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = _file(tmp_path, "LIVEKIT_API_SECRET=hush\n", mode)
    with pytest.raises(CredentialsError, match="others than its owner") as caught:
        load_credentials({"CALLPOINT_CREDENTIALS_FILE": str(path)})
    assert caught.value.remedy == f"chmod 600 {path}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"LIVEKIT_API_KEY=k\nhush hush\n", ":2: not KEY=VALUE"),
        (b"\xff\xfe", "is no credentials file"),
        (b"#" * 70_000, "is no credentials file"),
    ],
)
def test_a_file_of_something_else_is_refused_without_showing_it(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = _file(tmp_path, "")
    path.write_bytes(content)
    with pytest.raises(CredentialsError) as caught:
        load_credentials({"CALLPOINT_CREDENTIALS_FILE": str(path)})
    assert reason in caught.value.reason
    assert "hush" not in caught.value.reason


def test_a_named_file_must_be_there_and_be_a_file(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no", "No such file"), (tmp_path, "not a regular file")):
        with pytest.raises(CredentialsError, match=reason):
            load_credentials({"CALLPOINT_CREDENTIALS_FILE": str(path)})


# -- what stands in the way ----------------------------------------------------------------------


def _whats(settings: Settings, environ: dict[str, str]) -> list[str]:
    return [f"{finding.what}; {finding.remedy}" for finding in obstacles(settings, environ)]


def test_a_server_needs_an_address_and_a_source_of_tokens() -> None:
    address, keys = _whats(Settings(), {})
    assert "set livekit.url or LIVEKIT_URL" in address
    assert "needs LIVEKIT_API_KEY and LIVEKIT_API_SECRET; set them in the environment" in keys
    assert _whats(Settings(), KEYS) == []
    (secret,) = _whats(Settings(livekit=LiveKit(url="ws://h")), {"LIVEKIT_API_KEY": "k"})
    assert "needs LIVEKIT_API_SECRET; set it in" in secret


def test_practice_and_a_token_endpoint_need_no_keys() -> None:
    assert _whats(Settings(livekit=LiveKit(backend="practice")), {}) == []
    assert _whats(Settings(livekit=LiveKit(token_endpoint="https://h/t")), {}) == []


@pytest.mark.parametrize(
    ("livekit", "environ", "whats"),
    [
        (LiveKit(token_source="program"), {}, []),
        (LiveKit(token_function="os:getenv"), {}, []),
        (LiveKit(token_function="nowhere.m:f"), {}, ["no module nowhere; install it, or put it"]),
        (LiveKit(token_source="literal", url="ws://h"), {"LIVEKIT_TOKEN": "t"}, []),
        (LiveKit(token_source="literal"), {}, ["set livekit.url or", "set LIVEKIT_TOKEN"]),
        (LiveKit(token_source="development"), {"LIVEKIT_SANDBOX_ID": "i"}, []),
        (LiveKit(token_source="development"), {}, ["set LIVEKIT_SANDBOX_ID"]),
        (
            LiveKit(token_endpoint="https://h/t"),
            {"CALLPOINT_TOKEN_HEADERS": "Authorization: hush"},
            ["CALLPOINT_TOKEN_HEADERS is no JSON object"],
        ),
    ],
)
def test_what_each_source_of_tokens_needs(
    livekit: LiveKit, environ: dict[str, str], whats: list[str]
) -> None:
    found = _whats(Settings(livekit=livekit), environ)
    assert len(found) == len(whats)
    assert all(what in told for what, told in zip(whats, found, strict=True))
    assert "hush" not in "".join(found)


def test_secrets_for_tokens_come_from_the_file_too_and_show_nowhere(tmp_path: Path) -> None:
    text = """LIVEKIT_TOKEN=hush-1
LIVEKIT_SANDBOX_ID=hush-2
CALLPOINT_TOKEN_HEADERS='{"Authorization": "hush-3"}'
"""
    environ = {"CALLPOINT_CREDENTIALS_FILE": str(_file(tmp_path, text))}
    found = load_credentials(environ)
    assert (found.token, found.sandbox_id) == ("hush-1", "hush-2")
    assert found.token_headers == {"Authorization": "hush-3"}
    assert "hush" not in repr(found)


def test_a_credentials_file_that_cannot_be_taken_stands_in_the_way(tmp_path: Path) -> None:
    environ = {"CALLPOINT_CREDENTIALS_FILE": str(tmp_path / "no")}
    (reason,) = _whats(Settings(), environ)
    assert "No such file" in reason


def _practice(**changes: object) -> Settings:
    return msgspec.structs.replace(Settings(livekit=LiveKit(backend="practice")), **changes)


def test_a_sound_file_must_be_there_and_be_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    settings = _practice(audio=Audio(input=f"file:{path}"))
    assert "No such file" in _whats(settings, {})[0]
    path.write_bytes(b"RIFF")
    assert "a.wav is no PCM WAV file" in _whats(settings, {})[0]
    for width, wrong in ((1, 1), (2, 0)):
        with wave.open(str(path), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(width)
            wav.setframerate(16000)
        assert len(_whats(settings, {})) == wrong


def test_a_runtime_dir_must_leave_room_for_a_sockets_name() -> None:
    settings = _practice(terminal=Terminal(runtime_dir="/" + "x" * 100))
    assert "at most 107 bytes, this one 119" in _whats(settings, {})[0]


def _program(**fields: object) -> Settings:
    return _practice(programs={"p": ProgramSettings(**fields)})  # type: ignore[arg-type]


def test_a_program_must_be_there_and_its_directory_too(tmp_path: Path) -> None:
    assert _whats(_program(command=["sh", "-c", "true"]), {"PATH": "/bin"}) == []
    (missing,) = _whats(_program(command=["no-such-program"]), {"PATH": "/bin"})
    assert missing.startswith("there is no program no-such-program; install it")
    own_path = {"PATH": str(tmp_path)}
    assert len(_whats(_program(command=["sh"], environment=own_path), {"PATH": "/bin"})) == 1
    (directory,) = _whats(_program(command=["/bin/sh"], directory=str(tmp_path / "no")), {})
    assert "is no directory" in directory

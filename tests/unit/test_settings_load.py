"""From a file to settings, or to all that is wrong with it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.settings import Settings, SettingsError
from actors.settings.load import load
from actors.settings.source import MAX_BYTES

pytestmark = pytest.mark.unit


def _load(tmp_path: Path, text: str, name: str = "t.toml") -> Settings:
    path = tmp_path / name
    path.write_text(text, newline="")
    return load(path)


def _refused(tmp_path: Path, text: str, name: str = "t.toml") -> list[str]:
    """Line, path, what and remedy of each problem."""
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, text, name)
    prefix = str(tmp_path / name)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.problems)
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix).lstrip(":").strip() for line in lines]


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path, "") == Settings()
    assert _load(tmp_path, "", "t.yaml") == Settings()


def test_toml_and_yaml_say_the_same(tmp_path: Path) -> None:
    toml = _load(
        tmp_path,
        '[session]\nstart = "boot"\nagent_connect_timeout = "off"\n[kiosk]\nport = 0\n'
        '[actors.door]\ntarget = "a.b:Door"\noptions = { pins = [1, 2] }\n',
    )
    yaml = _load(
        tmp_path,
        "session: {start: boot, agent_connect_timeout: 'off'}\nkiosk:\n  port: 0\n"
        "actors:\n  door:\n    target: a.b:Door\n    options: {pins: [1, 2]}\n",
        "t.yml",
    )
    assert toml == yaml
    assert toml.actors["door"].options == {"pins": [1, 2]}
    assert toml.session.agent_connect_timeout == "off"


def test_all_problems_are_told_at_once_each_with_its_line_and_the_nearest_right_name(
    tmp_path: Path,
) -> None:
    assert _refused(
        tmp_path,
        "[audio]\n"
        'inptu = "default"\n'
        "sample_rate = 44100\n"
        "[sesion]\n"
        'start = "boot"\n'
        "[session]\n"
        'start = "bot"\n'
        "agent_connect_timeout = -1\n"
        "[kiosk]\n"
        "enabled = 1\n"
        "port = 70000\n"
        "host = 5\n"
        "loop = true\n"
        "[livekit]\n"
        'url = "example.org"\n',
    ) == [
        '2: audio.inptu: no such key; did you mean "input"?',
        "3: audio.sample_rate: must be 16000, 24000 or 48000, not 44100",
        '4: sesion: no such section; did you mean "session"?',
        '7: session.start: must be "manual", "boot", "voice" or "wake-word", not "bot";'
        ' did you mean "boot"?',
        '8: session.agent_connect_timeout: must be a number above 0 or "off", not -1',
        "10: kiosk.enabled: must be true or false, not 1",
        "11: kiosk.port: must be a whole number from 0 to 65535, not 70000",
        '12: kiosk.host: must be a text in "quotes" that is not empty, not 5',
        '13: kiosk.loop: no such key; did you mean "audio.loop"?',
        "15: livekit.url: must begin with ws:// or wss:// and name a host",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("audio = 3\n", "1: audio: must be a table, not 3"),
        ("zzz = 3\n", "1: zzz: no such key; there are: terminal, livekit, session, audio,"),
        ("[supervisor]\nstart_timeout = nan\n", "2: supervisor.start_timeout: must be a number"),
        ("[supervisor]\nbackoff_max = inf\n", "2: supervisor.backoff_max: must be a number above"),
        ("[kiosk]\nport = 1979-05-27\n", "2: kiosk.port: must be a whole number from 0 to 65535"),
        ("[audio]\ninput = ''\n", '2: audio.input: must be a text in "quotes" that is not empty'),
        ("[audio]\ninput = 'file:'\n", "2: audio.input: names no file; write"),
        ("[audio]\noutput = 'file:x.wav'\n", "2: audio.output: the agent's voice goes to a device"),
        ("[supervisor]\nbackoff_max = 0.01\n", "2: supervisor.backoff_max: must not be below"),
        ("[supervisor]\nbackoff_initial = 20\n", "1: supervisor.backoff_max: must not be below"),
        ("[livekit]\nurl = 'ws://h:port'\n", "2: livekit.url: is no address"),
        ("[livekit]\nurl = 'ws:///path'\n", "2: livekit.url: must begin with ws://"),
        ("[livekit]\ntoken_endpoint = 'wss://h'\n", "2: livekit.token_endpoint: must begin with h"),
        ("[livekit]\ntoken_function = 'a.b'\n", '2: livekit.token_function: must be "package'),
        ("[session]\nreceivers = ['a.b']\n", '2: session.receivers[0]: must be "package'),
        ("[actors.Door]\n", "1: actors.Door: a name is up to 31 lower-case letters"),
        ("[actors.door]\n", "1: actors.door: no built-in actor has this name; an actor of your"),
        ("[actors.histroy]\n", 'has this name; did you mean "history"?'),
        ("[actors.supervisor]\n", "1: actors.supervisor: this name is taken"),
        ("[actors.client-7]\ntarget='a:B'\n", "1: actors.client-7: this name is taken"),
        ("[actors.a]\ntarget='a.b'\n", "2: actors.a.target: must be package.module:Class"),
        ("[actors.a]\ntarget='a..b:C'\n", "2: actors.a.target: must be package.module:Class"),
        ("actors.a = 1\n", "1: actors.a: must be a table, not 1"),
        ("[actors.a]\noptions = 'x'\n", "2: actors.a.options: must be a table, not a text"),
        (
            "[supervisor]\nstuck_after = 2\n",
            "2: supervisor.stuck_after: must be above slow_after (3)",
        ),
        (
            "[actors.room]\nstuck_after = 2\n",
            "2: actors.room.stuck_after: must be above supervisor.",
        ),
        ("[supervisor]\nintensity = -1\n", "2: supervisor.intensity: must be a whole number not"),
        ("[actors.room]\ngroup = 'x'\n", "2: actors.room.group: there is no such group; add [sup"),
        (
            "[supervisor.groups.sound]\n[actors.room]\ngroup = 'soud'\n",
            '3: actors.room.group: there is no such group; did you mean "sound"?',
        ),
        (
            "[supervisor.groups.a]\nstrategy = 'one_for_al'\n",
            "2: supervisor.groups.a.strategy: must be",
        ),
        (
            "[actors.room]\nmemory_mib = 9\nmemory_max_mib = 8\n",
            "3: actors.room.memory_max_mib: must not be below memory_mib (9)",
        ),
        ("[actors.room]\nrestart = 'always'\n", '2: actors.room.restart: must be "permanent", "tr'),
        ("[programs.a]\n", "1: programs.a: a program needs a command; command = ["),
        ("[programs.a]\ncommand = 'x y'\n", "2: programs.a.command: must be an array of texts"),
        ("[programs.room]\ncommand = ['x']\n", "1: programs.room: this name is taken"),
        ("[programs.a]\ncommand = ['x']\nready = 'tcp://h'\n", "3: programs.a.ready: must be tcp"),
        ("[programs.a]\ncommand = ['x']\nready = 'ftp://h'\n", "3: programs.a.ready: must be tcp"),
        (
            "[programs.a]\ncommand = ['x']\nenvironment = { 'a=b' = 'c' }\n",
            '3: programs.a.environment."a=b": no environment can hold this',
        ),
        (
            "[programs.a]\ncommand = ['x']\nenvironment = { DB_PASSWORD = 'c' }\n",
            "3: programs.a.environment.DB_PASSWORD: secrets do not belong in a config",
        ),
        ('[terminal]\nstate_dir = "a\\u0000"\n', "2: terminal.state_dir: a zero byte"),
        ('[programs.a]\ncommand = ["a", "b\\u0000"]\n', "2: programs.a.command: a zero byte"),
        ("[terminal]\nstate_dir = '~nobody-of-us/x'\n", "no home directory for ~nobody-of-us/x; w"),
        ('[actors."a\\u001b[31m"]\n', '1: actors."a\N{REPLACEMENT CHARACTER}[31m": a name is'),
    ],
)
def test_one_wrong_thing_is_told_once(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = _refused(tmp_path, text)
    assert expected in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[audio]\ninput default\n", "2: not TOML: Expected '=' after a key in a key/value pair ("),
        ("a = 1\n\na = 2\n", "3: not TOML: Cannot overwrite a value"),
        ("[audio]\ninput = \n", "2: not TOML: Invalid value"),
        ("a = 'x\n", "1: not TOML: "),
        ("a = [1,\n\n", "not TOML: "),
        ("a = 2024-13-45\n", "not TOML: "),
        ("a = 1\x00\n", "1: not TOML: "),
        ("a = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_no_toml_is_refused_with_the_line(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = _refused(tmp_path, text)
    assert expected in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("audio:\n  inptu: x\n", '2: audio.inptu: no such key; did you mean "input"?'),
        ("audio:\n  input: [\n", "not YAML: "),
        ("audio: {loop: yes}\nkiosk:\n  host: off\n", "3: kiosk.host: must be a text"),
        ("a: &x [1]\nb: *x\n", "2: aliases are not taken here"),
        ("kiosk:\n  port: 1\n  port: 2\n", "3: the key port is here twice"),
        ("on: 1\n", "1: a key must be text"),
        ("- 1\n- 2\n", "1: must be a mapping of sections"),
        ("--- 1\n--- 2\n", "not YAML: "),
        ("a: !!python/object:os.system x\n", "not YAML: could not determine a constructor"),
        ("a: \x07\n", "not YAML: "),
        ("a: 2024-13-45\n", "not YAML: "),
        ("a: " + "[" * 900 + "]" * 900, "nested too deeply"),
    ],
)
def test_yaml_is_refused_as_precisely(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = _refused(tmp_path, text, "t.yaml")
    assert expected in problem


SECRETS = {
    "[livekit]\napi_secret = 'hush'\n": "2: livekit.api_secret: secrets do not belong",
    "[livekit]\napiKey = 'hush'\n": "2: livekit.apiKey: secrets do not belong",
    "[livekit]\ntoken = 'hush'\n": "2: livekit.token: secrets do not belong",
    "password = 'hush'\n": "1: password: secrets do not belong",
    "[livekit]\nurl = 'wss://me:hush@h'\n": "2: livekit.url: secrets do not belong",
    "[actors.a]\ntarget = 'a:B'\noptions = { db = [{ db_password = 'hush' }] }\n": (
        "3: actors.a.options.db[0].db_password: secrets do not belong"
    ),
}


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_refused_with_a_remedy_and_never_shown(tmp_path: Path, text: str) -> None:
    (problem,) = _refused(tmp_path, text)
    assert SECRETS[text] in problem
    assert "; t" in problem  # take it out, and where it comes from
    assert "hush" not in problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("command = 'sing --key hush'\n", "command: must be an array of texts"),
        ("command = ['sing']\nenvironment = 'KEY=hush'\n", "environment: must be a table"),
    ],
)
def test_nor_is_what_may_hold_one(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = _refused(tmp_path, "[programs.a]\n" + text)
    assert expected in problem
    assert problem.endswith(", not a text")


def test_options_that_only_sound_secret_are_taken(tmp_path: Path) -> None:
    text = "[actors.a]\ntarget = 'a:B'\noptions = { token_bucket = 1, max_token = 5 }\n"
    assert _load(tmp_path, text).actors["a"].options == {"token_bucket": 1, "max_token": 5}


def test_paths_count_from_the_files_directory(tmp_path: Path) -> None:
    settings = _load(
        tmp_path,
        "[terminal]\nruntime_dir = 'run'\nstate_dir = '/abs'\n[history]\npath = '~/h.db'\n"
        "[audio]\ninput = 'file:../a.wav'\n",
    )
    assert settings.terminal.runtime_dir == f"{tmp_path}/run"
    assert settings.terminal.state_dir == "/abs"
    assert settings.history.path == str(Path("~/h.db").expanduser())
    assert settings.audio.input == f"file:{tmp_path.parent}/a.wav"


def _problem(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load(path)
    return str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no such file; callpoint demo needs none" in _problem(tmp_path / "no.toml")


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "not a regular file" in _problem(tmp_path / "fifo")
    assert "not a regular file" in _problem(tmp_path)
    assert "not a regular file" in _problem(Path("/dev/zero"))


def test_what_is_no_config_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.toml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "larger than 1048576 bytes" in _problem(path)
    path.write_bytes(b"a = 1\n\xff\xfe")
    assert "big.toml:2: not UTF-8 text" in _problem(path)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbf[kiosk]\nport = 1\n")
    assert load(path).kiosk.port == 1


@given(text=st.text(max_size=60), suffix=st.sampled_from(["toml", "yaml"]))
def test_any_text_gives_settings_or_problems(
    text: str, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any.{suffix}"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(load(path), Settings)
    except SettingsError as error:
        assert error.problems  # noqa: PT017


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["audio", "input", "actors", "x", "options"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["audio", "kiosk", "actors", "livekit", "x"]), PLAIN))
def test_any_data_is_validated_without_an_accident(plain: dict[str, object]) -> None:
    from actors.settings.validate import validate

    settings, findings = validate(plain)
    assert isinstance(settings, Settings)
    assert findings or Settings.from_plain(plain) == settings


def test_a_programs_paths_count_from_the_file_and_its_name_is_looked_for(tmp_path: Path) -> None:
    programs = _load(
        tmp_path,
        "[programs.a]\ncommand = ['./serve', './data']\ndirectory = 'www'\n"
        "[programs.b]\ncommand = ['chromium', 'a/b']\n",
    ).programs
    assert programs["a"].command == [str(tmp_path / "serve"), "./data"]
    assert programs["a"].directory == str(tmp_path / "www")
    assert (programs["b"].command, programs["b"].directory) == (["chromium", "a/b"], "")

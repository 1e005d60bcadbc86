"""The demo's pure parts: the story, the keyboard, the screen, the end."""

import sys
import wave
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import (
    AgentError,
    AgentLife,
    AgentState,
    AgentView,
    ChatMessage,
    ConnectionState,
    MessageChanged,
    MessageKind,
    MessagePurged,
    SessionError,
    SessionState,
)
from actors.settings import Settings, SettingsError
from actors.settings.model import Audio, Terminal
from supervisor.commands.demo.ending import QUIET_S, Ending
from supervisor.commands.demo.keys import MAX_LINE, LineEditor
from supervisor.commands.demo.plan import configured, here, plan
from supervisor.commands.demo.screen import LiveScreen, PlainScreen, cells_of, meter, tail
from supervisor.commands.demo.sound import Sound, find_sound
from supervisor.commands.demo.story import ERROR, STATE, Line, Story, line_of
from supervisor.commands.sounds import DEMO

pytestmark = pytest.mark.unit


# -- story ---------------------------------------------------------------------------------------


def _said(
    text: str, number: str = "1", kind: MessageKind = "agent_transcript", final: bool = True
) -> MessageChanged:
    return MessageChanged(ChatMessage(number, kind, text, 1.0, final))


def _state(
    connection: ConnectionState = "connected",
    life: AgentLife = "connected",
    state: AgentState | None = "listening",
    *,
    can_listen: bool = False,
    error: AgentError | None = None,
    session_error: SessionError | None = None,
) -> SessionState:
    agent = AgentView(life, state, False, can_listen, False, False, error)
    return SessionState("c", connection != "disconnected", connection, agent, error=session_error)


def test_a_transcript_grows_and_is_told_once() -> None:
    story = Story()
    assert story.on(_said("Hel", final=False)) == []
    assert story.on(_said("Hello", final=False)) == []
    assert [message.text for message in story.live.values()] == ["Hello"]
    assert story.busy
    assert story.on(_said("Hello.")) == [Line("agent", "Hello.")]
    assert story.on(_said("Hello.")) == []
    assert story.on(_said("late", final=False)) == []
    assert not story.live


def test_a_purged_transcript_is_not_told() -> None:
    story = Story()
    story.on(_said("Hel", final=False))
    assert story.on(MessagePurged("1")) == []
    assert story.on(MessagePurged("never there")) == []
    assert not story.busy


def test_each_kind_is_counted() -> None:
    story = Story()
    assert story.summary() == "nothing heard, 0 written, 0 answered"
    story.on(_said("a", "1", "user_transcript"))
    story.on(_said("b", "2", "user_input"))
    story.on(_said("c", "3"))
    story.on(_said("d", "4"))
    assert story.summary() == "1 heard, 1 written, 2 answered"


def test_changes_of_state_are_told_once_each() -> None:
    story = Story()
    told = [
        story.on(state)
        for state in (
            _state("connecting", "connecting", None, can_listen=True),
            _state("connecting", "connecting", None, can_listen=True),
            _state(),
            _state(state="thinking"),
            _state("disconnected", "failed", None, error="left"),
        )
    ]
    assert [[line.text for line in lines] for lines in told] == [
        ["session connecting", "agent connecting, what you say is kept for it"],
        [],
        ["session connected", "agent listening"],
        ["agent thinking"],
        ["session disconnected", "agent failed (left)"],
    ]
    assert told[0][0].label == STATE


def test_an_error_is_told_until_it_is_gone_and_comes_again() -> None:
    story = Story()
    broken = _state(session_error=SessionError("sender", "no room"))
    assert story.on(broken)[-1] == Line(ERROR, "sender: no room")
    assert story.on(broken) == []
    assert story.on(_state()) == []
    assert story.on(broken) == [Line(ERROR, "sender: no room")]


def test_what_an_agent_says_cannot_move_the_cursor() -> None:
    line = line_of(_said("a\x1b[2J\r\nb\tc\x07\u202e\u0085d").message)
    assert line.text.isprintable()
    assert line.text.startswith("a [2J b c d")


# -- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "lines", "text"),
    [
        (b"hello\n", ["hello"], ""),
        (b"a\rb\nc", ["a", "b"], "c"),
        (b"abc\x7f\x08d", [], "ad"),
        (b"one two\x17x", [], "one x"),
        (b"one two\x15x", [], "x"),
        (b"a\x1b[A\x1b[1;5Cb\x1bOPc\x1bzd", [], "abcd"),
        ("gr\u00fc\u00df\n".encode(), ["gr\u00fc\u00df"], ""),
        (b"a\x00\x01\tb", [], "ab"),
        (b"x" * (MAX_LINE + 9), [], "x" * MAX_LINE),
    ],
)
def test_a_line_is_edited(typed: bytes, lines: list[str], text: str) -> None:
    editor = LineEditor()
    assert editor.feed(typed) == lines
    assert editor.text == text


def test_ctrl_d_ends_only_in_an_empty_line() -> None:
    editor = LineEditor()
    editor.feed(b"a\x04")
    assert not editor.ended
    editor.feed(b"\x7f\x04")
    assert editor.ended


@given(st.lists(st.sampled_from(["a", "\u00fc", "\x1b[A", "\x1b[1;5C", "\x7f", "\r"]), max_size=9))
def test_it_does_not_matter_how_the_bytes_arrive(keys: list[str]) -> None:
    typed = "".join(keys).encode()
    at_once, one_by_one = LineEditor(), LineEditor()
    whole = at_once.feed(typed)
    split = [line for byte in typed for line in one_by_one.feed(bytes([byte]))]
    assert (whole, at_once.text) == (split, one_by_one.text)


# -- screen --------------------------------------------------------------------------------------


class Emulator:
    """As much of a terminal as the screen uses: CR, LF, cursor up, erase below."""

    def __init__(self) -> None:
        self.rows = [""]
        self._row = 0

    def write(self, text: str) -> None:
        while text:
            if text[0] == "\r":
                text = text[1:]  # what follows erases the row
            elif text[0] == "\n":
                self._row += 1
                if self._row == len(self.rows):
                    self.rows.append("")
                text = text[1:]
            elif text.startswith("\x1b["):
                end = next(i for i, c in enumerate(text) if c.isalpha())
                number, command, text = text[2:end], text[end], text[end + 1 :]
                if command == "A":
                    self._row -= int(number)
                elif command == "J":
                    self.rows = [*self.rows[: self._row], ""]
                else:
                    raise AssertionError(f"the emulator knows no {command}")
            else:
                self.rows[self._row] += text[0]
                text = text[1:]


def _live(width: int = 40) -> tuple[LiveScreen, Emulator]:
    emulator = Emulator()
    return LiveScreen(emulator.write, lambda: width, colour=False), emulator


def test_complete_lines_stay_and_growing_ones_are_drawn_in_place() -> None:
    screen, emulator = _live()
    screen.show([], [Line("agent", "Hel")], "> ")
    screen.show([], [Line("agent", "Hello"), Line("you said", "ye")], "> t")
    screen.show([Line("agent", "Hello.")], [Line("you said", "yes")], "> ty")
    assert emulator.rows == ["agent      Hello.", "you said   yes", "> ty"]
    screen.close()
    assert emulator.rows == ["agent      Hello.", ""]


def test_nothing_is_drawn_when_nothing_has_changed() -> None:
    written: list[str] = []
    screen = LiveScreen(written.append, lambda: 40, colour=True)
    for _ in range(3):
        screen.show([], [], "> ")
    assert len(written) == 1


def test_colour_is_in_labels_only() -> None:
    written: list[str] = []
    LiveScreen(written.append, lambda: 40, colour=True).show([Line("agent", "Hi")], [], "")
    assert "\x1b[1;36magent      \x1b[0mHi" in written[0]


def test_where_there_is_no_terminal_only_complete_lines_are_written() -> None:
    written: list[str] = []
    screen = PlainScreen(written.append)
    screen.show([Line("agent", "Hi")], [Line("agent", "grow")], "> prompt")
    screen.close()
    assert "".join(written) == "agent      Hi\n"


@given(
    st.lists(st.tuples(st.text("ab\u754c", max_size=60), st.text("xy", max_size=60)), max_size=6)
)
def test_a_live_row_never_wraps_and_no_complete_line_is_lost(steps: list[tuple[str, str]]) -> None:
    screen, emulator = _live(width=30)
    for done, growing in steps:
        screen.show([Line("", done)], [Line("agent", growing)] if growing else [], growing)
    whole = [f"{'':<11}{done}" for done, _ in steps]
    assert emulator.rows[: len(whole)] == whole
    assert all(cells_of(row) < 30 for row in emulator.rows[len(whole) :])


@given(st.text(), st.integers(1, 20))
def test_the_tail_of_a_text_fits(text: str, cells: int) -> None:
    shown = tail(text, cells)
    assert cells_of(shown) <= cells
    assert shown == text or text.endswith(shown[1:])


def test_the_meter_follows_the_level() -> None:
    assert [meter(dbfs) for dbfs in (-120.0, -60.0, -30.0, 0.0, 6.0)] == [" ", " ", "▄", "█", "█"]


# -- the end -------------------------------------------------------------------------------------


def _first_due(ending: Ending, ticks: Iterable[float], busy: bool = False) -> float | None:
    return next((now for now in ticks if ending.due(now, busy=busy)), None)


def test_it_ends_when_the_file_is_over_and_all_is_quiet() -> None:
    ticks = [tick / 10 for tick in range(1000)]
    assert _first_due(Ending(10.0), ticks) == 10.0 + QUIET_S
    assert _first_due(Ending(10.0, last_word=12.0), ticks) == 12.0 + QUIET_S
    assert _first_due(Ending(10.0), ticks, busy=True) == 40.0
    assert _first_due(Ending(None), ticks) is None
    assert _first_due(Ending(10.0, seconds_end=3.0), ticks) == 3.0
    assert _first_due(Ending(10.0, seconds_end=50.0), ticks) == 50.0


# -- the plan ------------------------------------------------------------------------------------


def test_without_a_sound_card_the_file_speaks(tmp_path: Path) -> None:
    found = plan(here(Sound()), tmp_path, {})
    assert found.settings.livekit.backend == "practice"
    assert found.settings.audio == Audio(input=f"file:{DEMO}", output="none")
    assert found.speech_s is not None
    assert 10 <= found.speech_s <= 15


def test_with_a_sound_card_it_is_used() -> None:
    assert here(Sound("mic", "speaker")).audio == Audio()
    assert here(Sound("", "speaker")).audio.output == "default"


def test_directories_are_the_demos_own_unless_given(tmp_path: Path) -> None:
    own = plan(Settings(), tmp_path, {}).settings
    assert own.terminal.runtime_dir == str(tmp_path / "run")
    assert own.history.path == str(tmp_path / "state" / "history.sqlite3")
    given = plan(
        Settings(terminal=Terminal(state_dir="/s")), tmp_path, {"CALLPOINT_RUNTIME_DIR": "/r"}
    )
    assert given.runtime_dir == Path("/r")
    assert given.settings.terminal.state_dir == "/s"


def test_the_page_can_be_left_out(tmp_path: Path) -> None:
    assert plan(Settings(), tmp_path, {}).settings.kiosk.enabled
    assert not plan(Settings(), tmp_path, {}, kiosk=False).settings.kiosk.enabled


def test_a_config_that_cannot_run_here_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[livekit]\n")
    with pytest.raises(SettingsError, match=r"a\.toml:1: livekit\.backend"):
        configured(path, {})


def test_the_spoken_file_is_small_and_what_the_audio_takes() -> None:
    assert DEMO.stat().st_size < 500_000
    with wave.open(str(DEMO), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)


@pytest.mark.parametrize(
    ("ask", "found"),
    [
        ('print(\'{"input": "mic", "output": ""}\')', Sound("mic", "")),
        ("print('[]')", Sound()),
        ("import sys; sys.exit('no PortAudio')", Sound()),
        ("import threading; threading.Event().wait()", Sound()),
    ],
)
def test_the_sound_card_is_asked_for_and_not_waited_for(ask: str, found: Sound) -> None:
    deadline_s = 0.5 if "wait" in ask else 20.0
    loaded = set(sys.modules)
    assert find_sound(ask, deadline_s) == found
    assert "sounddevice" not in set(sys.modules) - loaded

"""What outlives the session's process, in its file."""

import os
import resource
import stat
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import ChatMessage, SessionError
from actors.session.memory import Memory, MemoryFile, boot_id, resumable
from actors.session.occupancy import Occupied
from actors.session.standing import Standing
from actors.session.transcripts import Segment

pytestmark = pytest.mark.unit

SAID = ChatMessage("m1", "user_input", "two tickets, please", 1.0, True, "c1")
FULL = Memory(
    boot="b1",
    alive_at=100.0,
    standing=Standing("c1", True, True, True, True, "timeout", SessionError("sender", "no")),
    room_name="room-1",
    identity="terminal-1",
    occupied=Occupied("c1", "room-1", 1.0),
    agent_due_at=120.0,
    sending=(SAID,),
    owed=(SAID,),
    unfinished=(Segment(SAID, "agent", "st1", 1.0, has_interims=False),),
)


@pytest.fixture
def file(tmp_path: Path) -> MemoryFile:
    return MemoryFile(tmp_path / "session.json")


def test_what_was_written_is_read_by_another(file: MemoryFile, tmp_path: Path) -> None:
    assert file.read() is None
    assert file.write(FULL)
    assert MemoryFile(tmp_path / "session.json").read() == FULL
    assert file.write(Memory())
    assert file.read() == Memory()
    assert [path.name for path in tmp_path.iterdir()] == ["session.json"]


def test_only_its_owner_can_read_it(file: MemoryFile, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file.write(FULL)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "session.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"null", b"garbage", b'{"standing": 3}', b"\xff" * 100, b'{"a":' * 50_000]
)
def test_a_corrupt_file_is_set_aside_and_told_by_none(
    file: MemoryFile, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "session.json").write_bytes(content)
    assert file.read() is None
    assert (tmp_path / "session.json.corrupt").read_bytes() == content
    assert file.write(FULL)
    assert file.read() == FULL


@given(st.integers(0, 600), st.binary(max_size=20))
def test_any_damage_is_read_as_something_whole_or_as_none(at: int, junk: bytes) -> None:
    content = msgspec.json.encode(FULL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.json"
        path.write_bytes(content[:at] + junk + content[at + len(junk) :])
        read = MemoryFile(path).read()
    assert read is None or isinstance(read, Memory)


def test_an_older_or_newer_programs_file_is_read(file: MemoryFile, tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text('{"room_name": "r", "of_a_later_version": [1]}')
    assert file.read() == Memory(room_name="r")


def test_when_it_cannot_be_written_what_was_before_stays_and_it_is_told(
    file: MemoryFile, tmp_path: Path
) -> None:
    file.write(FULL)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        assert not file.write(Memory())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be written" in file.error
    assert file.read() == FULL
    assert file.write(Memory())
    assert file.error == ""


def test_a_link_in_its_place_is_not_followed(file: MemoryFile, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "session.json.new").symlink_to(victim)
    assert not file.write(FULL)
    (tmp_path / "session.json").symlink_to(victim)
    assert file.read() is None
    assert victim.read_text() == "mine"


# -- who may go on with it -------------------------------------------------------------------------


def test_a_conversation_of_a_moment_ago_goes_on() -> None:
    assert resumable(FULL, boot="b1", now=100.0, within_s=109.0) == FULL
    assert resumable(FULL, boot="b1", now=209.0, within_s=109.0) == FULL


@pytest.mark.parametrize(("boot", "now"), [("b1", 209.1), ("b1", 99.0), ("b2", 101.0)])
def test_one_of_long_ago_or_of_another_boot_is_over_but_history_gets_its_due_and_the_room(
    boot: str, now: float
) -> None:
    assert resumable(FULL, boot=boot, now=now, within_s=109.0) == Memory(
        boot=boot, alive_at=now, occupied=FULL.occupied, owed=(SAID,)
    )


def test_the_boot_has_an_id() -> None:
    assert len(boot_id()) == 36
    assert boot_id() == boot_id()

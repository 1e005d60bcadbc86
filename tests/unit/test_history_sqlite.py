"""The SQLite file: where, whose, which version, and what befalls it."""

import contextlib
import os
import random
import resource
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.history.schema import VERSION
from actors.history.sqlite import SqliteStore
from actors.history.store import StoreCorrupt, StoreError, StoreUnavailable, StoreUnopenable
from actors.messages import ChatMessage

pytestmark = pytest.mark.unit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    store.open()
    yield store
    store.close()


def _message(number: int) -> ChatMessage:
    return ChatMessage(str(number), "user_input", f"text {number}", float(number))


def _ids(store: SqliteStore) -> list[str]:
    return [message.id for message in store.page(1000, "", 0.0)]


def _open_and_read(store: SqliteStore) -> None:
    store.open()
    store.page(1000, "", 0.0)


def _raw(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- the file --------------------------------------------------------------------------------------


def test_only_the_owner_can_read_it(store: SqliteStore, path: Path) -> None:
    store.keep([_message(1)])
    assert _mode(path.parent) == 0o700
    assert {file.name: _mode(file) for file in path.parent.iterdir()} == {
        "history.sqlite3": 0o600,
        "history.sqlite3-wal": 0o600,
        "history.sqlite3-shm": 0o600,
    }


def test_a_commit_is_synced_to_the_disk(store: SqliteStore) -> None:
    assert store._db is not None
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


@pytest.mark.parametrize("condition", ["1", "conversation = 'c'"])
def test_the_newest_are_found_without_sorting(
    store: SqliteStore, path: Path, condition: str
) -> None:
    assert store._db is not None
    plan = store._db.execute(
        f"EXPLAIN QUERY PLAN SELECT * FROM message WHERE {condition} AND timestamp < 9"
        " ORDER BY timestamp DESC, arrival DESC LIMIT 100"
    ).fetchall()
    assert [row[3].split(" (")[0] for row in plan] == [
        "SEARCH message USING INDEX message_by_" + ("time" if condition == "1" else "conversation")
    ]


def test_closing_leaves_one_file(store: SqliteStore, path: Path) -> None:
    store.keep([_message(1)])
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["history.sqlite3"]


# -- whose it is -----------------------------------------------------------------------------------


def _folder(path: Path) -> None:
    path.mkdir(parents=True)


def _below_a_file(path: Path) -> None:
    path.parent.write_text("")


def _fifo(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)


def _foreign(path: Path) -> None:
    path.parent.mkdir()
    _raw(path, "CREATE TABLE bookmarks (url)")


def _foreign_by_name(path: Path) -> None:
    path.parent.mkdir()
    _raw(path, "PRAGMA application_id = 7")


def _newer(path: Path) -> None:
    store = SqliteStore(path)
    store.open()
    store.close()
    _raw(path, f"PRAGMA user_version = {VERSION + 1}")


@pytest.mark.parametrize(
    "prepare", [_folder, _below_a_file, _fifo, _foreign, _foreign_by_name, _newer]
)
def test_what_is_not_ours_to_write_is_refused_with_a_remedy_and_left_alone(
    path: Path, prepare: Callable[[Path], None]
) -> None:
    prepare(path)
    before = sorted(path.parent.rglob("*")) if path.parent.is_dir() else []
    with pytest.raises(StoreUnopenable) as refused:
        SqliteStore(path).open()
    assert str(path) in refused.value.reason
    assert "[history] path" in refused.value.remedy
    assert (sorted(path.parent.rglob("*")) if path.parent.is_dir() else []) == before


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    store = SqliteStore(path)
    store.open()
    assert store.keep([_message(1)]) == 1
    store.close()


# -- trouble ---------------------------------------------------------------------------------------


def test_a_lock_held_by_another_program_is_trouble_that_passes(
    store: SqliteStore, path: Path
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="another program"):
        store.keep([_message(1)])
    other.execute("ROLLBACK")
    other.close()
    assert store.keep([_message(1)]) == 1


def test_a_full_disk_stores_nothing_of_the_commit_and_passes(store: SqliteStore) -> None:
    assert store._db is not None
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="full"):
        store.keep([_message(1), ChatMessage("2", "user_input", "x" * 100_000, 2.0)])
    assert store.count() == 0
    store._db.execute("PRAGMA max_page_count = 1000000")
    assert store.keep([_message(1)]) == 1


@contextlib.contextmanager
def _full() -> Iterator[None]:
    """No file grows, as far as this process is concerned; not for longer: pytest writes to one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_there_is_can_be_read_while_the_disk_refuses_every_attempt_to_write(
    store: SqliteStore,
) -> None:
    store.keep([_message(1)])
    with _full():
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="cannot write"):
                store.keep([_message(2)])
            with pytest.raises(StoreUnavailable, match="cannot write"):
                store.open()
            assert _ids(store) == ["1"]
            assert store.count() == 1


def test_a_full_disk_that_lets_nothing_be_read_is_not_called_unwritable(path: Path) -> None:
    before = SqliteStore(path)
    before.open()
    before.keep([_message(1)])
    before.close()
    with _full(), pytest.raises(StoreUnavailable, match="cannot read"):
        _ids(SqliteStore(path))


@pytest.mark.parametrize("move", [Path.unlink, lambda path: path.rename(f"{path}.old")])
def test_a_file_moved_or_deleted_under_us_is_begun_anew(
    store: SqliteStore, path: Path, move: Callable[[Path], object]
) -> None:
    store.keep([_message(1)])
    move(path)
    store.keep([_message(2)])
    assert path.exists()
    assert "2" in _ids(store)


def test_a_bug_is_not_taken_for_trouble(store: SqliteStore) -> None:
    assert store._db is not None
    store._db.execute("DROP TABLE message")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        store.count()


# -- corruption ------------------------------------------------------------------------------------


def _overwritten(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(40_000))


def _text(path: Path) -> None:
    path.write_text("this is no database, but it is long enough to look like one " * 20)


def _torn(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:512] + b"\xff" * (len(content) - 512))


@pytest.mark.parametrize("corrupt", [_overwritten, _text, _torn])
def test_a_corrupt_file_is_known_and_set_aside_whole(
    path: Path, corrupt: Callable[[Path], None]
) -> None:
    store = SqliteStore(path)
    store.open()
    store.keep([_message(number) for number in range(100)])
    store.close()
    corrupt(path)
    bytes_before = path.read_bytes()
    with pytest.raises(StoreCorrupt):
        _open_and_read(store)
    aside = store.set_aside("20300101T000000Z")
    assert Path(aside).name == "history.sqlite3.corrupt-20300101T000000Z"
    assert Path(aside).read_bytes() == bytes_before
    store.open()
    assert store.keep([_message(1)]) == 1
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DROP INDEX message_by_time",
        "DROP TABLE message",
        "ALTER TABLE message RENAME COLUMN kind TO kine",
        "PRAGMA user_version = 0",
    ],
)
def test_a_file_that_lacks_what_ours_has_is_corrupt(
    store: SqliteStore, path: Path, damage: str
) -> None:
    store.close()
    _raw(path, damage)
    with pytest.raises(StoreCorrupt):
        store.open()


def _replace(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def test_a_changed_byte_in_a_text_costs_that_letter_alone(store: SqliteStore, path: Path) -> None:
    store.keep([_message(1), _message(2)])
    store.close()
    _replace(path, b"text 1", b"te\xf8t 1")
    assert [message.text for message in store.page(10, "", 0.0)] == ["te\ufffdt 1", "text 2"]
    assert store.damaged == 0


@pytest.mark.parametrize(
    "damage",
    ["kind = 'uqer_input'", "timestamp = 'noon'", "text = x'00'", "conversation = x'ff'"],
)
def test_what_is_no_message_any_more_is_left_out_and_written_anew_when_it_comes_again(
    store: SqliteStore, path: Path, damage: str
) -> None:
    store.keep([_message(1), _message(2)])
    _raw(path, f"UPDATE message SET {damage} WHERE id = '1'")
    assert _ids(store) == ["2"]
    assert store.damaged == 1
    assert store.keep([_message(1)]) == 0
    assert store.page(10, "", 0.0) == (_message(1), _message(2))
    assert store.damaged == 0


def test_no_changed_byte_anywhere_is_more_than_trouble_of_the_store(
    store: SqliteStore, path: Path
) -> None:
    """Whatever it is, the process lives, and the store goes on or can be set aside."""
    store.keep([_message(number) for number in range(60)])
    store.close()
    sound = path.read_bytes()
    chance = random.Random(5)
    places = [*range(112), *(chance.randrange(112, len(sound)) for _ in range(500))]
    corrupt = 0
    for place in places:
        changed = bytearray(sound)
        changed[place] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        try:
            store.open()
            store.keep([_message(100)])
            assert _ids(store)
        except StoreError as trouble:
            corrupt += isinstance(trouble, StoreCorrupt)
        finally:
            store.close()
            for side in ("-wal", "-shm"):
                Path(f"{path}{side}").unlink(missing_ok=True)
    assert corrupt > 50


def test_nothing_set_aside_is_ever_overwritten(path: Path) -> None:
    names = set()
    for number in range(3):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}")
        Path(f"{path}-wal").write_text(f"log {number}")
        aside = Path(SqliteStore(path).set_aside("20300101T000000Z"))
        assert aside.read_text() == f"{number}"
        assert Path(f"{aside}-wal").read_text() == f"log {number}"
        names.add(aside)
    assert all(name.exists() for name in names)
    assert len(names) == 3


# -- torn writes -----------------------------------------------------------------------------------


def test_a_log_cut_off_anywhere_still_holds_whole_commits_in_order(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    """A power cut may leave any beginning of the log; each reads as some number of commits."""
    for number in range(20):
        store.keep([_message(2 * number), _message(2 * number + 1)])
    log = Path(f"{path}-wal").read_bytes()
    expected = [str(number) for number in range(40)]
    lengths = random.Random(7).sample(range(len(log)), 60)
    for number, length in enumerate([0, *lengths, len(log)]):
        folder = tmp_path / f"cut-{number}"
        folder.mkdir()
        shutil.copy(path, folder / path.name)
        (folder / f"{path.name}-wal").write_bytes(log[:length])
        after = SqliteStore(folder / path.name)
        after.open()
        found = _ids(after)
        after.close()
        assert found == expected[: len(found)]
        assert len(found) % 2 == 0
        assert length < len(log) or len(found) == 40

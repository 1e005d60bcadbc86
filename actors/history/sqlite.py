"""The store in one SQLite file: with its rows, the only place of the project that knows sqlite3.

WAL with synchronous=FULL: a commit has reached the disk (one fsync) before it returns, and readers
such as the command line never block it. A transaction that a kill cut short is not seen again.
"""

import contextlib
import errno
import functools
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from actors.messages import ChatMessage

from .rows import COLUMNS, keep_row, lenient_text, read_row
from .schema import APPLICATION_ID, MIGRATIONS, VERSION
from .store import StoreCorrupt, StoreError, StoreUnavailable, StoreUnopenable

_BUSY_MS = 500
"""Wait for another program's lock: within a heartbeat's patience, as the loop stands meanwhile."""

_WAL_BYTES = 4 * 1024 * 1024
"""The log is cut back to this (SQLite checkpoints it at about the same size, 1000 pages)."""

_SIDES = ("", "-wal", "-shm")
"""What belongs to a database (sqlite.org/tempfiles.html); only together can it be read."""

_UNAVAILABLE = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space; writing goes on by itself"),
    sqlite3.SQLITE_BUSY: ("another program holds the database", "end the program that holds it"),
    sqlite3.SQLITE_LOCKED: ("another program holds the database", "end the program that holds it"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "make the file and its folder writable"),
    sqlite3.SQLITE_IOERR: ("the disk reports an error", "look at the disk's health and free space"),
    sqlite3.SQLITE_NOMEM: ("memory is short", "end what takes the memory"),
    sqlite3.SQLITE_PROTOCOL: ("another program holds the database", "end the program"),
}

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""What may get better by itself; a wrong path or missing right does not."""

_SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What the sqlite3 module raises; it decodes its own complaints, with what is in a broken file."""


def _diagnosed(path: Path, error: Exception, purpose: str) -> StoreError | None:
    """What a failure means to us; None: it is not one of those that befall a disk or a file.
    ``purpose``: what was to be done, "read" or "write".
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # the primary code
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _corrupt(path)
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return _unopenable(path, "it cannot be opened")
    if code in _UNAVAILABLE:
        reason, remedy = _UNAVAILABLE[code]
        return StoreUnavailable(f"cannot {purpose} {path}: {reason}", remedy)
    return None


def _corrupt(path: Path) -> StoreCorrupt:
    return StoreCorrupt(f"{path} is corrupt")


def _unopenable(path: Path, why: str) -> StoreUnopenable:
    return StoreUnopenable(
        f"the history {path} cannot be used: {why}",
        "set [history] path to a file in a folder that this user may write",
    )


class SqliteStore:
    """A :class:`actors.history.store.Store` in the file ``path``. Opens nothing by itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        self._db: sqlite3.Connection | None = None
        self._inode: tuple[int, int] = (0, 0)

    # -- opening and closing ---------------------------------------------------------------------

    def open(self) -> None:
        """See :class:`Store`. Makes missing folders (0700) and the file (0600)."""
        self._open("write")

    def _open(self, purpose: str) -> None:
        """The connection that there is takes its leave when the new one is good, and not before: on
        a full disk none can be opened, and what is open can still read.
        """
        if self._db is None or _inode(self.path) != self._inode:
            self.close()
            self._create_file(purpose)
        try:
            with contextlib.ExitStack() as unless_good:
                fresh = sqlite3.connect(self.path, timeout=_BUSY_MS / 1000, isolation_level=None)
                unless_good.callback(fresh.close)
                fresh.text_factory = lenient_text
                self._prepare(fresh)
                unless_good.pop_all()
        except _SQLITE_ERRORS as error:
            # On a sound file these statements fail for the known reasons only.
            raise _diagnosed(self.path, error, purpose) or _corrupt(self.path) from error
        self.close()
        self._db = fresh

    def _create_file(self, purpose: str) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.exists() and not self.path.is_file():
                raise _unopenable(self.path, "it is no file")
            # SQLite gives its side files the mode of the database. Not while a connection of ours
            # is open: this close would end its locks (sqlite.org/howtocorrupt.html, 2.2).
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise _diagnosed_os(self.path, error, purpose) from error
        self._inode = _inode(self.path)

    def _prepare(self, db: sqlite3.Connection) -> None:
        self._check_ours(db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        self._migrate(db)
        self._check_whole(db)
        # A process killed between a write and its fsync leaves what we can read but the disk may
        # not have; a checkpoint syncs it, before any of it is acknowledged as known.
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _check_ours(self, db: sqlite3.Connection) -> None:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application != APPLICATION_ID and (application or tables):
            raise _unopenable(self.path, "it is another program's database")
        if version > VERSION:
            raise StoreUnopenable(
                f"the history {self.path} was written by a newer callpoint (schema {version})",
                "install that version again, or set [history] path to another file",
            )

    def _migrate(self, db: sqlite3.Connection) -> None:
        with _transaction(db):
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                return
            _create(db, MIGRATIONS[version:])
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")

    def _check_whole(self, db: sqlite3.Connection) -> None:
        """A table or index that is gone, or has another shape, is not seen by SQLite itself."""
        if not _expected_objects() <= _objects(db):
            raise _corrupt(self.path)

    def close(self) -> None:
        """See :class:`Store`."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def set_aside(self, stamp: str) -> str:
        """See :class:`Store`: ``NAME.corrupt-STAMP`` with its side files, in the same folder."""
        self.close()
        aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}")
        number = 1
        while aside.exists():
            number += 1
            aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}-{number}")
        try:
            # The log first: were we killed in between, a fresh database must not find the old log.
            for side in reversed(_SIDES):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{side}").rename(f"{aside}{side}")
        except OSError as error:
            raise _diagnosed_os(self.path, error, "write") from error
        return str(aside)

    # -- messages --------------------------------------------------------------------------------

    def count(self) -> int:
        """See :class:`Store`."""
        with self._working("read") as db:
            (count,) = db.execute("SELECT count(*) FROM message").fetchone()
            assert isinstance(count, int)
            return count

    def keep(self, messages: Sequence[ChatMessage]) -> int:
        """See :class:`Store`."""
        with self._working("write") as db, _transaction(db):
            return sum(keep_row(db, message) for message in messages)

    def page(self, limit: int, conversation: str, before: float) -> tuple[ChatMessage, ...]:
        """See :class:`Store`."""
        conditions: list[str] = ["1"]
        values: list[str | float] = []
        if conversation:
            conditions.append("conversation = ?")
            values.append(conversation)
        if before:
            conditions.append("timestamp < ?")
            values.append(before)
        with self._working("read") as db:
            rows = db.execute(
                f"SELECT {COLUMNS} FROM message WHERE {' AND '.join(conditions)}"  # noqa: S608
                " ORDER BY timestamp DESC, arrival DESC LIMIT ?",
                [*values, limit],
            ).fetchall()
        messages = [read_row(row) for row in reversed(rows)]
        self.damaged = messages.count(None)
        return tuple(message for message in messages if message is not None)

    @contextlib.contextmanager
    def _working(self, purpose: str) -> Iterator[sqlite3.Connection]:
        """The connection to the file that is there now, with errors in our words."""
        if self._db is None or _inode(self.path) != self._inode:
            # Moved or deleted under us: SQLite would go on writing where nobody ever reads.
            self._open(purpose)
        assert self._db is not None
        try:
            yield self._db
        except _SQLITE_ERRORS as error:
            found = _diagnosed(self.path, error, purpose)
            if found is None and not _is_sound(self._db):
                found = _corrupt(self.path)
            if found is None:
                raise  # a bug of ours
            raise found from error


def _create(db: sqlite3.Connection, migrations: Iterable[Iterable[str]]) -> None:
    for statements in migrations:
        for statement in statements:
            db.execute(statement)


def _objects(db: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    """Names and definitions of tables and indexes."""
    return frozenset(db.execute("SELECT name, sql FROM sqlite_schema"))


@functools.cache
def _expected_objects() -> frozenset[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        _create(db, MIGRATIONS)
        return _objects(db)


def _is_sound(db: sqlite3.Connection) -> bool:
    """SQLite's own look at all pages and indexes, about a second for 200 MB."""
    try:
        return db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)  # type: ignore[no-any-return]
    except _SQLITE_ERRORS:
        return False


def _inode(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return found.st_dev, found.st_ino


def _diagnosed_os(path: Path, error: OSError, purpose: str) -> StoreError:
    why = os.strerror(error.errno or 0).lower()
    if error.errno in _PASSING or (error.errno == errno.EROFS and path.exists()):
        return StoreUnavailable(
            f"cannot {purpose} {path}: {why}", "look at the disk; writing goes on by itself"
        )
    return _unopenable(path, why)


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. IMMEDIATE: who is to write waits for the lock at the beginning."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite rolls back by itself on some errors (disk full)
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
        raise

"""A message as a row of the table, and back. A row may be what a failing disk has made of it."""

import sqlite3
from collections.abc import Sequence

import msgspec
from msgspec.structs import astuple

from actors.messages import ChatMessage

from .store import supersedes

COLUMNS = "id, kind, text, timestamp, is_final, conversation"
"""As the fields of a message come."""
_WRITE = (
    "UPDATE message SET kind = ?, text = ?, timestamp = ?, is_final = ?, conversation = ?"
    " WHERE id = ?"
)


def keep_row(db: sqlite3.Connection, message: ChatMessage) -> int:
    """Insert or update it as the rules say, inside a transaction of the caller's; returns how many
    ids were new. A row that cannot be read any more is written anew.
    """
    found = db.execute(f"SELECT {COLUMNS} FROM message WHERE id = ?", (message.id,)).fetchone()  # noqa: S608
    if found is None:
        db.execute(f"INSERT INTO message ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", astuple(message))  # noqa: S608
        return 1
    kept = read_row(found)
    if kept is None:
        identity, *rest = astuple(message)
        db.execute(_WRITE, (*rest, identity))
    elif supersedes(message, kept):
        # Its time and place stay those of its first appearance.
        db.execute(
            "UPDATE message SET text = ?, is_final = ? WHERE id = ?",
            (message.text, message.is_final, message.id),
        )
    return 0


def read_row(row: Sequence[object]) -> ChatMessage | None:
    """The message in ``row``, or None if no process would take it for one."""
    identity, kind, text, timestamp, is_final, conversation = row
    fields = {
        "id": identity,
        "kind": kind,
        "text": text,
        "timestamp": timestamp,
        "is_final": bool(is_final),
        "conversation": conversation,
    }
    try:
        return msgspec.convert(fields, ChatMessage)
    except msgspec.ValidationError:
        return None


def lenient_text(stored: bytes) -> str:
    """Text of which a byte has changed on the disk, with U+FFFD there: for ``text_factory``."""
    return stored.decode(errors="replace")

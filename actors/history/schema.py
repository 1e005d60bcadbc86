"""The SQLite schema and its migrations: data only."""

APPLICATION_ID = 0x63616C6C
"""``call``: SQLite's application_id, by which another program's file is not mistaken for ours."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # The rowid is the order of arrival: it grows, because nothing is ever deleted in between
        # (AUTOINCREMENT keeps it growing over deletions to come). It is also the last column of
        # each index, so that "the newest 100" is a walk along its end.
        """CREATE TABLE message (
            arrival INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            conversation TEXT NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL,
            timestamp REAL NOT NULL,
            is_final INTEGER NOT NULL
        )""",
        "CREATE INDEX message_by_time ON message (timestamp)",
        "CREATE INDEX message_by_conversation ON message (conversation, timestamp)",
    ),
)
"""Statements that lead from each ``user_version`` to the next; released ones never change."""

VERSION = len(MIGRATIONS)
"""``PRAGMA user_version`` of the newest schema."""

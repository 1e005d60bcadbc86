"""What an audio process leaves to the next one."""

from pathlib import Path

import msgspec


def bequeath(path: Path, what: object) -> None:
    """As JSON in a file that only its owner can read, whole or not at all. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(msgspec.json.encode(what))
    new.chmod(0o600)
    new.replace(path)

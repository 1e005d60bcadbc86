"""What a child is told when it is started."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ChildSpec:
    """Data only: it is pickled from the supervisor to the fork server, and never the other way."""

    name: str
    """Name in the config, the status and on the bus."""
    target: str
    """Dotted path of the actor class, ``package.module:Class``."""
    incarnation: int
    """1 for the first start."""
    runtime_dir: Path
    settings: dict[str, Any]
    """The validated settings as plain data."""
    options: dict[str, Any]
    """The ``options`` of the actor's own section."""
    supervisor_pid: int
    heartbeat_s: float = 1.0
    """Seconds between two heartbeats."""
    environ: dict[str, str] | None = field(default=None, repr=False)
    """The supervisor's environment at this start; None: keep what was inherited, which a fork
    server has from when it was started itself. May hold secrets: never shown."""

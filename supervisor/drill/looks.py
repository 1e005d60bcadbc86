"""What processes use, looked at now and then from proc(5)."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from .judge import Look


def look_at(pid: int) -> Look | None:
    """None: it is just gone."""
    process = Path("/proc", str(pid))
    try:
        fds = sum(1 for _ in (process / "fd").iterdir())
        threads = sum(1 for _ in (process / "task").iterdir())
        fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    except OSError:
        return None
    # Its own: the tape and libraries that are mapped grow with what was looked at, and are no leak.
    own_kib = int(fields.get("RssAnon", "0 kB").split()[0])
    return Look(own_kib / 1024, fds, threads) if own_kib else None


class Looks:
    """Collects them. A process that was just started is not looked at: it is still growing up."""

    GROWN_UP_S = 2.0

    def __init__(self) -> None:
        self.of: defaultdict[str, list[tuple[float, Look]]] = defaultdict(list)

    def take(self, at: float, processes: Mapping[str, tuple[int, float]]) -> None:
        """``processes``: pid and age in seconds, by name."""
        for name, (pid, age_s) in processes.items():
            if age_s >= self.GROWN_UP_S and (look := look_at(pid)) is not None:
                self.of[name].append((at, look))

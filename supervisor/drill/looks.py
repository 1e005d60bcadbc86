"""What processes use, looked at now and then from proc(5)."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from supervisor.usage import usage_of

from .judge import Look


def look_at(pid: int) -> Look | None:
    """None: it is just gone."""
    process = Path("/proc", str(pid))
    try:
        fds = sum(1 for _ in (process / "fd").iterdir())
        threads = sum(1 for _ in (process / "task").iterdir())
    except OSError:
        return None
    rss = usage_of(pid).rss_mib
    return Look(rss, fds, threads) if rss else None


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

"""A network that fails: packets of one process are dropped by the kernel. Needs root and nft."""

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

_UDP_TABLES = (Path("/proc/net/udp"), Path("/proc/net/udp6"))


class Outage:
    """Inside the ``with`` block no UDP packet leaves or reaches the process; TCP goes on, so that
    nobody is told.
    """

    def __init__(self, pid: int) -> None:
        self._table = f"callpoint_outage_{os.getpid()}"
        self._ports = udp_ports(pid)

    def __enter__(self) -> Self:
        assert self._ports, "the process has no UDP socket"
        ports = ", ".join(map(str, sorted(self._ports)))
        self._nft(
            f"table inet {self._table} {{\n"
            "  chain out { type filter hook output priority 0;"
            f" udp sport {{ {ports} }} drop; }}\n"
            "  chain in { type filter hook input priority 0;"
            f" udp dport {{ {ports} }} drop; }}\n"
            "}\n"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._nft(f"delete table inet {self._table}\n")

    @staticmethod
    def _nft(rules: str) -> None:
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


def udp_ports(pid: int) -> set[int]:
    """Local ports of the UDP sockets of a process, from proc(5)."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(fd)  # noqa: PTH115  # "socket:[N]" is no path
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = set()
    for table in _UDP_TABLES:
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports

"""A network that fails: packets of one process are dropped by the kernel. Needs root and nft."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_BURST_KB = 30
"""What a slow line's queue holds: a fifth of a second, at 150 kB/s."""
_TABLES = {"udp": ("udp", "udp6"), "tcp": ("tcp", "tcp6")}


class Outage:
    """Inside the ``with`` block no UDP packet leaves or reaches the process; TCP goes on, so that
    nobody is told. However we end, the kernel ends it with us. Entering raises ``OSError`` when
    packets cannot be dropped.

    Args:
        pid: of the process. The ports that it has now are meant.
        share: per cent of the packets that are dropped.
        beyond: kB a second, each way, of which no packet is dropped; 0: there is no such measure.
        tcp: whether those of its TCP connections are dropped too.

    """

    def __init__(self, pid: int, *, share: int = 100, beyond: int = 0, tcp: bool = False) -> None:
        self._table = f"callpoint_outage_{os.getpid()}"
        self._share = share
        self._beyond = beyond
        self._ports = {"udp": udp_ports(pid)}
        if tcp:
            self._ports["tcp"] = _ports(pid, "tcp")

    def __enter__(self) -> Self:
        assert self._ports["udp"], "the process has no UDP socket"
        # It owns the table, which goes when it goes, and it goes at the end of its input.
        self._nft = subprocess.Popen(
            ["nft", "-i"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            self._drop()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _drop(self) -> None:
        """Returns when it is so."""
        assert self._nft.stdin
        assert self._nft.stdout
        table = f"inet {self._table}"
        self._nft.stdin.write(f"add table {table} {{ flags owner; }}\n")
        for chain, hook, side in (("out", "output", "sport"), ("in", "input", "dport")):
            what = f"{{ type filter hook {hook} priority 0; }}"
            self._nft.stdin.write(f"add chain {table} {chain} {what}\n")
            for rule in self._rules(side):
                self._nft.stdin.write(f"add rule {table} {chain} {rule}\n")
        self._nft.stdin.write(f"list table {table}\n")
        self._nft.stdin.flush()
        for line in self._nft.stdout:
            if line.startswith("Error"):
                raise OSError(errno.EPERM, f"nft: {line.strip()}")
            if line == "}\n":  # the end of the list
                return
        raise OSError(errno.EPERM, "nft has ended")

    def _end(self) -> None:
        self._nft.communicate()

    def _rules(self, side: str) -> Iterator[str]:
        chance = "" if self._share >= 100 else f" numgen random mod 100 < {self._share}"
        if self._beyond:
            chance += f" limit rate over {self._beyond} kbytes/second burst {_BURST_KB} kbytes"
        for protocol, ports in self._ports.items():
            if ports:
                listed = ", ".join(map(str, sorted(ports)))
                yield f"{protocol} {side} {{ {listed} }}{chance} drop"


def may_filter() -> str:
    """Empty, or why no packet can be dropped here."""
    if os.geteuid() != 0:
        return "only root can drop packets"
    if shutil.which("nft") is None:
        return "nft, which drops packets, is not installed"
    owned = f"add table inet callpoint_probe_{os.getpid()} {{ flags owner; }}"
    tried = subprocess.run(["nft", owned], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "the kernel lets nobody drop packets here"


def udp_ports(pid: int) -> set[int]:
    """Local ports of the UDP sockets of a process, from proc(5)."""
    return _ports(pid, "udp")


def _ports(pid: int, protocol: str) -> set[int]:
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            target = os.readlink(fd)  # noqa: PTH115  # "socket:[N]" is no path
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    ports = set()
    for table in _TABLES[protocol]:
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports

"""Where the page is, and what is wrong when it cannot be there."""

import errno
import ipaddress
import os
import socket
from pathlib import Path

from actors.runtime.errors import StartError


def page_address(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    return f"http://{_reachable(host)}:{port}/"


def _reachable(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return f"[{address}]" if address.version == 6 else str(address)


def cannot_listen(host: str, port: int, error: OSError) -> StartError:
    """In the operator's words."""
    where = f"the page cannot be served on {host} port {port}"
    if isinstance(error, socket.gaierror):
        return StartError(f"{where}: no such host", "set [kiosk] host to 127.0.0.1")
    why = os.strerror(error.errno or 0).lower()
    if error.errno == errno.EADDRINUSE:
        return StartError(
            f"{where}: another program is there",
            "end that program, or set [kiosk] port to another one (0: any that is free)",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return StartError(
            f"{where}: {why}", "set [kiosk] host to 127.0.0.1 or an address of this machine"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return StartError(f"{where}: {why}", "set [kiosk] port to 1024 or more")
    return StartError(f"{where}: {why}", "set [kiosk] host and port to others")


class LastPort:
    """The port that "any" turned out to be, kept for the restarts of one terminal: pages that are
    open must find the kiosk again.
    """

    def __init__(self, runtime_dir: Path) -> None:
        self._path = runtime_dir / "kiosk.port"

    def read(self) -> int:
        """0: not known."""
        try:
            port = int(self._path.read_text())
        except (OSError, ValueError):
            return 0
        return port if 0 < port < 65536 else 0

    def write(self, port: int) -> None:
        """Best effort: without it pages must be opened anew after a crash."""
        try:
            self._path.write_text(str(port))
        except OSError:
            return

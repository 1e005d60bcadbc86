"""Who may use the page: programs and people of this machine, not web sites that they visit.

A web site in the same machine's browser can reach loopback addresses. Its requests name its own
origin, or after DNS rebinding a host name of its own: both are refused.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""On every answer."""


class Guard:
    """``host``: as configured; ``ports``: those really listened on."""

    def __init__(self, host: str, ports: Iterable[int]) -> None:
        self._names = {"localhost", host.lower()}
        self._ports = set(ports)

    def admits_host(self, header: str | None) -> bool:
        """Whether a ``Host`` header names us.

        Any literal address will do: it takes a name to rebind.
        """
        try:
            parts = urlsplit(f"//{header or ''}")
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        if parts.netloc != header or parts.username is not None or port not in self._ports:
            return False
        return name in self._names or _is_address(name)

    def admits_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a WebSocket was opened by our own page (RFC 6455, 10.2)."""
        return origin is not None and host is not None and origin == f"http://{host}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether listening on ``host`` keeps the network out."""
    if host == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback

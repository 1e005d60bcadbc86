"""A real LiveKit server on loopback."""

import http.client
import json
import secrets
import socket
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from supervisor.drill.launched import Launched, LaunchFailed

from .install import cached_server

READY_DEADLINE_S = 20.0
STARTS = 3
"""A port that was free when it was picked may be taken a moment later."""
TOKEN_LIFE = timedelta(hours=1)


class LiveKitServer:
    """A LiveKit server, ready inside the `with` block; nothing of it leaves the machine.

    Args:
        folder: where its configuration and its log go.
        binary: the server; absent: the one that `tests.peers.install server` has cached.

    """

    def __init__(self, folder: Path, *, binary: Path | None = None) -> None:
        self.api_key = "callpoint-test"
        self.api_secret = secrets.token_hex(24)
        self.log = folder / "livekit-server.log"
        self._config = folder / "livekit-server.json"
        self._binary = binary
        self._ports = pick_ports()
        self._process: Launched | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """TCP port of signalling and API. The same after a restart."""
        return self._ports[0]

    @property
    def url(self) -> str:
        """What clients connect to: `ws://127.0.0.1:PORT`."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, as terminal and agents read them."""
        return {
            "LIVEKIT_URL": self.url,
            "LIVEKIT_API_KEY": self.api_key,
            "LIVEKIT_API_SECRET": self.api_secret,
        }

    def start(self) -> None:
        """Start, and return when it answers.

        Raises:
            LaunchFailed: it ends at once again and again, or does not answer in 20 s.

        """
        for attempt in range(1, STARTS + 1):
            self._config.write_text(json.dumps(self._settings(), indent=1))
            binary = self._binary or cached_server()
            self._process = Launched("livekit-server", [binary, "--config", self._config], self.log)
            try:
                self._process.wait_until(self._answers, deadline_s=READY_DEADLINE_S)
            except LaunchFailed:
                self.stop()
                if attempt == STARTS:
                    raise
                self._ports = pick_ports()
            else:
                return

    def stop(self) -> None:
        """Ask it to end, and see to it. Does nothing when it is not running."""
        if self._process:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        """Stop, and start on the same ports with the same keys."""
        self.stop()
        self.start()

    def token(
        self,
        *,
        room: str,
        identity: str,
        agent: str | None = None,
        agent_metadata: str = "",
    ) -> str:
        """A token to join `room`, which also calls `agent` into it if one is named."""
        from livekit import api

        token = (
            api.AccessToken(self.api_key, self.api_secret)
            .with_identity(identity)
            .with_ttl(TOKEN_LIFE)
            .with_grants(api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True))
        )
        if agent is not None:
            dispatch = api.RoomAgentDispatch(agent_name=agent, metadata=agent_metadata)
            token = token.with_room_config(api.RoomConfiguration(agents=[dispatch]))
        return str(token.to_jwt())

    def _settings(self) -> dict[str, object]:
        port, tcp_port, udp_port = self._ports
        return {
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "keys": {self.api_key: self.api_secret},
            "rtc": {
                "tcp_port": tcp_port,
                "udp_port": udp_port,
                "node_ip": "127.0.0.1",
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},
                # Without any it asks public STUN servers; nobody listens here.
                "stun_servers": ["127.0.0.1:3478"],
            },
            "room": {"enable_remote_unmute": True},
            "logging": {"level": "info", "json": True},
        }

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()


def pick_ports() -> tuple[int, int, int]:
    """Three ports of loopback that nobody uses: TCP, TCP, UDP."""
    with (
        socket.socket(type=socket.SOCK_STREAM) as first,
        socket.socket(type=socket.SOCK_STREAM) as second,
        socket.socket(type=socket.SOCK_DGRAM) as third,
    ):
        sockets = (first, second, third)
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [int(each.getsockname()[1]) for each in sockets]
    return ports[0], ports[1], ports[2]

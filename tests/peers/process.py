"""One outside program as a peer of the tests; as the drill launches a terminal."""

from supervisor.drill.launched import Launched as PeerProcess
from supervisor.drill.launched import LaunchFailed as PeerFailed

__all__ = ["PeerFailed", "PeerProcess"]

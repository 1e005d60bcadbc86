"""Whether anybody is behind a terminal's sockets, without asking him anything."""

import socket
from pathlib import Path


def was_bound(runtime_dir: Path, name: str) -> bool:
    """The socket ``name`` has been made in this directory (whoever made it may have died since).
    Raises ``PermissionError`` when this user may not look.
    """
    try:
        return (runtime_dir / f"{name}.sock").exists()
    except PermissionError:
        raise
    except OSError:  # the name is too long for a file
        return False


def somebody_listens(runtime_dir: Path, name: str) -> bool:
    """Somebody has the socket open, be he stopped or hang; the file alone may be left over from a
    killed terminal. Raises ``PermissionError`` when this user may not speak to him.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # of one that hangs the queue may be full
        try:
            probe.connect(str(runtime_dir / f"{name}.sock"))
        except BlockingIOError:
            return True
        except PermissionError:
            raise
        except OSError:  # also a path too long for a socket
            return False
    return True

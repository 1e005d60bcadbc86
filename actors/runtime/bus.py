"""ZeroMQ sockets in an asyncio loop: the only place of the project that knows zmq.

A :class:`Lane` is one socket, watched through its file descriptor with a callback per frame:
measured 150-220 us a hop faster than ``zmq.asyncio``. The descriptor is edge-triggered and tells
only that *something* happened, so a lane reads until there is nothing left, and looks again after
each send (zmq's own rule: ``ZMQ_EVENTS`` may have changed during any call).

Between two frames a process sleeps, and what it then runs is in no cache: whatever is done for a
frame costs some 10 times what it costs in a loop. What it does *after* the frame delays the next
process too, where there are few cores. So a frame that comes alone meets no exception, and its
socket is asked one thing.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import Literal, TypeAlias

import zmq

from actors.messages.codec import MAX_FRAME_BYTES

from .loop import watch

OnFrame = Callable[[bytes, bytes], None]
"""Called with the peer's identity (empty where there is only one peer) and the frame."""

OnLink = Callable[[bool], None]
"""Called with True when the peer of a lane is reached, and with False when it is gone."""

_BURST = 64
"""Frames read before other work of the loop gets a turn: a flood must not starve a heartbeat."""

_RECONNECT_MS = 10
"""A restarted peer is back within about 15 ms; zmq's default would find it after 100."""

# Combined once: joining two flags of an enum is Python code, and this is done for each frame.
_NOBLOCK = int(zmq.NOBLOCK)
_NOBLOCK_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)
_RCVMORE = int(zmq.RCVMORE)
_POLLIN = int(zmq.POLLIN)

_MAX_IPC_PATH = 107
"""sun_path of Linux holds 108 bytes with its final zero (unix(7))."""

Pattern = Literal["router", "dealer", "push", "pull"]
_TYPES: dict[Pattern, int] = {
    "router": zmq.ROUTER,
    "dealer": zmq.DEALER,
    "push": zmq.PUSH,
    "pull": zmq.PULL,
}


class Sent(Enum):
    """What became of a frame; true when the socket took it."""

    OK = "ok"
    OVERLOADED = "overloaded"
    """The queue to the peer is full."""
    UNREACHABLE = "unreachable"
    """No such peer is connected (router lanes only)."""

    def __bool__(self) -> bool:
        return self is TAKEN


TAKEN = Sent.OK
"""Looked up once: whoever asks an enum for a member wakes its metaclass, and for each frame this is
asked in every process that it passes through.
"""

_poll = zmq.zmq_poll
"""Asks whether there is something to read. Asked for ``EVENTS``, pyzmq makes an enum's member."""


def endpoint(runtime_dir: Path, name: str) -> str:
    """Address of the socket ``name`` of a terminal.

    Raises ValueError when the path is longer than a UNIX socket's may be (107 bytes).
    """
    path = runtime_dir / f"{name}.sock"
    if len(bytes(path)) > _MAX_IPC_PATH:
        raise ValueError(f"{path}: longer than the {_MAX_IPC_PATH} bytes of a socket's path")
    return f"ipc://{path}"


Context: TypeAlias = zmq.Context[zmq.Socket[bytes]]
"""Of a bus; opaque to everybody else."""


def new_context() -> Context:
    """One whose threads run already."""
    context = zmq.Context(io_threads=1)
    context.socket(zmq.DEALER).close()  # with the first socket it starts them
    return context


class Bus:
    """All ZeroMQ sockets of one process. Made and used in the thread of its event loop.

    ``context``: taken over, and ended with the bus.
    """

    def __init__(self, runtime_dir: Path, context: Context | None = None) -> None:
        self.runtime_dir = runtime_dir
        self._context = context or zmq.Context(io_threads=1)
        self._lanes: list[Lane] = []

    def bind(self, pattern: Pattern, name: str, on_frame: OnFrame, *, queue: int = 1000) -> "Lane":
        """The lane that others connect to. ``queue``: frames held for each peer, each way. Raises
        ``OSError`` when its socket cannot be made.
        """
        return self._open(pattern, on_frame, bind=name, queue=queue)

    def connect(
        self,
        pattern: Pattern,
        name: str,
        on_frame: OnFrame,
        *,
        identity: str = "",
        queue: int = 1000,
        on_link: OnLink | None = None,
    ) -> "Lane":
        """A lane to the process that has bound ``name``, now or later, again and again.

        ``on_link``: for those whom nobody else tells that the process has died or is back.
        """
        return self._open(
            pattern, on_frame, connect=name, identity=identity, queue=queue, on_link=on_link
        )

    def _open(
        self,
        pattern: Pattern,
        on_frame: OnFrame,
        *,
        queue: int,
        bind: str = "",
        connect: str = "",
        identity: str = "",
        on_link: OnLink | None = None,
    ) -> "Lane":
        with ExitStack() as unless_open:
            socket = self._context.socket(_TYPES[pattern])
            # The end of the context waits for every socket.
            unless_open.callback(socket.close, linger=0)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.SNDHWM, queue)
            socket.setsockopt(zmq.RCVHWM, queue)
            socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
            if pattern == "router":
                # An unknown or full peer is an error here, not a silent loss; and a restarted actor
                # takes over its name from its dead self.
                socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
                socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
            if identity:
                socket.setsockopt(zmq.IDENTITY, identity.encode())
            monitor = None
            if on_link is not None:
                monitor = _monitor(socket, on_link)
                unless_open.callback(monitor.close)
            if bind:
                _bind(socket, endpoint(self.runtime_dir, bind))
            else:
                socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
                socket.connect(endpoint(self.runtime_dir, connect))
            kind = AddressedLane if pattern == "router" else Lane
            lane = kind(socket, on_frame, reads=pattern != "push", monitor=monitor)
            unless_open.pop_all()
        self._lanes = [*(kept for kept in self._lanes if not kept.is_closed), lane]
        return lane

    def close(self, *, linger_ms: int = 0) -> None:
        """Close all lanes, giving what is queued ``linger_ms`` to leave, and end the context."""
        self.close_lanes(linger_ms=linger_ms)
        self._context.term()

    def close_lanes(self, *, linger_ms: int = 0) -> None:
        """The context may be used for another bus."""
        for lane in self._lanes:
            lane.close(linger_ms=linger_ms)
        self._lanes.clear()


def _bind(socket: "zmq.Socket[bytes]", address: str) -> None:
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        number = error.errno or 0
        raise OSError(number, os.strerror(number), address.removeprefix("ipc://")) from None


def _monitor(socket: "zmq.Socket[bytes]", on_link: OnLink) -> "Lane":
    """The lane of a socket's monitor: two parts each, the first begins with the event's number."""
    events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED

    def on_event(event: bytes, _address: bytes) -> None:
        on_link(int.from_bytes(event[:2], sys.byteorder) == zmq.EVENT_HANDSHAKE_SUCCEEDED)

    return AddressedLane(socket.get_monitor_socket(events), on_event, reads=True)


class Lane:
    """One socket of a :class:`Bus`. ``monitor``: the lane on which zmq tells of its peers."""

    _addressed = False
    """Each frame goes with the name of a peer."""

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        on_frame: OnFrame,
        *,
        reads: bool,
        monitor: "Lane | None" = None,
    ) -> None:
        self._socket = socket
        self._recv = socket.recv
        # Without a wrapper in Python, which is for sockets of the DRAFT API.
        self._send = super(zmq.Socket, socket).send
        self._polled = ((socket, _POLLIN),)
        self._monitor = monitor
        self._on_frame = on_frame
        self._loop = asyncio.get_running_loop()
        self._reads = reads
        self._looks = not reads
        """It is about to look for what has come, or never does: nobody need ask for it."""
        if reads:
            self._unwatch = watch(self._loop, int(socket.getsockopt(zmq.FD)), self._readable)
            self._schedule()

    def send(self, frame: bytes, *, to: str = "") -> Sent:
        """Hand a frame to the socket, without waiting.

        ``to``: the peer's name, on a router's lane only.
        """
        sent = TAKEN
        try:
            if self._addressed:
                self._send(to.encode(), _NOBLOCK_MORE)
            self._send(frame, _NOBLOCK)
        except zmq.Again:
            sent = Sent.OVERLOADED
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            sent = Sent.UNREACHABLE
        if not self._looks and _poll(self._polled, 0):
            self._schedule()  # sending may have used up the sign of what has come
        return sent

    @property
    def is_closed(self) -> bool:
        """It was closed, alone or with its bus."""
        return bool(self._socket.closed)

    def close(self, *, linger_ms: int = 0) -> None:
        """Close the socket; frames still queued have ``linger_ms`` to leave."""
        if self._monitor is not None and not self._monitor.is_closed:
            self._socket.disable_monitor()
            self._monitor.close()
        if self._reads:
            self._unwatch()
        self._reads, self._looks = False, True
        self._socket.close(linger=linger_ms)

    def _schedule(self) -> None:
        if not self._looks:
            self._looks = True
            self._loop.call_soon(self._readable)

    def _readable(self) -> None:
        """Hand on what has come: mostly, one frame."""
        if not self._reads:
            return
        self._looks = True
        more = True
        try:
            self._take()
            more = self._reads and bool(_poll(self._polled, 0))
            if more:
                self._take_burst()
        except zmq.Again:
            more = False
        finally:
            if self._reads:
                self._looks = False
                if more:
                    self._end_frame()
                    self._schedule()

    def _take_burst(self) -> None:
        """Raises :class:`zmq.Again` when it has taken all."""
        for _ in range(_BURST):
            self._end_frame()
            self._take()
            if not self._reads:
                return

    def _take(self) -> None:
        """Hand on one frame. Raises :class:`zmq.Again`."""
        self._on_frame(b"", self._recv(_NOBLOCK))

    def _end_frame(self) -> None:
        """To be called before another is taken: here, each part is a frame of its own."""


class AddressedLane(Lane):
    """Of a router, whose frames come with the name of who has sent them."""

    _addressed = True

    def _take(self) -> None:
        peer = self._recv(_NOBLOCK)
        self._on_frame(peer, self._recv(_NOBLOCK))

    def _end_frame(self) -> None:
        """Our messages are one frame, after the peer's identity. A foreign peer may send more
        parts, which would be taken for identities. As long as there are any, zmq says that there is
        more to read: who is told that there is none need not ask this.
        """
        while self._reads and self._socket.getsockopt(_RCVMORE):
            self._recv(_NOBLOCK)

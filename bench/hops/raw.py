"""pyzmq and nothing else, blocking: the floor. PUSH to PULL; DEALER to ROUTER to DEALER."""

import time

import zmq

from . import plan, roles

_QUEUE = 10_000


def _socket(kind: int, name: bytes = b"") -> "zmq.Socket[bytes]":
    socket = zmq.Context.instance().socket(kind)
    socket.set_hwm(_QUEUE)
    if name:
        socket.setsockopt(zmq.IDENTITY, name)
    return socket


def _lane(folder: str, name: str, *, binds: bool) -> "zmq.Socket[bytes]":
    socket = _socket(zmq.PULL if binds else zmq.PUSH)
    (socket.bind if binds else socket.connect)(f"ipc://{folder}/raw-{name}.sock")
    return socket


def _dealer(folder: str, name: bytes) -> "zmq.Socket[bytes]":
    socket = _socket(zmq.DEALER, name)
    socket.connect(f"ipc://{folder}/raw.sock")
    return socket


def _receive(given: roles.Arguments) -> None:
    if given.hops == "1":
        socket = _lane(given.folder, "there", binds=True)
        back = _lane(given.folder, "back", binds=False)
    else:
        back = socket = _dealer(given.folder, b"receiver")
        socket.send_multipart([b"receiver", b""])  # to itself: now the router knows it
        socket.recv()
    listener = plan.Listener()
    while not listener.done:
        content = socket.recv()
        if not content or listener.hear(content):
            if socket is back:
                back.send(b"sender", zmq.SNDMORE)
            back.send(content)
    print(listener.told(), flush=True)


def _send(given: roles.Arguments) -> None:
    routed = given.hops == "2"
    if routed:
        back = socket = _dealer(given.folder, b"sender")
    else:
        back = _lane(given.folder, "back", binds=True)
        socket = _lane(given.folder, "there", binds=False)
    while routed:
        socket.send_multipart([b"receiver", b""])
        if socket.poll(50):
            break
    for phase, index, pause in plan.messages(given.part, given.folder):
        if pause:
            time.sleep(pause)
        if routed:
            socket.send(b"receiver", zmq.SNDMORE)
        socket.send(plan.payload(phase, index))
        if phase == plan.BOUNCING:
            while not back.recv():
                pass  # an answer to one of the tries
    time.sleep(plan.LINGER_S)


def _route(folder: str) -> None:
    socket = _socket(zmq.ROUTER)
    socket.bind(f"ipc://{folder}/raw.sock")
    while True:
        socket.recv()
        to = socket.recv()
        content = socket.recv()
        socket.send(to, zmq.SNDMORE)
        socket.send(content)


def main() -> None:
    """Entry."""
    given = roles.arguments()
    match given.role:
        case "receive":
            _receive(given)
        case "send":
            _send(given)
        case "route":
            _route(given.folder)
        case _:
            needed = ("receive", "send") if given.hops == "1" else ("route", "receive", "send")
            roles.run("bench.hops.raw", given, needed)


if __name__ == "__main__":
    main()

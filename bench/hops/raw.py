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


def _receive(hops: str, address: str) -> None:
    if hops == "1":
        socket = _socket(zmq.PULL)
        socket.bind(address)
    else:
        socket = _socket(zmq.DEALER, b"receiver")
        socket.connect(address)
        socket.send_multipart([b"receiver", b""])  # to itself: now the router knows it
        socket.recv()
    listener = plan.Listener()
    while not listener.done:
        content = socket.recv()
        if content:
            listener.hear(content)
        else:
            socket.send_multipart([b"sender", b""])
    print(listener.told(), flush=True)


def _send(hops: str, address: str) -> None:
    socket = _socket(zmq.PUSH) if hops == "1" else _socket(zmq.DEALER, b"sender")
    socket.connect(address)
    while hops == "2":
        socket.send_multipart([b"receiver", b""])
        if socket.poll(50):
            break
    for phase, index, pause in plan.paced():
        if pause:
            time.sleep(pause)
        if hops == "2":
            socket.send(b"receiver", zmq.SNDMORE)
        socket.send(plan.payload(phase, index))
    time.sleep(plan.LINGER_S)


def _route(address: str) -> None:
    socket = _socket(zmq.ROUTER)
    socket.bind(address)
    while True:
        socket.recv()
        to = socket.recv()
        content = socket.recv()
        socket.send(to, zmq.SNDMORE)
        socket.send(content)


def main() -> None:
    """Entry."""
    hops, folder, role = roles.arguments()
    address = f"ipc://{folder}/raw-{hops}.sock"
    match role:
        case "receive":
            _receive(hops, address)
        case "send":
            _send(hops, address)
        case "route":
            _route(address)
        case _:
            needed = ("receive", "send") if hops == "1" else ("route", "receive", "send")
            roles.run("bench.hops.raw", hops, folder, needed)


if __name__ == "__main__":
    main()

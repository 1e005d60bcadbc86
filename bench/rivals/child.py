"""What the rivals keep alive: `python child.py KIND NAME SOCKET [URL TOKEN]`, a program by itself.

It tells SOCKET (UNIX datagrams) `NAME PID FIRST READY`: CLOCK_MONOTONIC nanoseconds of its first
line and of when it had what it needs. KIND is what it needs: `bare`: nothing; `imports`: what an
actor imports; `room`: a published microphone in a LiveKit room.
"""

import time

FIRST = time.monotonic_ns()

import os
import signal
import socket
import sys


def tell(name: str, where: str, first: int) -> None:
    """This is the moment of being ready."""
    ready = time.monotonic_ns()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(f"{name} {os.getpid()} {first} {ready}".encode(), where)


def run(kind: str, name: str, where: str, room: list[str], first: int) -> None:
    """Until a signal ends it."""
    match kind:
        case "room":
            publish(name, where, *room, first)
        case "imports":
            import asyncio  # noqa: F401

            import msgspec  # noqa: F401
            import numpy  # noqa: F401
            import zmq  # noqa: F401
    tell(name, where, first)
    signal.pause()


def publish(name: str, where: str, url: str, token: str, first: int) -> None:
    """Join, publish a silent microphone, stay. The least that a room process can do."""
    import asyncio

    from livekit import rtc

    async def stay() -> None:
        room = rtc.Room()
        await room.connect(url, token)
        source = rtc.AudioSource(48_000, 1)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await room.local_participant.publish_track(track, options)
        tell(name, where, first)
        await asyncio.Event().wait()

    asyncio.run(stay())


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:], FIRST)

"""What outlives the session's process: a small file in the runtime directory.

Written before anything is done that it speaks of, so that whoever comes after a kill knows at
least what was meant. It need not survive the machine, and is not synced to the disk.
"""

import logging
import os
from pathlib import Path

import msgspec

from actors.messages import ChatMessage

from .occupancy import Occupied
from .standing import Standing
from .transcripts import Segment

log = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024 * 1024
"""A file that is longer is not ours."""


class Restored(msgspec.Struct, frozen=True):
    """A list that somebody has put in place of what there was."""

    at: float
    """Unix seconds: what was said later belongs to the list too."""
    ids: frozenset[str]


class Memory(msgspec.Struct, frozen=True):
    """The session at one moment."""

    boot: str = ""
    """Id of the machine's boot in which it was written."""
    alive_at: float = 0.0
    """CLOCK_BOOTTIME seconds at which the process was last seen."""
    standing: Standing = Standing()
    room_name: str = ""
    identity: str = ""
    """Of the local participant."""
    occupied: Occupied | None = None
    agent_due_at: float = 0.0
    """CLOCK_BOOTTIME seconds at which the agent's time is over, if it is waited for."""
    boot_start: bool = False
    """The conversation that is to begin with the terminal has not yet come about."""
    sending: tuple[ChatMessage, ...] = ()
    """Texts that may or may not have been sent, in order."""
    owed: tuple[ChatMessage, ...] = ()
    """Messages that history may not have, in order."""
    unfinished: tuple[Segment, ...] = ()
    """Transcripts in the making."""
    began_at: float = 0.0
    """CLOCK_BOOTTIME seconds at which the conversation began."""
    restored: Restored | None = None
    """The list is not the newest that history has, but this and what came since."""
    encrypted: bool = True
    """End-to-end encryption, where there is a key, was not switched off."""


def resumable(memory: Memory, *, boot: str, now: float, within_s: float) -> Memory:
    """What a process that starts now (CLOCK_BOOTTIME seconds) goes on with.

    A conversation whose process was last seen longer than ``within_s`` ago, or before the machine
    was started, is over: nobody who comes by a day later must find the microphone on. What history
    is owed is not forgotten by that, nor the room that was not left.
    """
    age_s = now - memory.alive_at
    if memory.boot == boot and 0.0 <= age_s <= within_s:
        return memory
    return Memory(
        boot=boot,
        alive_at=now,
        occupied=memory.occupied,
        owed=memory.owed,
        restored=memory.restored,
        encrypted=memory.encrypted,
    )


class MemoryFile:
    """One file, replaced whole. Only its owner can read it: it holds what people said."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new = path.with_name(f"{path.name}.new")
        self.error = ""
        """Why it cannot be written at present."""

    def read(self) -> Memory | None:
        """What was written last. None: nothing, or nothing that can be read (set aside then)."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            with os.fdopen(fd, "rb") as file:
                content = file.read(MAX_BYTES + 1)
            return msgspec.json.decode(content, type=Memory)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.error("memory not readable", extra={"cause": type(error).__name__})
            self._set_aside()
            return None

    def write(self, memory: Memory) -> bool:
        """Replace it; False when that is not possible, and what was written before stays."""
        try:
            fd = os.open(
                self._new,
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW,
                0o600,
            )
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(memory))
            self._new.replace(self._path)
        except OSError as error:
            if not self.error:
                log.error("memory not written", extra={"cause": error.strerror})
            self.error = f"the session's memory cannot be written: {error.strerror}"
            return False
        self.error = ""
        return True

    def _set_aside(self) -> None:
        try:
            self._path.rename(self._path.with_name(f"{self._path.name}.corrupt"))
        except OSError as error:
            log.error("memory not set aside", extra={"cause": error.strerror})


def boot_id() -> str:
    """Another text for each start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()

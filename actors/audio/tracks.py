"""Recordings for support: what was captured, what became of it, and what was played, as WAV files.

Written by a thread of its own: a slow disk must not stop the sound. Whole at every moment, so that
a process that is killed leaves files that can be heard.
"""

import contextlib
import os
import queue
import shutil
import struct
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from actors.runtime.errors import OrderFailed

Track = Literal["captured", "processed", "played"]
MAX_S = 600.0
KEPT_BYTES = 1 << 30
"""In the folder, beyond which no more is added: nobody looks after it."""
_CLOSE_S = 1.0
_QUEUE = 1500
"""Blocks that wait for the disk: 10 s of three tracks."""
_PATCH_BYTES = 96_000
"""Between updates of a header: a second."""
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
SAMPLE = 2


class Tracks:
    """One recording of at most ``seconds``. ``rates``: Hz of each track; ``stamp``: its name."""

    def __init__(
        self, folder: Path, stamp: str, rates: Mapping[Track, int], seconds: float
    ) -> None:
        """Make the files, mode 0600. Raises ``OrderFailed`` for what cannot be."""
        if not 0 < seconds <= MAX_S:
            raise OrderFailed("invalid", f"seconds are more than 0 and at most {MAX_S:g}")
        wanted = {track: round(rate * seconds) * SAMPLE for track, rate in rates.items()}
        self._files: dict[Track, _Wav] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_sure(folder, sum(wanted.values()))
            for track, rate in rates.items():
                path = folder / f"{stamp}-{track}.wav"
                self._files[track] = _Wav(path, rate, wanted[track])
        except OSError as cause:
            for file in self._files.values():
                file.close()
            raise OrderFailed(
                "cannot-record", f"{folder}: {cause.strerror}", "set [audio] recordings"
            ) from cause
        self.lost = 0
        """Blocks that the disk was too slow for."""
        self.error = ""
        """Why it ended early."""
        self._queue: queue.Queue[tuple[Track, bytes] | None] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._run, name="tracks", daemon=True)
        self._thread.start()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Of its files."""
        return tuple(file.path for file in self._files.values())

    @property
    def is_over(self) -> bool:
        """Every track is as long as was asked for, or the disk refuses."""
        return bool(self.error) or all(file.is_full for file in self._files.values())

    def write(self, track: Track, pcm: bytes) -> None:
        """Add int16 mono samples; never waits. May be called in any thread."""
        try:
            self._queue.put_nowait((track, pcm))
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write what waits, and end; a disk that hangs is left to its thread."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=_CLOSE_S)
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                track, pcm = item
                if not self.error:
                    self._add(track, pcm)
        finally:
            for file in self._files.values():
                file.close()

    def _add(self, track: Track, pcm: bytes) -> None:
        try:
            self._files[track].add(pcm)
        except OSError as cause:
            self.error = cause.strerror or "it cannot be written"


class _Wav:
    def __init__(self, path: Path, rate: int, wanted: int) -> None:
        self.path = path
        self._rate = rate
        self._left = wanted
        self._size = self._told = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(path, flags, 0o600)
        self._patch()

    @property
    def is_full(self) -> bool:
        return self._left <= 0

    def add(self, pcm: bytes) -> None:
        piece = pcm[: self._left]
        self._left -= len(piece)
        written = 0
        while written < len(piece):
            at = _HEADER.size + self._size
            written += (count := os.pwrite(self._fd, piece[written:], at))
            self._size += count
        if self._size - self._told >= _PATCH_BYTES:
            self._patch()

    def close(self) -> None:
        try:
            self._patch()
        except OSError:  # a full disk: the last second is not in the header
            pass
        finally:
            os.close(self._fd)

    def _patch(self) -> None:
        size, rate = self._size, self._rate
        form = (b"fmt ", 16, 1, 1, rate, rate * SAMPLE, SAMPLE, 8 * SAMPLE)
        header = _HEADER.pack(b"RIFF", 36 + size, b"WAVE", *form, b"data", size)
        os.pwrite(self._fd, header, 0)
        self._told = size


def _make_sure(folder: Path, wanted: int) -> None:
    kept = sum(file.stat().st_size for file in folder.glob("*.wav"))
    if kept + wanted > KEPT_BYTES:
        raise OrderFailed(
            "cannot-record", f"{folder} holds {kept >> 20} MiB already", "remove what is not needed"
        )
    if shutil.disk_usage(folder).free < 2 * wanted:
        raise OrderFailed(
            "cannot-record", f"there is no room for {wanted >> 20} MiB in {folder}", "make room"
        )

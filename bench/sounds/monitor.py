"""When a sound was in a device: what PulseAudio gives of it, by the clock of the machine."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np

from .clicks import RATE, Click, find

WINDOW_S = 2.0
"""In so long a time at least one piece comes without delay."""


class Monitor:
    """Of one source, inside the ``with`` block."""

    def __init__(self, source: str, environ: Mapping[str, str]) -> None:
        self._command = ["parec", f"--device={source}", "--raw", "--format=s16le", "--channels=1"]
        self._environ = {**os.environ, **environ}
        self._pieces: list[tuple[float, bytes]] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._command, f"--rate={RATE}", "--latency-msec=20"],
            stdout=subprocess.PIPE,
            env=self._environ,
        )
        self._reader = threading.Thread(target=self._read, name="monitor", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._reader.join()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    @property
    def clicks(self) -> list[Click]:
        """When each could be had from the device, at the earliest."""
        if not self._pieces:
            return []
        ends = np.cumsum([len(pcm) // 2 for _, pcm in self._pieces])
        whole = np.frombuffer(b"".join(pcm for _, pcm in self._pieces), np.int16)
        # The clock of a null sink is the machine's: its samples have a moment, and what is later
        # was delayed on the way to us.
        begins = np.array([at for at, _ in self._pieces]) - ends / RATE
        windows = (ends / RATE // WINDOW_S).astype(int)
        earliest = np.full(windows[-1] + 1, np.inf)
        np.minimum.at(earliest, windows, begins)
        return [
            Click(click.pitch, click.at / RATE + earliest[int(click.at / RATE // WINDOW_S)])
            for click in find(whole)
        ]

    def _read(self) -> None:
        assert self._process.stdout
        while piece := os.read(self._process.stdout.fileno(), 65536):
            self._pieces.append((time.monotonic(), piece))

"""When a sound was in a device: what PulseAudio gives of it, by the clock of the machine."""

import os
from collections.abc import Mapping

import numpy as np

from tests.peers.pulse import Recording

from .clicks import RATE, Click, find

WINDOW_S = 2.0
"""In so long a time at least one piece comes without delay."""


class Monitor(Recording):
    """Of one source, inside the ``with`` block."""

    def __init__(self, source: str, environ: Mapping[str, str]) -> None:
        super().__init__(source, {**os.environ, **environ})

    @property
    def clicks(self) -> list[Click]:
        """When each could be had from the device, at the earliest."""
        ends = np.cumsum([len(pcm) // 2 for _, pcm in self._chunks])
        whole = np.frombuffer(b"".join(pcm for _, pcm in self._chunks), np.int16)
        # The clock of a null sink is the machine's: its samples have a moment, and what is later
        # was delayed on the way to us.
        begins = np.array([at for at, _ in self._chunks]) - ends / RATE
        windows = (ends / RATE // WINDOW_S).astype(int)
        earliest = np.full(windows[-1] + 1, np.inf)
        np.minimum.at(earliest, windows, begins)
        return [
            Click(click.pitch, click.at / RATE + earliest[int(click.at / RATE // WINDOW_S)])
            for click in find(whole)
        ]

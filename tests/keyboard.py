"""Somebody at a keyboard, in front of a command in a terminal."""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Self

from tests.children import DEADLINE_S
from tests.terminal import ROOT


class Keyboard:
    """A command in a terminal: types, and waits for what appears."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._main, self._terminal = pty.openpty()
        self.before = termios.tcgetattr(self._terminal)
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            start_new_session=True,
        )
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._main)
        os.close(self._terminal)

    def waits_for(self, pattern: str) -> None:
        """Until it has appeared since the last time."""
        deadline = time.monotonic() + DEADLINE_S
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.shown!r}"
            if select.select([self._main], [], [], 1.0)[0]:
                self.shown += os.read(self._main, 65536).decode(errors="replace")
        self.shown = self.shown[found.end() :]

    def types(self, text: str) -> None:
        os.write(self._main, text.encode())

    def interrupts(self) -> None:
        """As Ctrl-C of the terminal would."""
        self._process.send_signal(signal.SIGINT)

    def exit_code(self) -> int:
        code = self._process.wait(DEADLINE_S)
        assert termios.tcgetattr(self._terminal) == self.before
        return code

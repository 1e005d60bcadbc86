"""supervisord and circus at their defaults, each keeping some programs alive."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from supervisor.drill.launched import Launched

from ..terminal import production_environment
from .install import rivals_python

Programs = Mapping[str, Sequence[str]]
"""Command line, by name."""


class Keeper:
    """A process supervisor that runs inside the `with` block."""

    name = ""

    def __init__(self, folder: Path, programs: Programs) -> None:
        self._folder = folder
        self._programs = programs
        self._process: Launched | None = None

    def __enter__(self) -> Self:
        config = self._folder / f"{self.name}.ini"
        config.write_text(self.config())
        command = [rivals_python().parent / self.program, *self.arguments, str(config)]
        log = self._folder / f"{self.name}.log"
        environ = production_environment()
        del environ["PYTHONPATH"]  # supervisord's package has the name of ours
        self._process = Launched(self.name, command, log, env=environ, cwd=self._folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.stop()

    @property
    def pid(self) -> int:
        """Of the supervisor itself."""
        assert self._process is not None
        return self._process.pid

    program = ""
    arguments: tuple[str, ...] = ()

    def config(self) -> str:
        """Its file: only what is needed to run at all, so that the defaults are measured."""
        raise NotImplementedError


class Supervisord(Keeper):
    """PyPI's `supervisor`."""

    name = "supervisord"
    program = "supervisord"
    arguments = ("-n", "-c")

    def config(self) -> str:
        """See the base."""
        head = f"[supervisord]\nlogfile={self._folder}/supervisord-main.log\n"
        head += f"pidfile={self._folder}/supervisord.pid\nchildlogdir={self._folder}\n"
        programs = (
            f"[program:{name}]\ncommand={subprocess.list2cmdline(command)}\n"
            for name, command in self._programs.items()
        )
        return "\n".join([head, *programs])


class Circus(Keeper):
    """circusd."""

    name = "circus"
    program = "circusd"

    def config(self) -> str:
        """See the base."""
        folder = self._folder
        head = f"[circus]\nendpoint = ipc://{folder}/circus.ctl\n"
        head += f"pubsub_endpoint = ipc://{folder}/circus.pub\n"
        watchers = (
            f"[watcher:{name}]\ncmd = {subprocess.list2cmdline(command)}\n"
            for name, command in self._programs.items()
        )
        return "\n".join([head, *watchers])

"""A whole terminal: the runtime directory, the tree, the operators' socket."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.messages import Status
from actors.runtime.bus import Bus
from actors.runtime.logs import configure
from actors.settings import Settings

from . import exits
from .child import start_fork_server, stop_fork_server
from .control import Control
from .rundir import AlreadyRunning, RuntimeDir, RuntimeDirError
from .spec import ActorSpec, tree_of
from .tree import StartFailedError, Tree

log = logging.getLogger(__name__)


class Terminal:
    """``async with Terminal(settings, runtime_dir) as terminal: await terminal.stopped.wait()``.

    Entering raises :class:`RuntimeDirError` or :class:`StartFailedError`, with nothing left
    running; leaving stops everything.
    """

    def __init__(
        self,
        settings: Settings,
        runtime_dir: Path,
        *,
        log_file: Path | None = None,
        specs: Sequence[ActorSpec] | None = None,
    ) -> None:
        self._settings = settings
        self._path = runtime_dir
        self._log_file = log_file
        self._specs = tree_of(settings) if specs is None else specs
        self.stopped: asyncio.Event
        """Set when somebody has asked the terminal to stop."""

    async def __aenter__(self) -> Self:
        self.stopped = asyncio.Event()
        self._dir = RuntimeDir(self._path)
        start_fork_server()
        self._bus = Bus(self._path)
        self._tree = Tree(self._bus, self._settings, self._specs, log_file=self._log_file)
        self._control = Control(self._bus, self._tree, self.stopped.set)
        asked = asyncio.create_task(self._stop_while_starting())
        try:
            await self._tree.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        finally:
            asked.cancel()
        self._control.state = "running"
        return self

    async def _stop_while_starting(self) -> None:
        await self.stopped.wait()
        await self._tree.stop()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._control.state = "stopping"
        await self._control.close()
        await self._tree.stop()
        self._bus.close(linger_ms=200)
        stop_fork_server()
        self._dir.release()

    def status(self) -> Status:
        """As ``callpoint status`` shows it."""
        return self._control.status()


def run(
    settings: Settings,
    runtime_dir: Path,
    *,
    log_file: Path | None = None,
    specs: Sequence[ActorSpec] | None = None,
) -> int:
    """Run a terminal until SIGTERM, SIGINT or an order; returns one of :mod:`supervisor.exits`.

    An operator's mistake is told on standard error in a line or two, without a traceback.
    """
    configure("supervisor", settings.terminal.log_level)
    try:
        asyncio.run(_run(Terminal(settings, runtime_dir, log_file=log_file, specs=specs)))
    except AlreadyRunning as error:
        return _refuse(exits.ALREADY_RUNNING, error.reason, error.remedy)
    except RuntimeDirError as error:
        return _refuse(exits.RUNTIME_DIR, error.reason, error.remedy)
    except StartFailedError as error:
        return _refuse(exits.CANNOT_START, str(error), error.remedy)
    return exits.ASKED


async def _run(terminal: Terminal) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with terminal:
        log.info("terminal running")
        waits = {asyncio.create_task(event.wait()) for event in (stop, terminal.stopped)}
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        log.info("terminal stopping")


def _refuse(code: int, reason: str, remedy: str) -> int:
    sys.stderr.write(f"callpoint: {reason}\n")
    if remedy:
        sys.stderr.write(f"  {remedy}\n")
    return code

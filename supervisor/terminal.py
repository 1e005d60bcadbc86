"""A whole terminal: the runtime directory, the tree, the operators' socket."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.messages import Failed, Message, Reloaded, Status
from actors.runtime.bus import Bus
from actors.settings import Settings, SettingsError

from . import family, forks
from .control import Control
from .rundir import RuntimeDir
from .server_watch import ServerWatch
from .sink import Sink
from .spec import Spec, preloadable, tree_of
from .tree import Tree

log = logging.getLogger(__name__)

Reread = Callable[[], Settings]
"""Reads the config again, with resolved directories. Raises ``SettingsError``."""


class Terminal:
    """``async with Terminal(settings, runtime_dir) as terminal: await terminal.stopped.wait()``.

    Entering raises :class:`RuntimeDirError`, :class:`StartFailedError`, or ``OSError`` for the log
    file, with nothing left running; leaving stops everything.
    """

    def __init__(
        self,
        settings: Settings,
        runtime_dir: Path,
        *,
        sink: Sink | None = None,
        log_file: Path | None = None,
        specs: Sequence[Spec] | None = None,
        reread: Reread | None = None,
    ) -> None:
        """``sink`` or ``log_file``: for what the children log, else standard error. ``specs``:
        the tree, else as the settings say. ``reread``: for :meth:`reload`.
        """
        self._settings = settings
        self._path = runtime_dir
        self._given_sink = sink
        self._log_file = log_file
        self._specs = tree_of(settings) if specs is None else specs
        self._reread = reread
        self.stopped = asyncio.Event()
        """Set when somebody has asked the terminal to stop, or when it cannot go on."""
        self.escalation = ""
        """Why it cannot go on."""

    async def __aenter__(self) -> Self:
        with ExitStack() as opened:
            self._open(opened)
            self._opened = opened.pop_all()
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

    def _open(self, opened: ExitStack) -> None:
        runtime_dir = RuntimeDir(self._path)
        opened.callback(runtime_dir.release)
        self._sink = self._given_sink or Sink(self._log_file)
        if self._given_sink is None:
            opened.callback(self._sink.close)
        with runtime_dir.usable():
            self._open_sockets(opened)

    def _open_sockets(self, opened: ExitStack) -> None:
        # In a process of our own nothing is left below /tmp, whoever is killed.
        directory = self._path if family.is_adopting() else None
        forks.hold(preloadable(self._specs), directory)
        opened.callback(forks.let_go)
        self._server_watch = ServerWatch()
        opened.callback(self._server_watch.close)
        bus = Bus(self._path)
        opened.callback(bus.close, linger_ms=200)
        self._tree = Tree(
            bus,
            self._settings,
            self._specs,
            offer=self._sink.offer,
            escalate=self._on_escalation,
            hung=self._server_watch.does_not_answer,
        )
        self._control = Control(bus, self._tree, self.stopped.set, self.reload)

    async def _stop_while_starting(self) -> None:
        await self.stopped.wait()
        await self._tree.stop()

    def _on_escalation(self, reason: str) -> None:
        self.escalation = self.escalation or reason
        self.stopped.set()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._control.close()
        await self._tree.stop()
        self._opened.close()

    def status(self) -> Status:
        """As ``callpoint status`` shows it."""
        return self._control.status()

    async def reload(self) -> Message:
        """Read the config again and go over to it; a config with anything wrong changes nothing.

        The log file is begun anew in any case, should it have been moved away. Returns ``Reloaded``
        or ``Failed``.
        """
        self._sink.reopen()
        if self._reread is None:
            return Failed("no-config", "this terminal was not started from a config file")
        if self._control.state != "running":
            return Failed("busy", f"the terminal is {self._control.state}", "try again in a moment")
        try:
            settings = self._reread()
        except SettingsError as refused:
            log.warning("config refused", extra={"problems": [str(p) for p in refused.problems]})
            return Failed("refused", "the config is refused, nothing was changed", str(refused))
        done, failed = await self._tree.change(settings, tree_of(settings))
        reloaded = Reloaded(
            started=tuple(name for name in done.start if name not in done.restarted),
            restarted=done.restarted,
            stopped=tuple(name for name in done.stop if name not in done.restarted),
        )
        log.info(
            "config reloaded",
            extra={
                "actors_started": reloaded.started,
                "actors_restarted": reloaded.restarted,
                "actors_stopped": reloaded.stopped,
                "actors_failed": failed,
            },
        )
        if failed:
            names = ", ".join(failed)
            return Failed("start-failed", f"not ready: {names}", "callpoint status says why")
        return reloaded

"""Finding a session its terminal: the one that runs, or one of its own."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from actors.runtime.errors import OrderFailed

from .errors import TerminalError
from .options import SessionOptions, config_of, environment_of
from .tokens import TokenOptions, TokenSource

if TYPE_CHECKING:
    from .link import Link


class Opening:
    """``runtime_dir`` None: always a new terminal. ``make_link``: to a terminal in that directory;
    ``ended``: called with the exit code of one that was started here.
    """

    def __init__(
        self,
        options: SessionOptions,
        tokens: TokenSource,
        token_options: TokenOptions,
        runtime_dir: Path | None,
        *,
        make_link: "Callable[[Path], Link]",
        ended: Callable[[int], None],
    ) -> None:
        self._options = options
        self._tokens = tokens
        self._token_options = token_options
        self._runtime_dir = runtime_dir
        self.may_start = True
        """One is started where none runs."""
        self._make_link = make_link
        self._terminal_ended = ended

    async def connect(self, stack: contextlib.AsyncExitStack) -> "Link":
        """An open link; ``stack`` undoes it. Raises :class:`TerminalError`, ``OptionsError``."""
        from actors.runtime.client import NotRunning

        from .terminal import AlreadyRunning

        if self._runtime_dir is not None:
            try:
                return await self._attach(stack, self._runtime_dir)
            except NotRunning as missing:
                if not self.may_start:
                    raise TerminalError(missing.reason, missing.remedy) from None
        try:
            runtime_dir = await self._launch(stack)
        except AlreadyRunning:
            assert self._runtime_dir is not None
            runtime_dir = self._runtime_dir
        return await self._attach(stack, runtime_dir)

    async def _attach(self, stack: contextlib.AsyncExitStack, runtime_dir: Path) -> "Link":
        from actors.runtime.client import NotRunning

        link = self._make_link(runtime_dir)
        try:
            await link.open()
        except NotRunning:
            raise
        except OrderFailed as failed:
            raise TerminalError(failed.reason, failed.remedy) from None
        stack.push_async_callback(link.close)
        return link

    async def _launch(self, stack: contextlib.AsyncExitStack) -> Path:
        from .terminal import OwnTerminal

        terminal = OwnTerminal(
            config_of(self._options, self._tokens, self._token_options),
            self._runtime_dir,
            state_dir=self._options.state_dir,
            environment=environment_of(self._options, self._tokens),
            ended=self._terminal_ended,
        )
        stack.push_async_callback(terminal.stop)
        return await terminal.start()

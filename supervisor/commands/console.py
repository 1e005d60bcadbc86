"""``callpoint console``: the conversation of a running terminal, for developers."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from actors import (
    CallpointError,
    Change,
    MessageChanged,
    MessagePurged,
    Refreshed,
    Session,
    Snapshot,
    StateChanged,
    TerminalError,
)

from .demo.keys import LineEditor
from .demo.screen import Screen, meter, open_screen
from .demo.story import ERROR, STATE, Line, Story, line_of
from .failures import NOT_RUNNING, Failure, exit_codes
from .options import with_runtime_dir

_TICK_S = 0.1
"""Between two looks at the level."""
_EARLIER = 10
"""Messages of before that are shown at the beginning."""

_HELP = "/start  /end  /mute  /unmute  /dismiss an error  //text that begins with a slash"
_CODES = {0: "ended", NOT_RUNNING: "no terminal is running there, or it does not answer"}


@click.command(
    short_help="Follow and join the conversation.",
    epilog="\b\nExamples:\n"
    "  callpoint console\n"
    "  echo hello | callpoint console\n\n" + exit_codes(_CODES),
)
@with_runtime_dir
def console(runtime_dir: Path) -> None:
    """The conversation of a running terminal: states, level, transcripts and messages as they come.

    A typed line is sent to the agent; /start, /end, /mute, /unmute and /dismiss are orders. Ctrl-D,
    Ctrl-C or the end of what is piped in ends the console; the terminal and its conversation go on.
    """
    try:
        asyncio.run(_run(runtime_dir))
    except TerminalError as error:
        raise Failure(error.reason, error.remedy, NOT_RUNNING) from None


async def _run(runtime_dir: Path) -> None:
    async with Session.attach(runtime_dir) as session:
        with open_screen() as screen:
            await Console(session, screen, sys.stdin.fileno()).run()


@dataclass
class Console:
    """One console of an open session, from start to end: ``await Console(...).run()``."""

    session: Session
    screen: Screen
    keyboard: int
    """File descriptor of what is typed."""
    _story: Story = field(default_factory=Story)
    _editor: LineEditor = field(default_factory=LineEditor)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _orders: list[asyncio.Task[None]] = field(default_factory=list)
    _is_attached: bool = True
    _has_begun: bool = False

    async def run(self) -> None:
        """Follow until it is ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._over.set)
        self._draw([Line("keys", f"{_HELP}  Ctrl-D ends")])
        following = loop.create_task(self._follow())
        typing = loop.create_task(self._type())
        following.add_done_callback(lambda _: self._over.set())
        try:
            await self._over.wait()
            await asyncio.gather(*self._orders)
        finally:
            for task in (following, typing):
                task.cancel()
            ends = await asyncio.gather(following, typing, return_exceptions=True)
            self.screen.close()
            for fault in ends:
                if isinstance(fault, Exception):
                    raise fault

    # -- from the terminal -----------------------------------------------------------------------

    async def _follow(self) -> None:
        changes, tick = self.session.changes(), asyncio.create_task(self._tick())
        try:
            async for change in changes:
                self._draw(self._lines(change))
        finally:
            tick.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._draw()

    def _lines(self, change: Change) -> list[Line]:
        match change:
            case Refreshed(snapshot=now):
                self._story.live.clear()
                said = [line for message in now.messages for line in self._story.said(message)]
                if not self._has_begun:
                    self._has_begun, said = True, said[-_EARLIER:]
                return [*said, *self._state(now)]
            case StateChanged(snapshot=now):
                return self._state(now)
            case MessageChanged(message=message):
                return self._story.said(message)
            case MessagePurged(id=gone):
                self._story.purged(gone)
        return []

    def _state(self, now: Snapshot) -> list[Line]:
        lines = self._story.state(now)
        if now.is_attached != self._is_attached:
            self._is_attached = now.is_attached
            word = "answers again" if now.is_attached else "does not answer, is waited for"
            lines.insert(0, Line(STATE, f"terminal {word}"))
        return lines

    def _draw(self, lines: Sequence[Line] = ()) -> None:
        live = [line_of(message) for message in self._story.live.values()]
        level = "muted" if self.session.is_muted else meter(self.session.input_dbfs)
        prompt = f"{self._story.agent_state} {level} > {self._editor.text}"
        self.screen.show(lines, live, prompt)

    # -- from the operator -----------------------------------------------------------------------

    async def _type(self) -> None:
        """A file cannot be waited for by the loop: it is read in one go."""
        loop = asyncio.get_running_loop()
        try:
            loop.add_reader(self.keyboard, self._typed)
        except PermissionError:
            more = True
            while more:
                more = self._typed()
            return
        try:
            await self._over.wait()
        finally:
            loop.remove_reader(self.keyboard)

    def _typed(self) -> bool:
        typed = os.read(self.keyboard, 4096)
        lines = self._editor.feed(typed or (b"\n" if self._editor.text else b""))
        for line in lines:
            if line.strip():
                self._spawn(self._carry_out(line.strip()))
        if self._editor.ended or not typed:
            self._over.set()
        self._draw()
        return bool(typed)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """One after the other, as they were typed."""
        before = self._orders[-1] if self._orders else None

        async def in_turn() -> None:
            if before is not None:
                await before
            await work

        self._orders.append(asyncio.create_task(in_turn()))
        del self._orders[:-1]

    async def _carry_out(self, line: str) -> None:
        try:
            if line.startswith("/") and not line.startswith("//"):
                await self._order(line)
            elif await self.session.send(line.removeprefix("/")) is None and self.session.error:
                self._draw([Line(ERROR, self.session.error.reason)])
        except CallpointError as failed:
            self._draw([Line(ERROR, f"{failed.reason} {failed.remedy}".strip())])

    async def _order(self, word: str) -> None:
        orders: dict[str, Callable[[], Awaitable[None]]] = {
            "/start": self.session.start,
            "/end": self.session.end,
            "/mute": self.session.mute,
            "/unmute": self.session.unmute,
            "/dismiss": self.session.dismiss_error,
        }
        if (order := orders.get(word)) is None:
            self._draw([Line(ERROR, f"there is no {word}: {_HELP}")])
        else:
            await order()

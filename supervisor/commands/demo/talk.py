"""The demo at work: a terminal, a client of it, and the operator between them."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.messages import (
    AudioLevel,
    GetMessages,
    KioskState,
    Message,
    MessageChanged,
    MessagePurged,
    Messages,
    Say,
    SessionState,
    StartSession,
)
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from supervisor.terminal import Terminal

from ..orders import SESSION
from .ending import Ending
from .keys import LineEditor
from .plan import Plan
from .screen import Screen, meter
from .story import ERROR, Line, Story, line_of

_TICK_S = 0.2
_AGAIN_S = 2.0
"""So often the list of messages is asked for: what was said while the router was being restarted
never came by itself."""
_WANTED = (SessionState, MessageChanged, MessagePurged, AudioLevel, KioskState)


@dataclass
class Talk:
    """One demo, from start to end: ``await Talk(...).run()``."""

    plan: Plan
    story: Story
    screen: Screen
    keyboard: int | None
    """File descriptor of typed lines; None: nobody types."""
    ends_with_keyboard: bool
    """The end of what is typed ends the demo."""
    seconds: float | None
    ends_with_speech: bool
    clock: Callable[[], float] = time.monotonic
    _editor: LineEditor = field(default_factory=LineEditor)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _orders: set[asyncio.Task[None]] = field(default_factory=set)
    _level: float = -120.0
    _address: str = ""
    _began: float = 0.0
    """Unix time: what is older is not of this demo."""

    async def run(self) -> bool:
        """Start the terminal, talk, stop it; returns whether it ended because the file had been
        talked through. Raises what entering ``Terminal`` does, and ``OrderFailed`` when the
        conversation cannot be started.
        """
        loop, whole = asyncio.get_running_loop(), asyncio.current_task()
        assert whole is not None

        def give_up() -> None:
            self._over.set()  # should it come too late to cancel the start
            whole.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, give_up)
        terminal = Terminal(self.plan.settings, self.plan.runtime_dir, log_file=self.plan.log_file)
        async with terminal:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._over.set)
            stopped = loop.create_task(self._end_with(terminal.stopped))
            try:
                return await self._converse()
            finally:
                stopped.cancel()
                await self._hush()

    async def _end_with(self, stopped: asyncio.Event) -> None:
        await stopped.wait()
        self._over.set()

    async def _hush(self) -> None:
        if self.keyboard is not None:
            asyncio.get_running_loop().remove_reader(self.keyboard)
        for order in self._orders:
            order.cancel()
        await asyncio.gather(*self._orders, return_exceptions=True)
        self.screen.close()

    async def _converse(self) -> bool:
        self._began = time.time()
        async with Client(
            self.plan.runtime_dir, subscribes=_WANTED, on_message=self._on_message
        ) as client:
            await client.insist(SESSION, StartSession())
            now, speech_s = self.clock(), self.plan.speech_s
            ending = Ending(
                speech_ends=now + speech_s if speech_s and self.ends_with_speech else None,
                seconds_end=now + self.seconds if self.seconds is not None else None,
                last_word=now,
            )
            self._listen_to_keys(client)
            return await self._until_over(client, ending)

    async def _until_over(self, client: Client, ending: Ending) -> bool:
        said, asked = -1, self.clock()
        while not self._over.is_set():
            now = self.clock()
            if said != (said := self.story.heard + self.story.answers + self.story.written):
                ending.last_word = now
            if ending.due(now, busy=self.story.busy):
                return ending.seconds_end is None
            if now >= asked + _AGAIN_S:
                asked = now
                client.post.rejoin()
                self._spawn(self._catch_up(client))
            self._draw()
            try:
                async with asyncio.timeout(_TICK_S):
                    await self._over.wait()
            except TimeoutError:
                continue
        return False

    # -- from the terminal -----------------------------------------------------------------------

    def _on_message(self, message: Message, _sender: str) -> None:
        match message:
            case AudioLevel(input_dbfs=level):
                self._level = level
            case KioskState(address=address) if address != self._address:
                self._address = address
                self._draw([Line("page", address)])
            case _:
                self._draw(self.story.on(message))

    async def _catch_up(self, client: Client) -> None:
        try:
            answer = await client.ask(SESSION, GetMessages(), _AGAIN_S)
        except OrderFailed:
            return
        assert isinstance(answer, Messages)
        for message in answer.messages:
            if message.timestamp >= self._began:
                self._draw(self.story.on(MessageChanged(message)))

    def _draw(self, lines: Sequence[Line] = ()) -> None:
        live = [line_of(message) for message in self.story.live.values()]
        prompt = f"{self.story.agent_state} {meter(self._level)} > {self._editor.text}"
        self.screen.show(lines, live, prompt)

    # -- from the operator -----------------------------------------------------------------------

    def _listen_to_keys(self, client: Client) -> None:
        if self.keyboard is None:
            return
        try:
            asyncio.get_running_loop().add_reader(self.keyboard, self._typed, client)
        except PermissionError:  # a file or /dev/null: epoll watches only what can wait
            self.keyboard = None

    def _typed(self, client: Client) -> None:
        assert self.keyboard is not None
        typed = os.read(self.keyboard, 4096)
        for text in self._editor.feed(typed):
            if text.strip():
                self._spawn(self._say(client, text))
        if not typed:
            asyncio.get_running_loop().remove_reader(self.keyboard)
        if self.ends_with_keyboard and (self._editor.ended or not typed):
            self._over.set()
        self._draw()

    async def _say(self, client: Client, text: str) -> None:
        try:
            await client.insist(SESSION, Say(text, str(uuid.uuid4())))
        except OrderFailed as failed:
            self._draw([Line(ERROR, f"{failed.sentence} {failed.remedy}".strip())])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        order = asyncio.get_running_loop().create_task(work)
        self._orders.add(order)
        order.add_done_callback(self._orders.discard)

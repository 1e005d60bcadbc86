"""The line between a session object and a running terminal, for as long as the object lives."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from actors.messages import (
    AudioLevel,
    AudioState,
    ChatMessage,
    DataReceived,
    GetAgentHistory,
    Message,
    MessageChanged,
    MessagePurged,
    MessagesRestored,
    Missed,
    PerformRpc,
    SendData,
    SessionState,
)
from actors.runtime.client import Client
from actors.runtime.errors import OrderFailed
from actors.runtime.fetcher import Fetcher
from actors.runtime.post import ROUTER

from .data import packet_of
from .observers import Observers
from .services import Service
from .snapshot import Levels
from .view import View

log = logging.getLogger(__name__)

SESSION, AUDIO, ROOM = "session", "audio", "room"
OPEN_S = 10.0
"""Until a terminal that runs has said how things stand: one that was just started is busy."""
DEVICES_S = 30.0
"""The sound system may take 8 s to tell what there is, and again for each device that is tried."""
ROUND_TRIP_S = 10.0
"""Of a call to the agent, beside its answer: LiveKit's client gives it 7 s."""


class Link:
    """Keeps ``view`` true over crashes of whatever there is; ``observers`` are told each change,
    in the loop. ``services``: what the terminal may ask of this program.
    """

    def __init__(
        self,
        runtime_dir: Path,
        view: View,
        observers: Observers,
        services: Sequence[Service] = (),
    ) -> None:
        self.runtime_dir = runtime_dir
        self._view = view
        self._observers = observers
        self._tell = observers.tell
        self._services = services
        self._offering: dict[Service, asyncio.Task[None]] = {}
        self._fetcher = Fetcher(self._ask_for_list, self._take_list)
        self._fetcher.fetch()
        self._has_state = asyncio.Event()
        self._client = Client(
            runtime_dir,
            subscribes=(
                SessionState, MessageChanged, MessagePurged, MessagesRestored, AudioLevel,
                AudioState, DataReceived,
            ),
            on_message=self._on_message,
            on_peer=self._on_peer,
            on_ask=self._on_ask,
        )  # fmt: skip

    async def open(self) -> None:
        """Raises ``NotRunning``, or ``NoAnswer`` when there is no session that answers."""
        await self._client.__aenter__()
        self._keeping = asyncio.create_task(self._fetcher.run(), name="session-list")
        for service in self._services:
            self.offer(service)
        try:
            async with asyncio.timeout(OPEN_S):
                await self._fetcher.fetched()
                await self._has_state.wait()
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                raise OrderFailed(
                    "no-answer",
                    "the terminal's session does not answer",
                    "callpoint status shows what is the matter",
                ) from None
            raise

    async def close(self) -> None:
        """The terminal goes on without us."""
        tasks = (self._keeping, *self._offering.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.__aexit__(None, None, None)

    async def order(self, message: Message) -> Message:
        """Ask the session. Raises ``OrderFailed``."""
        return await self._client.insist(SESSION, message)

    async def ask_audio(self, message: Message) -> Message:
        """Ask the audio process, which may have to try a device. Raises ``OrderFailed``."""
        return await self._client.insist(AUDIO, message, DEVICES_S)

    async def send_data(self, data: SendData) -> Message:
        """Ask the room, once: a second packet is another one. Raises ``OrderFailed``."""
        return await self._client.ask(ROOM, data, ROUND_TRIP_S)

    async def call_agent(self, call: PerformRpc) -> Message:
        """Ask the room, once: nobody knows what a second call would do. Raises ``OrderFailed``."""
        return await self._client.ask(ROOM, call, call.timeout_s + ROUND_TRIP_S)

    async def agent_history(self, timeout_s: float) -> Message:
        """Ask the room what the agent remembers. Raises ``OrderFailed``."""
        return await self._client.insist(ROOM, GetAgentHistory(timeout_s), timeout_s + ROUND_TRIP_S)

    async def refresh(self) -> None:
        """Ask for the list anew; returns when it is seen. Raises TimeoutError."""
        self._fetcher.fetch()
        async with asyncio.timeout(OPEN_S):
            await self._fetcher.fetched()

    def _on_message(self, message: Message, sender: str) -> None:
        match message:
            case AudioLevel() if sender == AUDIO:
                self._observers.hear(Levels(message.input_dbfs, message.output_dbfs))
            case DataReceived() if sender == ROOM:
                self._observers.data(packet_of(message))
            case AudioState() if sender == AUDIO:
                self._tell(self._view.apply_audio(message))
            case Missed():
                self._fetcher.fetch()
            case MessagesRestored() if sender == SESSION:
                self._fetcher.fetch()
            case _ if sender == SESSION:
                self._tell(self._view.apply(message))
                if isinstance(message, SessionState):
                    self._has_state.set()

    def _on_peer(self, name: str, up: bool) -> None:
        if up:
            for service in self._services:
                if name in (service.to, ROUTER):
                    self.offer(service)
        if name == AUDIO and not up:
            self._observers.hear(Levels())
        if name not in (SESSION, ROUTER):
            return
        if up:
            self._fetcher.fetch()
        else:
            self._tell(self._view.detached())

    # -- what this program does for the terminal --------------------------------------------------

    def offer(self, service: Service) -> None:
        """Whoever is to ask is told, be it a process that has just been started."""
        if (offered := service.offer()) is None:
            return
        if (before := self._offering.pop(service, None)) is not None:
            before.cancel()
        task = asyncio.create_task(self._offer(service.to, offered), name="offer")
        self._offering[service] = task

    async def _offer(self, to: str, offered: Message) -> None:
        try:
            await self._client.post.joined()
            await self._client.insist(to, offered)
        except OrderFailed as failed:
            log.info("not wanted", extra={"offered": offered.tag(), "code": failed.code})

    async def _on_ask(self, message: Message, sender: str) -> Message:
        for service in self._services:
            if sender == service.to and isinstance(message, service.takes):
                return await service.answer(message)
        raise OrderFailed("invalid", "this program takes no such orders")

    async def _ask_for_list(self, message: Message) -> Message:
        await self._client.post.joined()
        self._view.expect_list()
        return await self._client.ask(SESSION, message)

    def _take_list(self, messages: tuple[ChatMessage, ...]) -> None:
        self._tell(self._view.take_list(messages))

"""The session process: orders and snapshots in, the machine's effects out."""

import asyncio
import os
import random
import re
import socket
import time
import uuid
from collections.abc import Coroutine
from typing import Any

from actors.messages import (
    AudioState,
    ChatMessage,
    DiscardBuffer,
    DismissError,
    EndSession,
    GetMessages,
    HistoryPage,
    JoinRoom,
    LeaveRoom,
    ListHistory,
    Message,
    MessageChanged,
    MessagePurged,
    Messages,
    RoomState,
    Said,
    Say,
    SendText,
    SessionState,
    SetMuted,
    StartRecording,
    StartSession,
    StopRecording,
    StoreMessage,
    TextStream,
)
from actors.runtime.actor import Actor
from actors.runtime.errors import OrderFailed, StartError, Unreachable
from actors.settings.credentials import CredentialsError, load_credentials

from . import machine as to_do
from .machine import Effect, Machine
from .messages import MessageList
from .tokens import ConnectionDetails, TokenError, TokenRequest, TokenSource
from .transcripts import TOPIC, Transcripts

_JOIN_S = 20.0
"""A connect that takes longer is taken for wedged; the SDK itself tries for about 15 s."""
_RECORDER_S = 3.0


class SessionActor(Actor):
    """The Agent API's session and agent for whoever asks."""

    subscribes = (RoomState, AudioState, TextStream)

    async def on_start(self) -> None:
        """Find out where tokens come from: a mistake there is told before anyone talks."""
        session = self.settings.session
        timeout = session.agent_connect_timeout
        self._machine = Machine(
            pre_connect_audio=session.pre_connect_audio,
            timeout_s=None if timeout == "off" else timeout,
        )
        self._tokens = self._token_source()
        self._identity = self.settings.livekit.identity or _own_identity()
        self._list = MessageList()
        self._transcripts = Transcripts()
        self._room_name = ""
        self._muted = False
        self._publishing = False
        self._timer: asyncio.Task[None] | None = None
        self._joining: asyncio.Task[None] | None = None
        self._up = {"audio": asyncio.Event(), "room": asyncio.Event()}
        if session.start == "boot":
            self.spawn(self._boot(), "boot")

    def _token_source(self) -> TokenSource:
        livekit = self.settings.livekit
        if livekit.backend == "practice":
            from .tokens.practice import PracticeTokens

            return PracticeTokens()
        if livekit.token_endpoint:
            from .tokens.endpoint import EndpointTokens

            return EndpointTokens(livekit.token_endpoint)
        try:
            found = load_credentials(os.environ)
        except CredentialsError as error:
            raise StartError(error.reason, error.remedy) from error
        url = livekit.url or found.url
        if not url or found.missing:
            raise StartError(
                "there is no way to get a token",
                "set [livekit] token_endpoint, or LIVEKIT_URL, LIVEKIT_API_KEY and"
                " LIVEKIT_API_SECRET in the environment",
            )
        from .tokens.local import LocalTokens

        return LocalTokens(url, found.api_key, found.api_secret)

    async def _boot(self) -> None:
        await self._up["audio"].wait()  # consumers start first: it is not there yet
        await self._start()

    # -- messages --------------------------------------------------------------------------------

    async def on_message(self, message: Message, sender: str) -> Message | None:
        """Orders are answered, snapshots and streams folded."""
        match message:
            case StartSession():
                await self._start()
            case EndSession():
                await self._carry_out(self._machine.end())
            case Say(text=text, id=id_):
                return Said(await self._say(text, id_))
            case SetMuted():
                await self.ask("audio", message)
            case DismissError():
                self._machine.dismiss_error()
                self._publish_soon()
            case GetMessages():
                return Messages(self._list.all())
            case RoomState():
                await self._room_changed(message)
            case AudioState():
                self._muted = message.muted
                self._machine.recorder_state(message.conversation, recording=message.recording)
                self._publish_soon()
            case TextStream(topic=topic) if topic == TOPIC:
                self._fold(message)
        return None

    async def _start(self) -> None:
        conversation = uuid.uuid4().hex
        if self._machine.is_on:
            self.log.info("start ignored: a session is on")
            return
        # A room whose agent has gone is not used again: each conversation has one of its own.
        self._room_name = self.settings.livekit.room_name or f"callpoint-{conversation[:12]}"
        self._transcripts = Transcripts()
        await self._carry_out(self._machine.start(conversation))

    async def _room_changed(self, room: RoomState) -> None:
        if room.conversation and not self._machine.is_on and room.connection_state == "connected":
            await self._adopt(room)
        await self._carry_out(self._machine.room_changed(room, random.random()))  # noqa: S311

    async def _adopt(self, room: RoomState) -> None:
        """This process is new, the conversation is not."""
        self._room_name = room.room_name
        self._machine.adopt(room.conversation, recording=True)
        try:
            page = await self.ask("history", ListHistory(1000, room.conversation))
        except OrderFailed as failed:
            self.log.warning("messages not restored", extra={"code": failed.code})
            return
        assert isinstance(page, HistoryPage)
        self._list.restore((*page.messages, *self._list.all()))

    async def _say(self, text: str, id_: str) -> ChatMessage:
        if not text.strip():
            raise OrderFailed("invalid", "there is no text to send")
        if id_ and (said := self._list.get(id_)) is not None:
            return said
        if self._machine.connection_state != "connected":
            raise OrderFailed(
                "not-connected", "no conversation is connected", "callpoint start begins one"
            )
        message = ChatMessage(
            id_ or str(uuid.uuid4()),
            "user_input",
            text,
            time.time(),
            True,
            self._machine.conversation,
        )
        try:
            await self.ask("room", SendText(message.id, text))
        except OrderFailed as failed:
            self._machine.fail("sender", failed.reason)
            self._publish_soon()
            raise OrderFailed("sender", failed.reason, failed.remedy) from failed
        self._put(message)
        return message

    def _fold(self, stream: TextStream) -> None:
        if stream.error:
            self._machine.fail("receiver", stream.error)
            self._publish_soon()
        folded = self._transcripts.fold(stream, self._machine.room.identity or self._identity)
        for id_ in folded.purged:
            self._list.purge(id_)
            self.publish(MessagePurged(id_))
        if folded.message is not None:
            self._put(folded.message)

    def _put(self, message: ChatMessage) -> None:
        self._list.put(message)
        self.publish(MessageChanged(message))
        if message.is_final:
            self.deliver("history", StoreMessage(message))

    # -- effects ---------------------------------------------------------------------------------

    async def _carry_out(self, effects: list[Effect]) -> None:
        self._publish_soon()
        for effect in effects:
            match effect:
                case to_do.StartRecorder(resume=resume):
                    await self._start_recorder(resume=resume)
                case to_do.StopRecorder():
                    await self._try("audio", StopRecording())
                case to_do.Join(delay_s=delay):
                    if self._joining is None or self._joining.done():
                        self._joining = self.after(delay, self._join())
                case to_do.Leave():
                    await self._leave()
                case to_do.Discard():
                    await self._try("room", DiscardBuffer())
                case to_do.ArmTimer(seconds=seconds):
                    self._cancel_timer()
                    self._timer = self.after(seconds, self._timed_out())
                case to_do.CancelTimer():
                    self._cancel_timer()

    async def _try(self, to: str, order: Message) -> None:
        try:
            await self.ask(to, order)
        except OrderFailed as failed:
            self.log.warning("order not carried out", extra={"to": to, "code": failed.code})

    async def _start_recorder(self, *, resume: bool) -> None:
        conversation = self._machine.conversation
        try:
            await self.ask("audio", StartRecording(conversation, resume), _RECORDER_S)
        except OrderFailed as failed:
            await self._carry_out(self._machine.recorder_failed(conversation, failed.reason))
            raise OrderFailed("media", failed.reason, failed.remedy) from failed
        await self._carry_out(self._machine.recorder_started(conversation))

    async def _join(self) -> None:
        conversation = self._machine.conversation
        try:
            details = await self._fetch_token()
            order = JoinRoom(
                conversation,
                details.url,
                details.token,
                microphone=True,
                preconnect=self.settings.session.pre_connect_audio,
                room_name=self._room_name,
                identity=self._identity,
            )
            await self._room_is_up()
            await self.ask("room", order, _JOIN_S)
        except (TokenError, OrderFailed) as error:
            self.log.warning("join failed", extra={"cause": type(error).__name__})
            self._joining = None
            chance = random.random()  # noqa: S311
            await self._carry_out(self._machine.join_failed(conversation, str(error), chance))

    async def _room_is_up(self) -> None:
        """At boot it is started after us. Raises ``Unreachable``."""
        try:
            await asyncio.wait_for(self._up["room"].wait(), _JOIN_S)
        except TimeoutError:
            raise Unreachable("room") from None

    async def _fetch_token(self) -> ConnectionDetails:
        livekit = self.settings.livekit
        request = TokenRequest(
            self._room_name, self._identity, livekit.agent_name, livekit.agent_metadata
        )
        return await self._tokens.fetch(request)

    async def _leave(self) -> None:
        if self._joining is not None and self._joining is not asyncio.current_task():
            self._joining.cancel()
        self._joining = None
        await self._try("room", LeaveRoom())

    async def _timed_out(self) -> None:
        self._timer = None
        await self._carry_out(self._machine.agent_timed_out())

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what others see -------------------------------------------------------------------------

    def on_peer(self, name: str, up: bool) -> None:
        """The room's process has died or is back: the conversation goes on in a new one."""
        if (event := self._up.get(name)) is not None:
            (event.set if up else event.clear)()
        if name != "room":
            return
        if up:
            self._in_background(self._carry_out(self._machine.room_came()))
        else:
            if self._joining is not None:
                self._joining.cancel()
                self._joining = None
            self._machine.room_went()
            self._publish_soon()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        self.spawn(work, "effects")

    def _publish_soon(self) -> None:
        """Once for all changes of one turn of the loop."""
        if not self._publishing:
            self._publishing = True
            asyncio.get_running_loop().call_soon(self._publish)

    def _publish(self) -> None:
        self._publishing = False
        machine = self._machine
        self.publish_state(
            SessionState(
                conversation=machine.conversation,
                is_connected=machine.is_on,
                connection_state=machine.connection_state,
                agent=machine.agent,
                muted=self._muted,
                room_name=self._room_name,
                error=machine.error,
            )
        )


def _own_identity() -> str:
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()) or "unnamed"
    return f"terminal-{host}"

"""The session of LiveKit's Agent API, for a program beside the terminal."""

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.messages import (
    ConnectionState,
    Devices,
    DevicesChosen,
    DismissError,
    EndSession,
    ListDevices,
    Messages,
    PerformRpc,
    PrepareSession,
    RestoreMessages,
    SessionError,
    SetEncryption,
    SetMuted,
    StartSession,
)
from actors.runtime.feed import CAPACITY

from . import data
from .agent import Agent
from .data import OnData
from .devices import DIRECTION, AudioDevice, DeviceKind, of_kind, order
from .errors import OrderInDoubt, OrderRefused
from .line import Line
from .message import ReceivedMessage, SentMessage, received, to_chat
from .messaging import MessageReceiver, MessageSender
from .observers import Changes, Newest, Observers, OnChange
from .options import SessionOptions
from .own_messages import OwnMessages
from .rpc import RpcHandler, RpcService, payload_of
from .services import services_of
from .snapshot import Levels, Snapshot
from .tokens import TokenOptions, TokenSource
from .view import View

CONNECT_S = 30.0
"""A join that takes longer is given up by the terminal, which says so."""

DEVICES_S = 20.0
"""Until the audio process that uses other devices is there: it is started a little later each time
that follows soon after another, and opens them, or those of the config if they are gone again."""

SETTLE_S = 1.0
"""Between the answer to an order and its being seen: a turn or two of several loops."""


class Session:
    """A conversation with an agent, in a terminal of its own or in one that is attached to.

    The same object either way. Use it with ``async with``, or call :meth:`close` in the end: that
    ends a terminal that was started by it, and never one that it was attached to. Without either
    the terminal ends with the program. All of it belongs to one event loop.
    """

    def __init__(
        self,
        token_source: TokenSource | None = None,
        token_options: TokenOptions | None = None,
        options: SessionOptions | None = None,
        *,
        runtime_dir: str | Path | None = None,
        senders: Sequence[MessageSender] | None = None,
        receivers: Sequence[MessageReceiver] = (),
    ) -> None:
        """As :meth:`with_agent`. ``token_options``: whom the token is to call, which room it is for
        and who the terminal is in there; without an agent's name the server sends whichever it has.

        ``senders``: None: the text goes to the agent; else these, one after the other, and
        :class:`TextSender` among them if the agent is to get it too. ``receivers``: besides the
        terminal's own.
        """
        tokens = token_source or TokenSource.from_environment()
        self._view = View(self._wait_for_agent)
        self._observers = Observers(self._view.snapshot)
        self._tell = self._observers.tell
        self._rpc = RpcService()
        self._line = Line(
            options or SessionOptions(),
            tokens,
            token_options or TokenOptions(),
            Path(runtime_dir).absolute() if runtime_dir else None,
            self._view,
            self._observers,
            lambda: services_of(self._rpc, tokens.function),
        )
        self._own = OwnMessages(senders, receivers, self._view, self._observers, self._line.order)

    @classmethod
    def with_agent(
        cls,
        name: str,
        *,
        agent_metadata: str = "",
        token_source: TokenSource | None = None,
        options: SessionOptions | None = None,
        runtime_dir: str | Path | None = None,
        senders: Sequence[MessageSender] | None = None,
        receivers: Sequence[MessageReceiver] = (),
    ) -> Self:
        """A session with the agent of that name; nothing is started yet.

        ``token_source``: else the environment's keys. ``runtime_dir``: attach to the terminal that
        runs there, which has its own agent and options, or start one there; None: always a new
        terminal. ``senders``, ``receivers``: as for :class:`Session`.
        """
        return cls(
            token_source,
            TokenOptions(agent_name=name, agent_metadata=agent_metadata),
            options,
            runtime_dir=runtime_dir,
            senders=senders,
            receivers=receivers,
        )

    @classmethod
    def attach(
        cls, runtime_dir: str | Path | None = None, *, token_source: TokenSource | None = None
    ) -> Self:
        """A session of the terminal that runs in ``runtime_dir``; nothing is asked of it yet.

        None: CALLPOINT_RUNTIME_DIR, else the default of this user, as for ``callpoint status``.
        ``token_source``: one with a function gives a terminal its tokens whose config has
        ``token_source = "program"``; any other is the terminal's own matter.
        """
        from actors.settings.dirs import runtime_dir as default_dir

        session = cls(token_source, runtime_dir=runtime_dir or default_dir(os.environ))
        session._line.attach_only()
        return session

    # -- opening and closing ---------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Attach to the terminal, or start it; every order does that by itself.

        Raises :class:`TerminalError` when there is none, :class:`OptionsError`, and
        :class:`SessionClosed`.
        """
        await self._line.open(self._own.receive)

    async def prepare_connection(self) -> None:
        """Ahead of :meth:`start`, which is then faster: open the terminal, and have it fetch the
        token. One that cannot be had is no error yet. Raises as :meth:`end`.
        """
        await self.open()
        await self._line.order(PrepareSession())

    async def close(self) -> None:
        """Let go of the terminal: one that was started here ends, another goes on, and so does its
        conversation. Observers end, and waiters get :class:`SessionClosed`.
        """
        await self._line.close(self._own.close)

    # -- how it is -------------------------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """All of it at this moment."""
        return self._view.snapshot()

    @property
    def runtime_dir(self) -> Path | None:
        """Of the terminal, for others to attach to; None: it is not opened."""
        return self._line.link.runtime_dir if self._line.link else None

    @property
    def is_attached(self) -> bool:
        """The terminal answers; else everything is as it was last seen."""
        return self.snapshot.is_attached

    @property
    def is_connected(self) -> bool:
        """A conversation is on: connecting, connected and reconnecting."""
        return self.snapshot.is_connected

    @property
    def connection_state(self) -> ConnectionState:
        """``disconnected``, ``connecting``, ``connected`` or ``reconnecting``."""
        return self.snapshot.connection_state

    @property
    def agent(self) -> Agent:
        """The agent at this moment."""
        return self.snapshot.agent

    @property
    def messages(self) -> tuple[ReceivedMessage, ...]:
        """In the order in which they first appeared; the newest 2000."""
        return self.snapshot.messages

    @property
    def error(self) -> SessionError | None:
        """What went wrong last: ``kind``, ``reason``; until dismissed or the next start."""
        return self.snapshot.error

    @property
    def is_muted(self) -> bool:
        """The microphone is off."""
        return self.snapshot.is_muted

    @property
    def is_encrypted(self) -> bool:
        """What is said and sent is encrypted end to end. That the agent has another key, or none,
        is error ``media``.
        """
        return self.snapshot.is_encrypted

    @property
    def input_dbfs(self) -> float:
        """RMS of the microphone over the last fraction of a second; -120.0: silence."""
        return self._observers.loudness.input_dbfs

    @property
    def agent_dbfs(self) -> float:
        """The same of the agent's voice, as it is played."""
        return self._observers.loudness.agent_dbfs

    def get_message_history(self) -> tuple[ReceivedMessage, ...]:
        """The same as :attr:`messages`."""
        return self.messages

    # -- orders ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin the conversation; returns when its connection stands or has failed. Does nothing
        when one is on.

        With pre-connect audio the recorder runs before anything is connected: wait in another task
        with ``agent.wait_until_could_be_listening``. Trouble with network, tokens or microphone is
        not raised but is :attr:`error`.

        Raises as :meth:`open`, and :class:`OrderInDoubt` when nobody answers: the microphone may
        be on, or go on.
        """
        await self.open()
        self._tell(self._view.clear_error())
        try:
            await self._line.order(StartSession())
        except OrderRefused as refused:
            if self.error is None:
                self._tell(self._view.fail("connection", refused.reason))
            return
        with contextlib.suppress(TimeoutError):
            await self._observers.until(lambda now: now.connection_state != "connecting", CONNECT_S)

    async def end(self) -> None:
        """End the conversation; the terminal goes on, and so does this object.

        Raises as :meth:`open`, :class:`OrderRefused` when it was not and will not be done, and
        :class:`OrderInDoubt` when nobody answers.
        """
        await self.open()
        await self._line.order(EndSession())

    async def send(self, text: str) -> SentMessage | None:
        """Send the agent a text. None: it was not sent and will not be, and :attr:`error` says why.

        Raises as :meth:`open`, and :class:`SendInDoubt` when it is not known whether it was, which
        takes a process of the terminal that died over it and was not back at once.
        """
        await self.open()
        return await self._own.send(text)

    async def mute(self) -> None:
        """Microphone off: nothing is recorded. Raises as :meth:`end`."""
        await self.open()
        await self._line.order(SetMuted(True))
        await self._settle(lambda now: now.is_muted)

    async def unmute(self) -> None:
        """Microphone on. Raises as :meth:`end`."""
        await self.open()
        await self._line.order(SetMuted(False))
        await self._settle(lambda now: not now.is_muted)

    async def get_local_devices(self, kind: DeviceKind) -> tuple[AudioDevice, ...]:
        """The terminal's microphones (``audioinput``) or loudspeakers (``audiooutput``) as they are
        now. Raises as :meth:`end`, :class:`OrderRefused` also when the sound system does not tell.
        """
        await self.open()
        found = await self._line.asked(lambda link: link.ask_audio(ListDevices()))
        return of_kind(kind, found.devices if isinstance(found, Devices) else ())

    def get_active_device(self, kind: DeviceKind) -> str:
        """Name of the microphone or loudspeaker in use; ``none``: there is none; empty: not known.
        Also in :attr:`snapshot`.
        """
        now = self.snapshot
        return now.input_device if DIRECTION[kind] == "input" else now.output_device

    async def switch_active_device(
        self, kind: DeviceKind, device: AudioDevice | str | None
    ) -> None:
        """Use another microphone or loudspeaker from now on, until the machine restarts; returns
        when it is used. In a conversation that costs what is said in the part of a second until the
        other one is open.

        ``device``: one of :meth:`get_local_devices`, or as a config's ``input`` and ``output``: a
        name, a part of one, an id, ``default`` or ``none``; None: what the config says. Those of
        the config take its place while it cannot be used.

        Raises as :meth:`end`, :class:`OrderRefused` also when there is no such device, it cannot be
        opened, or there were five changes within two minutes: then nothing has changed.
        """
        await self.open()
        wanted = order(kind, device)
        chosen = await self._line.asked(lambda link: link.ask_audio(wanted))
        if not isinstance(chosen, DevicesChosen):
            return
        try:
            await self._observers.until(lambda _: self._view.uses(chosen), DEVICES_S)
        except TimeoutError:
            raise OrderInDoubt(
                "the device was there when it was tried, and is not used",
                "callpoint status shows what is the matter",
            ) from None

    async def set_encryption_enabled(self, enabled: bool) -> None:
        """End-to-end encryption on or off from now on, on this side: the agent must do the same.

        Raises as :meth:`end`, :class:`OrderRefused` also when the terminal has no key.
        """
        await self.open()
        await self._line.order(SetEncryption(enabled))
        await self._settle(lambda now: now.is_encrypted == enabled)

    async def dismiss_error(self) -> None:
        """Clear :attr:`error`, never the agent's failure. Raises as :meth:`end`."""
        self._tell(self._view.clear_error())
        await self.open()
        dismissed = self.error
        await self._line.order(DismissError())
        await self._settle(lambda now: now.error is None or now.error != dismissed)

    async def restore_message_history(self, messages: Iterable[ReceivedMessage]) -> None:
        """Replace the whole list, for everybody: sorted by timestamp, of two with one id the last
        counts, the newest 2000. Raises as :meth:`end`.
        """
        await self.open()
        await self._line.order(RestoreMessages(tuple(to_chat(message) for message in messages)))
        self._tell(self._view.forget_own())
        if (link := self._line.link) is not None:
            with contextlib.suppress(TimeoutError):
                await link.refresh()

    async def perform_rpc(self, method: str, payload: str = "", *, timeout_s: float = 15.0) -> str:
        """Call a method of the agent; returns its answer.

        Raises :class:`RpcError` when it has none, as :meth:`open`, :class:`OrderRefused` when no
        conversation is connected, and :class:`OrderInDoubt` when a process of the terminal dies
        meanwhile: it is not known then whether the agent was called.
        """
        await self.open()
        call = PerformRpc(method, payload, timeout_s)
        return payload_of(await self._line.asked(lambda link: link.call_agent(call)))

    def register_rpc_method(self, method: str, handler: RpcHandler) -> Callable[[], None]:
        """Answer the agent's calls of this method with ``handler``: a coroutine function runs in
        the session's loop, any other in a thread. It raises :class:`RpcError` to tell the caller
        what is wrong. Returns what ends it. Of several programs with one method, the last is asked.
        """
        self._rpc.register(method, handler)
        self._offer_rpc()

        def end() -> None:
            self._rpc.unregister(method, handler)
            self._offer_rpc()

        return end

    def _offer_rpc(self) -> None:
        if self._line.link is not None:
            self._line.link.offer(self._rpc)

    async def _settle(self, condition: Callable[[Snapshot], bool]) -> None:
        """What was ordered is done: wait until it can be seen, unless somebody has undone it."""
        with contextlib.suppress(TimeoutError):
            await self._observers.until(condition, SETTLE_S)

    # -- waiting and watching --------------------------------------------------------------------

    async def get_agent_history(self, *, timeout_s: float = 5.0) -> tuple[ReceivedMessage, ...]:
        """What the agent itself remembers of this conversation, oldest first, with ids of its own:
        to compare with :attr:`messages`, say after a crash in the middle of a sentence. What was
        written to it is a ``user_transcript`` too: it does not tell the two apart. What it is
        saying is there when it has said it.

        Raises as :meth:`open`, and :class:`OrderRefused` when no conversation is connected, or the
        agent does not tell: those of livekit-agents do.
        """
        await self.open()
        told = await self._line.asked(lambda link: link.agent_history(timeout_s))
        return tuple(map(received, told.messages)) if isinstance(told, Messages) else ()

    async def publish_data(
        self,
        payload: bytes | str,
        *,
        topic: str = "",
        reliable: bool = True,
        to: Iterable[str] = (),
    ) -> None:
        """Send a packet of at most 15 KiB, to the participants with these identities (the agent's
        is ``session.agent.identity``) or to everyone. Reliable ones arrive in order or not at all;
        others may be lost, and are as fast as can be.

        Raises as :meth:`open`, :class:`OrderRefused` when it was not sent, and
        :class:`OrderInDoubt` when a process of the terminal dies meanwhile: it is not known then
        whether it was.
        """
        await self.open()
        packet = data.order(payload, topic, to, reliable=reliable)
        await self._line.asked(lambda link: link.send_data(packet))

    def on_data(self, callback: OnData, topic: str | None = None) -> Callable[[], None]:
        """Call it in the loop with every packet of data that comes from now on, or only with those
        of a topic; returns what ends that. What comes while a process of the terminal is dead is
        not told.
        """
        return self._observers.call_with_data(callback, topic)

    async def wait_until_connected(self, timeout_s: float | None = None) -> None:
        """Until the connection stands.

        Raises :class:`SessionFailed` when it is off because of an error, TimeoutError after
        ``timeout_s`` seconds, :class:`SessionClosed`, and as :meth:`open`.
        """
        await self.open()

        await self._observers.unless_failed(
            lambda now: now.connection_state == "connected", timeout_s
        )

    async def wait_until_disconnected(self, timeout_s: float | None = None) -> None:
        """Until no conversation is on. Raises TimeoutError, :class:`SessionClosed`, and as
        :meth:`open`.
        """
        await self.open()
        await self._observers.until(lambda now: not now.is_connected, timeout_s)

    async def _wait_for_agent(
        self, until: Callable[[Agent], bool], timeout_s: float | None
    ) -> Agent:
        found = await self._observers.unless_failed(lambda now: until(now.agent), timeout_s)
        return found.agent

    def changes(self, capacity: int = CAPACITY) -> Changes:
        """``async for change in session.changes()``: every change in order from now on, the first a
        :class:`Refreshed`. Who is more than ``capacity`` behind gets another one instead.
        """
        return self._observers.changes(capacity)

    def snapshots(self) -> Newest[Snapshot]:
        """``async for snapshot in session.snapshots()``: the one of now, then the newest whenever
        something has changed.
        """
        return self._observers.snapshots()

    def levels(self) -> Newest[Levels]:
        """``async for levels in session.levels()``: how loud microphone and agent are, for a
        visualiser: five times a second while there is something to hear, or the newest for who is
        slower.
        """
        return self._observers.levels()

    def on_change(self, callback: OnChange) -> Callable[[], None]:
        """Call it in the loop with every change from now on; returns what ends that."""
        return self._observers.call(callback)

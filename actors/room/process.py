"""The room process: orders in, the room's news out, two audio lanes to the audio process."""

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from actors.messages import (
    AgentHistory,
    AudioState,
    Captured,
    DataReceived,
    DiscardBuffer,
    Done,
    GetAgentHistory,
    JoinRoom,
    LeaveRoom,
    Message,
    Messages,
    PerformRpc,
    RecallHistory,
    RoomState,
    SendData,
    SendText,
    ServeRpc,
    SetEncryption,
    TextStream,
)
from actors.messages.codec import CorruptMessage, decode_message, encode_message
from actors.runtime.actor import Actor, Answer
from actors.runtime.bus import TAKEN, Lane
from actors.runtime.corrupt import CorruptFrames
from actors.runtime.errors import OrderFailed, StartError
from actors.runtime.outbox import OutboxFull
from actors.runtime.realtime import run_in_real_time
from actors.settings.credentials import E2EE_KEY, CredentialsError, load_credentials

from .backend import DataCame, OnEvent, RoomBackend, RoomError, RpcInvoked
from .call import LOST, Call
from .mic import MicLane
from .microphone import Microphone
from .rpc import RpcDesk
from .speaker import QUEUE, SpeakerLane
from .uplink import Uplink

AUDIO = "audio"
SESSION = "session"
KEPT_TEXTS = 256
"""Texts remembered as sent, by their ids."""
MEMORY_S = 5.0
"""For an agent to tell what it remembers; a busy one takes a fraction of a second."""
ASKED = 2
"""Times that an agent is asked for what it remembers, before it is left at that."""
JOINED_WITHIN_S = 2.0
"""Whoever leaves while the room is being joined waits so long for that; it takes a fifth of a
second when there is a server, and else cannot be called off."""
DEAF_S = 3.0
"""Audio says that it records, and so long nothing has come."""


class RoomActor(Actor):
    """At most one :class:`~.call.Call` at a time: the conversation that the session has ordered.

    A stop of this process never leaves the room: agents end their conversation on a leave and
    keep it on a silence, and the next incarnation takes the place again.
    """

    subscribes = (AudioState,)

    async def on_start(self) -> None:
        """Load the backend, open the lanes, say that there is no room yet."""
        if self.settings.audio.realtime:
            run_in_real_time()
        self._call: Call | None = None
        self._joining: asyncio.Future[Message | None] | None = None
        self._error = ""
        self._said: RoomState | None = None
        self._to_say = False
        self._texts: dict[str, asyncio.Future[Message | None]] = {}
        self._texts_in_order = asyncio.Lock()
        self._recording = False
        self._captured_at = 0.0
        self._corrupt = CorruptFrames("mic")
        self._desk = RpcDesk(self.ask)
        self._make_backend = self._backend()
        self._mic = self.bus.connect("dealer", "mic", self._on_mic, identity=self.name)
        push = self.bus.connect("push", "speaker", lambda *_: None, queue=QUEUE)
        self._speaker = SpeakerLane(lambda message: _send(push, message))
        self._publish()

    def _backend(self) -> Callable[[OnEvent], RoomBackend]:
        if self.settings.livekit.backend == "practice":
            from .practice_room import PracticeRoom

            return lambda on_event: PracticeRoom(on_event, self.bus)
        from . import sdk_log
        from .livekit_room import LiveKitRoom
        from .raw_room import lacks

        if lacks():
            raise StartError("this version of livekit is not supported", "install livekit 1.2.1")
        sdk_log.install()
        key = self._e2ee_key()
        return lambda on_event: LiveKitRoom(on_event, key)

    def _e2ee_key(self) -> str:
        if not self.settings.livekit.encryption:
            return ""
        try:
            key = load_credentials(os.environ).e2ee_key
        except CredentialsError as error:
            raise StartError(error.reason, error.remedy) from error
        if not key:
            raise StartError("there is no key for end-to-end encryption", f"set {E2EE_KEY}")
        return key

    # -- orders ----------------------------------------------------------------------------------

    async def on_message(self, message: Message, sender: str) -> Answer:
        """Orders of the session; the state of audio."""
        match message:
            case JoinRoom():
                return await self._join(message)
            case LeaveRoom():
                await self._leave()
            case DiscardBuffer():
                if self._call is not None and self._call.microphone is not None:
                    self._call.microphone.discard()
            case SetEncryption(enabled=enabled):
                self._set_encryption(enabled)
            case PerformRpc():
                return self.later(self._perform_rpc(message))
            case ServeRpc(methods=methods):
                self._desk.serve(sender, methods)
                if self._call is not None:
                    self._call.backend.serve_rpc(self._desk.methods)
            case SendText():
                return self._send_once(message)
            case RecallHistory():
                self.spawn(self._ask_agent(sender), "agent's history")
            case GetAgentHistory():
                return self.later(self._agent_history(message))
            case SendData():
                return self.later(self._send_data(message))
            case AudioState():
                self._on_audio_state(message)
        return None

    async def _join(self, order: JoinRoom) -> Answer:
        call = self._call
        if call is not None and call.is_for(order) and not call.is_over:
            return self._joining or Done()
        if self._joining is not None:
            raise OrderFailed("busy", "another room is being joined", "leave it first")
        await self._leave()
        self._call = call = Call(order, self._make_backend, self, self._speaker)
        call.backend.serve_rpc(self._desk.methods)
        if order.microphone:
            call.microphone = self._microphone(call.backend, preconnect=order.preconnect)
        self._joining = self.later(self._connect(call, order))
        self.call_changed()
        return self._joining

    def _microphone(self, backend: RoomBackend, *, preconnect: bool) -> Microphone:
        rate = self.settings.audio.sample_rate
        self._captured_at = time.monotonic()
        lane = MicLane(lambda follow: _send(self._mic, follow))
        uplink = Uplink(rate, preconnect=preconnect)
        return Microphone(backend, uplink, lane, rate, self.spawn, self.call_changed)

    async def _connect(self, call: Call, order: JoinRoom) -> Message | None:
        """In a task of its own, which is never cancelled but by the end of this process."""
        began = time.monotonic()
        try:
            await call.join(order, self.settings.audio.sample_rate)
        except RoomError as error:
            await self._drop(call, str(error))
            raise OrderFailed(error.code, str(error)) from None
        finally:
            self._joining = None
        self.log.info("joined", extra={"seconds": round(time.monotonic() - began, 3)})
        return Done()

    async def _leave(self) -> None:
        if self._joining is not None:
            await asyncio.wait((self._joining,), timeout=JOINED_WITHIN_S)
        if self._call is None:
            self._error = ""
            self.call_changed()
        elif self._joining is None:
            await self._drop(self._call)
        else:
            self.log.info("left while connecting: starting afresh")
            self._forget(self._call)
            self._publish()
            self.end()  # connecting cannot be cancelled; the process takes it along

    async def _drop(self, call: Call, error: str = "") -> None:
        self._forget(call, error)
        await call.leave()
        # The client's objects hold each other, and much memory outside of Python.
        asyncio.get_running_loop().call_soon(gc.collect)

    def _forget(self, call: Call, error: str = "") -> None:
        call.close("the room was left")
        self._call, self._error = None, error
        self.call_changed()

    def _joined(self, otherwise: str = "no conversation is connected") -> Call:
        if self._call is None or self._call.is_over:
            raise OrderFailed("not-connected", otherwise)
        return self._call

    def _set_encryption(self, enabled: bool) -> None:
        if self._call is not None:
            with _told():
                self._call.backend.set_encryption(enabled=enabled)

    def _send_once(self, order: SendText) -> Answer:
        """A session that was killed before it heard the answer asks again, under the same id."""
        if order.id in self._texts:
            return self._texts[order.id]
        answer = self._texts[order.id] = self.later(self._send_text(order))

        def done(answer: "asyncio.Future[Message | None]") -> None:
            if answer.cancelled() or answer.exception() is not None:
                self._texts.pop(order.id, None)

        answer.add_done_callback(done)
        while len(self._texts) > KEPT_TEXTS:
            del self._texts[next(iter(self._texts))]
        return answer

    async def _send_text(self, order: SendText) -> Message | None:
        async with self._texts_in_order:
            call = self._joined("there is no room to send to")
            await call.met()
            with _told():
                await call.backend.send_text(
                    order.text,
                    topic=order.topic,
                    stream_id=order.id,
                    attributes=dict(order.attributes),
                )
        return Done()

    async def on_drain(self) -> None:
        """Texts that are still open end here: the next incarnation cannot go on with them."""
        if self._call is not None:
            self._call.close(LOST)

    # -- news of the call ------------------------------------------------------------------------

    def call_changed(self) -> None:
        """Publish the state once this turn of the loop is over."""
        if not self._to_say:
            self._to_say = True
            asyncio.get_running_loop().call_soon(self._publish)

    def _publish(self) -> None:
        self._to_say = False
        if self._call is not None:
            state = self._call.state()
        else:
            state = RoomState("", "disconnected", error=self._error)
        if state != self._said:
            self._said = state
            self.publish_state(state)

    def text(self, stream: TextStream) -> None:
        """Show a stream that grows to everyone; the session must get one that has ended."""
        if not stream.ended:
            self.publish(stream)
            return
        try:
            self.deliver(SESSION, stream)
        except OutboxFull:
            self.log.error("a text is lost: the session has not taken any for too long")

    async def _ask_agent(self, asked_by: str) -> None:
        """What it remembers; asked once more if it does not tell, for it may have been busy."""
        for _ in range(ASKED):
            if (call := self._call) is None or call.is_over:
                return
            try:
                told = await call.agent_history(MEMORY_S)
            except RoomError as error:
                self.log.info("what was said is not told", extra={"reason": str(error)})
            else:
                with suppress(OutboxFull):  # it is late already, and will ask again
                    self.deliver(asked_by, AgentHistory(call.conversation, told))
                return

    # -- packets of data -------------------------------------------------------------------------

    async def _send_data(self, order: SendData) -> Message | None:
        call = self._joined()
        with _told():
            await call.backend.send_data(
                order.payload, topic=order.topic, reliable=order.reliable, to=order.to
            )
        return None

    def data(self, event: DataCame) -> None:
        """To whoever follows it."""
        came = DataReceived(event.payload, event.topic, event.participant, event.reliable)
        if event.reliable:
            self.publish(came)
        else:
            self.publish_level(came)

    # -- calls of methods ------------------------------------------------------------------------

    async def _perform_rpc(self, order: PerformRpc) -> Message | None:
        call = self._joined()
        with _told():
            return await call.perform_rpc(order)

    def invoked(self, event: RpcInvoked) -> None:
        """Ask who serves it, beside everything else."""
        self.spawn(self._invoke(event), "rpc")

    async def _invoke(self, event: RpcInvoked) -> None:
        result = await self._desk.invoke(event.call)
        if not event.answer.done():
            event.answer.set_result(result)

    async def _agent_history(self, order: GetAgentHistory) -> Message | None:
        call = self._joined()
        with _told():
            return Messages(await call.agent_history(order.timeout_s))

    # -- the lanes to audio ----------------------------------------------------------------------

    def _on_mic(self, _peer: bytes, frame: bytes) -> None:
        try:
            run = decode_message(frame)
        except CorruptMessage as corrupt:
            self._corrupt.note(corrupt)
            return
        if not isinstance(run, Captured) or self._call is None:
            return
        self._captured_at = time.monotonic()
        if self._call.microphone is not None:
            self._call.microphone.captured(run)

    def _on_audio_state(self, state: AudioState) -> None:
        self._recording = state.recording and not state.muted
        self._captured_at = time.monotonic()

    def on_peer(self, name: str, up: bool) -> None:
        """A restarted audio process knows nothing of us."""
        if name == AUDIO and up and self._call is not None and self._call.microphone is not None:
            self._call.microphone.audio_up()

    def health(self) -> str:
        """Judged by the frames: do they come, and does the room take them."""
        if self._call is None or self._call.is_over or self._call.microphone is None:
            return "ok"
        silent_s = time.monotonic() - self._captured_at
        if self._recording and silent_s > DEAF_S:
            return f"no microphone frames from audio for {silent_s:.0f} s"
        return self._call.microphone.health()

    def trouble(self) -> str:
        """The server's own doing, which a new process must not undo."""
        if self._call is None or self._call.is_over or self._call.microphone is None:
            return ""
        return self._call.microphone.trouble

    def quiet(self) -> bool:
        """There is no room."""
        return self._call is None


@contextmanager
def _told() -> Iterator[None]:
    """What the room does not do, as the failure of an order."""
    try:
        yield
    except RoomError as error:
        raise OrderFailed(error.code, str(error), in_doubt=error.in_doubt) from None


def _send(lane: Lane, message: Message) -> bool:
    """To audio; False when the lane did not take it."""
    return lane.send(encode_message(message)) is TAKEN

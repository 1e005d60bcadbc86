"""The session process: orders and snapshots in, the machine's effects out."""

import asyncio
import os
import random
import re
import socket
import time
import uuid
from contextlib import suppress

import msgspec

from actors.messages import (
    AgentHistory,
    AudioLevel,
    AudioState,
    ChatMessage,
    DismissError,
    EndSession,
    GetMessages,
    Message,
    Messages,
    PrepareSession,
    ProvideTokens,
    RecallHistory,
    RestoreMessages,
    RoomState,
    Say,
    SessionState,
    SetEncryption,
    SetMuted,
    StartSession,
    TextStream,
    Woken,
)
from actors.runtime.actor import Actor, Answer
from actors.runtime.dotted import load_object
from actors.runtime.errors import OrderFailed, Overloaded

from .absence import Absence
from .admission import Admission
from .boot import BootStart
from .chat import Chat
from .cipher import Cipher
from .effects import ArmTimer, CancelTimer, Effect
from .ending import NEVER, Ending, Limits
from .keeper import Keeper
from .machine import Machine
from .memory import Memory, MemoryFile, boot_id, resumable
from .occupancy import Occupancy
from .receivers import Receivers
from .record import Record
from .showing import Showing
from .timer import Timer, boottime
from .tokens.choose import token_source
from .tokens.program import ProgramTokens
from .transcripts import TOPIC
from .work import ROOM, Work

STOP_S = 2.0
"""For what is under way at a stop."""
FIRST_WORD_S = 0.5
"""So long a new process may wait for the room's word before it says that it reconnects."""
FULL_S = 1.0
"""Between two looks whether history takes messages again."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Of text in the answer to GetMessages, half of what a frame may hold."""


class SessionActor(Actor):
    """The Agent API's session and agent for whoever asks."""

    subscribes = (RoomState, AudioState, AudioLevel, TextStream, Woken)

    async def on_start(self) -> None:
        """Find out where tokens come from, and go on with what a process before this one left."""
        session, livekit = self.settings.session, self.settings.livekit
        self._muted = False
        self._showing = Showing(self._state, self.publish_state)
        self._end_timer = Timer(self._look_for_end)
        self._boot_id = boot_id()
        self._file = MemoryFile(self.runtime_dir / "session.json")
        found = self._file.read()
        tape_s = float(self.settings.audio.tape_seconds)
        memory = resumable(found or Memory(), boot=self._boot_id, now=boottime(), within_s=tape_s)
        is_unknown = found is None and self.incarnation > 1
        timeout = session.agent_connect_timeout
        self._machine = Machine(
            pre_connect_audio=session.pre_connect_audio,
            timeout_s=None if timeout == "off" else timeout,
            redispatch=session.redispatch,
            standing=None if is_unknown else memory.standing,
        )
        self._standing = self._machine.standing
        self._absence = Absence()
        self._ending = Ending(Limits.of(session, tape_s))
        self._agent_timer = Timer(self._agent_is_late, memory.agent_due_at)
        self._began_at = memory.began_at if self._machine.is_on else 0.0
        identity = livekit.identity or _own_identity()
        self._own = memory.identity or identity
        self._programs = ProgramTokens(self.ask)
        tokens = token_source(livekit, os.environ, self._programs)
        has_key = livekit.encryption and livekit.backend == "livekit"
        cipher = self._cipher = Cipher(has_key=has_key, enabled=memory.encrypted)
        self._admission = Admission(self.settings, tokens, identity, cipher)
        self._admission.room_name = memory.room_name
        self._occupancy = Occupancy(memory.occupied)
        self._work = Work(self, self._machine, self._admission, self._occupancy)
        self._record = Record(self)
        keeps = session.offline_messages == "keep"
        self._chat = Chat(self, self._machine, self._record, keeps=keeps)
        may_boot = self.incarnation == 1 or memory.boot_start
        self._boot = BootStart(wanted=session.start == "boot" and may_boot)
        self._keeper = Keeper(self._file, self._memory)
        made = {target: load_object(target) for target in session.receivers}
        receivers = Receivers(made, self._receive, self._receiver_failed)
        await self._record.restore(memory)
        self._go_on(memory)
        receivers.start()

    def _go_on(self, memory: Memory) -> None:
        if self._machine.is_on:
            self._showing.hold(FIRST_WORD_S)
        if memory.standing.waiting:
            self._agent_timer.arm(memory.agent_due_at - boottime())
        self.spawn(self._work.run(), "effects")
        self.spawn(self._keeper.run(), "memory")
        self.do(self._machine.resume())
        self.remember()
        if self._machine.is_on:
            self._chat.resume(memory.sending)
        else:
            self._record.close()

    # -- messages --------------------------------------------------------------------------------

    async def on_message(self, message: Message, sender: str) -> Answer:
        """Orders are answered, snapshots and streams folded."""
        match message:
            case PrepareSession():
                return self.later(self._work.prepare())
            case StartSession():
                return self.later(self._start())
            case EndSession():
                return self.later(self._end())
            case Say(text=text, id=id_):
                self._ending.spoken(boottime())
                return self._chat.say(text, id_)
            case SetMuted():
                return self.later(self._work.mute(message))
            case SetEncryption():
                return self.later(self._encrypt(message))
            case DismissError():
                self._machine.dismiss_error()
                self.do([])
            case GetMessages():
                return Messages(self._record.list.newest(MAX_ANSWER_BYTES))
            case RestoreMessages(messages=messages):
                self._record.replace(messages, time.time())
            case ProvideTokens():
                self._take_tokens_from(sender)
            case RoomState():
                self._room_changed(message)
            case AudioState():
                self._audio_changed(message)
            case AudioLevel(speech=True):
                self._ending.sounded(boottime())
            case Woken() if self.settings.session.start in ("voice", "wake-word"):
                self._woken()
            case TextStream(topic=topic) if topic == TOPIC:
                await self._chat.let_answer()
                return self._fold(message)
            case AgentHistory():
                self._take_in(message)
        return None

    async def _start(self) -> Message | None:
        if self._machine.is_on:
            self.log.info("start ignored: a session is on")
        else:
            self._begin()
        await self._work.done()
        if not self._machine.is_on and self._work.refusal is not None:
            raise self._work.refusal
        return None

    async def _encrypt(self, order: SetEncryption) -> Message | None:
        await self._work.encrypt(order)
        self.remember()
        self._showing.soon()
        return None

    def _take_tokens_from(self, program: str) -> None:
        if self.settings.livekit.token_source != "program":  # noqa: S105  # a kind
            raise OrderFailed("invalid", "the terminal has a token source of its own")
        self._programs.add(program)

    def _woken(self) -> None:
        """Somebody has spoken to the terminal."""
        if not self._machine.is_on:
            self.log.info("woken")
            self._begin(woken=True)

    def _begin(self, *, woken: bool = False) -> None:
        self._record.close()
        self._work.begin(woken=woken)
        self.do(self._machine.start(uuid.uuid4().hex))

    async def _end(self) -> Message | None:
        self._end_now()
        await self._work.done()
        return None

    def _end_now(self) -> None:
        self._boot.is_wanted = False
        self.do(self._machine.end())
        self.remember()  # also if none was on

    def _look_for_end(self) -> None:
        """Whether the conversation is over by itself, and when to look again."""
        self._end_timer.disarm()
        if not self._machine.is_on:
            return
        now = boottime()
        self._ending.began(self._machine.conversation, self._began_at or now, now)
        self._began_at = 0.0
        away = self._machine.connection_state == "reconnecting"
        self._ending.agent(self._machine.agent, now, away=away)
        reason, wait_s = self._ending.due(now)
        if reason:
            self.log.info("the conversation ends", extra={"reason": reason})
            self._end_now()
        elif wait_s < NEVER:
            self._end_timer.arm(wait_s)

    def _room_changed(self, room: RoomState) -> None:
        was_on = self._machine.is_on
        known = self._machine.room.microphone_error
        self._occupancy.room_changed(room, time.time())
        effects = self._machine.room_changed(room, random.random(), time.monotonic())  # noqa: S311
        if self._machine.is_on and room.conversation == self._machine.conversation:
            self._own = room.identity or self._own
            self._admission.room_name = room.room_name or self._admission.room_name
        if not room.conversation:
            # Its former process, or its former self, has received whatever was still open.
            self._record.break_off() if was_on else self._record.close()
        self._showing.release()
        if trouble := self._cipher.news(self._machine.room.participants):
            self._machine.fail("media", trouble)
        if room.microphone_error not in ("", known):
            self._machine.fail("media", room.microphone_error)
        self.do(effects)

    def _audio_changed(self, audio: AudioState) -> None:
        self._muted = audio.muted
        self._boot.audio_is_there = True
        self.do(self._machine.recorder_state(audio.conversation, recording=audio.recording))

    def _fold(self, stream: TextStream) -> Answer:
        is_own = stream.participant == self._own
        if is_own:
            self._ending.spoken(boottime())
        answer, is_news = self._record.fold(
            stream, is_own=is_own, has_interims=is_own or self._is_person(stream.participant)
        )
        if stream.error and is_news and stream.conversation == self._machine.conversation:
            self._machine.fail("receiver", stream.error)
            self.do([])
        return answer

    def _look_for_absence(self) -> None:
        """Whether something may have been said that nobody here has heard."""
        match self._machine.connection_state:
            case "reconnecting":
                self._absence.begins(time.time())
            case "connected":
                if self._absence.meets(self._machine.agent.state):
                    with suppress(Overloaded):
                        self.tell(ROOM, RecallHistory())
            case "disconnected":
                self._absence.over()

    def _take_in(self, history: AgentHistory) -> None:
        if not self._machine.is_on or history.conversation != self._machine.conversation:
            return
        missed = self._record.complete(history, self._absence.since)
        self.log.info("asked the agent what was said", extra={"missed": missed})

    async def _receive(self, message: ChatMessage) -> None:
        while self._record.is_full:  # noqa: ASYNC110  # rare, and nothing tells of its end
            await asyncio.sleep(FULL_S)
        self._record.put(msgspec.structs.replace(message, conversation=self._machine.conversation))

    def _receiver_failed(self, reason: str) -> None:
        self._machine.fail("receiver", reason)
        self.do([])

    def _is_person(self, identity: str) -> bool:
        people = self._machine.room.participants
        return any(each.identity == identity and each.kind != "agent" for each in people)

    def on_peer(self, name: str, up: bool) -> None:
        """A process has died or is back: the conversation goes on."""
        self._work.peer(name, up=up)
        match name, up:
            case "room", False:
                self._occupancy.room_went()
                self.do(self._machine.room_went(time.monotonic()))
            case "audio", True:
                self.do(self._machine.audio_came())
            case "audio", False:
                self._machine.audio_went()
                self.do([])

    async def on_drain(self) -> None:
        """Finish what is under way. A stop of the whole terminal ends the conversation: the
        microphone must not come on by itself at its next start. A restart of this process does not,
        be it with room and audio.
        """
        await self._chat.finish(STOP_S)
        if self.terminal_stops:
            self._machine.end()
            self._record.close()
        self.remember()

    async def on_stop(self) -> None:
        """Let go of the timers."""
        if not hasattr(self, "_keeper"):
            return  # it could not start
        self._agent_timer.disarm()
        self._end_timer.disarm()
        self._boot.close()
        self._keeper.close()

    def health(self) -> str:
        """Whether what must outlive this process is written."""
        return self._file.error or "ok"

    def quiet(self) -> bool:
        """There is no conversation."""
        return not self._machine.is_on

    # -- what is to be done ----------------------------------------------------------------------

    def do(self, effects: list[Effect]) -> None:
        """The machine has moved: write that down, then carry its wishes out, then show it."""
        self._boot.moved(self._machine, self._begin)
        for effect in effects:
            match effect:
                case ArmTimer(seconds=seconds):
                    self._agent_timer.arm(seconds)
                case CancelTimer():
                    self._agent_timer.disarm()
        if self._standing != self._machine.standing:
            self._standing = self._machine.standing
            self.remember()
        self._work.queue(effects)
        self._chat.moved()
        self._showing.soon()
        self._look_for_absence()
        self._look_for_end()

    def _agent_is_late(self) -> None:
        self.do(self._machine.agent_timed_out(random.random()))  # noqa: S311

    # -- what outlives this process --------------------------------------------------------------

    def remember(self) -> bool:
        """Write down how things stand; whether that is done."""
        return self._keeper.keep()

    def remember_soon(self) -> None:
        """The same, when there is time."""
        self._keeper.keep_soon()

    def _memory(self) -> Memory:
        transcripts, is_on = self._record.transcripts, self._machine.is_on
        return Memory(
            boot=self._boot_id,
            alive_at=boottime(),
            standing=self._machine.standing,
            room_name=self._admission.room_name,
            identity=self._own,
            occupied=self._occupancy.occupied,
            agent_due_at=self._agent_timer.due_at,
            boot_start=self._boot.is_wanted,
            began_at=self._ending.began_at or self._began_at,
            sending=self._chat.sending,
            owed=self._record.owed,
            restored=self._record.restored,
            unfinished=transcripts.unfinished if is_on else transcripts.open,
            encrypted=self._cipher.enabled or not self._cipher.has_key,
        )

    # -- what others see -------------------------------------------------------------------------

    def _state(self) -> SessionState:
        machine = self._machine
        return SessionState(
            conversation=machine.conversation,
            is_connected=machine.is_on,
            connection_state=machine.connection_state,
            agent=machine.agent,
            muted=self._muted,
            room_name=self._admission.room_name,
            error=machine.error,
            encrypted=self._cipher.enabled,
            kept=self._chat.kept,
        )


def _own_identity() -> str:
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()) or "unnamed"
    return f"terminal-{host}"

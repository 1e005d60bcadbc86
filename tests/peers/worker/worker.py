"""A real agent that writes down what it hears: a livekit-agents worker without any cloud.

Run by `tests.peers.agent_worker` in the environment that `tests.peers.install agent` makes. For
each job it keeps a folder under the one it is given:

heard.pcm     what the speech recognition is given: int16, mono, little endian, rate in `listening`
events.jsonl  one line an event: {"at": unix seconds, "event": name, ...}

Its ears count how long there was sound, a tone for each 100 ms; its mind is a parrot; its voice is
espeak-ng, or chords that tell which part of the answer was not played (`"voice": "signal"`).
"""

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import time
import wave
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from livekit import agents, rtc
from livekit.agents import llm, stt, tts
from livekit.agents.voice import room_io

from supervisor.drill.coded_signal import BLOCK_MS, generate

FOLDER = "CALLPOINT_TEST_AGENT_FOLDER"
DEFAULTS = "CALLPOINT_TEST_AGENT_METADATA"
VOICE_RATE = 24000
LOUD_ABOVE = 200.0
"""Root mean square of a frame (int16) from which on it counts as sound: 44 dB below full scale."""
PAUSE_S = 0.8
"""Silence that ends what was said."""
INTERIM_EVERY_S = 0.5
AUDIO_EVENT_EVERY_S = 0.5
RECEPTION_EVERY_S = 0.5


@dataclass(frozen=True)
class Orders:
    """What a job is told in the metadata of its dispatch (JSON), over the worker's defaults."""

    delay_s: float = 0.0
    """Wait before the agent joins the room, as one that loads models does."""
    late_s: float = 0.0
    """Wait between joining the room and listening, as one does that joins too early."""
    greeting: str = ""
    voice: str = "speech"
    """`speech`, or `signal`: a coded signal instead of words."""
    voice_blocks: int = 20
    """Length of the coded signal, in blocks of 100 ms."""
    auto_gain: bool = True
    """As LiveKit's agents have it by default."""
    e2ee_key: str = ""
    """Shared with the terminal; empty: not encrypted."""


class Diary:
    """The folder of one job."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._events = (folder / "events.jsonl").open("a", buffering=1)
        self._pcm = (folder / "heard.pcm").open("ab", buffering=0)
        self._samples = 0
        self._told_at = 0.0

    def note(self, event: str, **fields: Any) -> None:
        """One line."""
        line = {"at": time.time(), "event": event, **fields}
        self._events.write(json.dumps(line) + "\n")

    def keep(self, frame: rtc.AudioFrame) -> None:
        """One frame of sound."""
        if self._samples == 0:
            self.note("listening", sample_rate=frame.sample_rate, channels=frame.num_channels)
        self._pcm.write(frame.data)
        self._samples += frame.samples_per_channel
        if time.monotonic() - self._told_at >= AUDIO_EVENT_EVERY_S:
            self._told_at = time.monotonic()
            self.note("audio", samples=self._samples)


class Ears(stt.STT):  # type: ignore[misc]
    """Speech recognition that counts."""

    def __init__(self, diary: Diary) -> None:
        abilities = stt.STTCapabilities(
            streaming=True, interim_results=True, offline_recognize=False
        )
        super().__init__(capabilities=abilities)
        self.diary = diary

    def stream(self, *, conn_options: Any = agents.DEFAULT_API_CONNECT_OPTIONS, **_: Any) -> Any:
        return Hearing(stt=self, conn_options=conn_options)

    async def _recognize_impl(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


class Hearing(stt.RecognizeStream):  # type: ignore[misc]
    """One stream of sound, in the time of its samples."""

    async def _run(self) -> None:
        sound_s = silence_s = told_s = 0.0
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            self._stt.diary.keep(frame)
            samples = np.frombuffer(frame.data, np.int16).astype(np.float64)
            if np.sqrt(np.mean(samples**2)) > LOUD_ABOVE:
                if sound_s == 0.0:
                    self._tell(stt.SpeechEventType.START_OF_SPEECH)
                sound_s, silence_s = sound_s + frame.duration, 0.0
                if sound_s - told_s >= INTERIM_EVERY_S:
                    told_s = sound_s
                    self._tell(stt.SpeechEventType.INTERIM_TRANSCRIPT, words(sound_s))
            elif sound_s:
                silence_s += frame.duration
                if silence_s >= PAUSE_S:
                    self._tell(stt.SpeechEventType.FINAL_TRANSCRIPT, words(sound_s))
                    self._tell(stt.SpeechEventType.END_OF_SPEECH)
                    sound_s = silence_s = told_s = 0.0

    def _tell(self, kind: Any, text: str = "") -> None:
        said = [stt.SpeechData(language="en", text=text)] if text else []
        self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=said))


def words(seconds: float) -> str:
    """What the ears make of so much sound."""
    return f"heard {round(seconds * 1000 / BLOCK_MS)} tones"


class Parrot(llm.LLM):  # type: ignore[misc]
    """Language model that repeats."""

    def chat(
        self,
        *,
        chat_ctx: Any,
        tools: Any = None,
        conn_options: Any = agents.DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> Any:
        return Repetition(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class Repetition(llm.LLMStream):  # type: ignore[misc]
    """One answer, word by word."""

    async def _run(self) -> None:
        asked = [m.text_content or "" for m in self._chat_ctx.messages() if m.role == "user"]
        for word in f"You said: {asked[-1] if asked else 'nothing'}".split(" "):
            delta = llm.ChoiceDelta(role="assistant", content=f"{word} ")
            self._event_ch.send_nowait(llm.ChatChunk(id=str(len(asked)), delta=delta))


class Voice(tts.TTS):  # type: ignore[misc]
    """Speech synthesis that can be heard."""

    def __init__(self, orders: Orders) -> None:
        abilities = tts.TTSCapabilities(streaming=False)
        super().__init__(capabilities=abilities, sample_rate=VOICE_RATE, num_channels=1)
        self.orders = orders

    def synthesize(
        self, text: str, *, conn_options: Any = agents.DEFAULT_API_CONNECT_OPTIONS
    ) -> Any:
        return Utterance(tts=self, input_text=text, conn_options=conn_options)


class Utterance(tts.ChunkedStream):  # type: ignore[misc]
    """One sentence."""

    async def _run(self, output_emitter: Any) -> None:
        orders: Orders = self._tts.orders
        rate, pcm = VOICE_RATE, generate(orders.voice_blocks, VOICE_RATE).tobytes()
        if orders.voice == "speech" and (espeak := shutil.which("espeak-ng")):
            rate, pcm = await speak(espeak, self._input_text)
        output_emitter.initialize(
            request_id="local", sample_rate=rate, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(pcm)
        output_emitter.flush()


async def speak(espeak: str, text: str) -> tuple[int, bytes]:
    """Sample rate and PCM of a spoken text."""
    process = await asyncio.create_subprocess_exec(
        espeak, "--stdout", text, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    spoken, _ = await process.communicate()
    with wave.open(BytesIO(spoken)) as sound:
        # Written to a pipe, its header does not know the length.
        return sound.getframerate(), sound.readframes(len(spoken) // 2)


async def serve(ctx: agents.JobContext) -> None:
    """One job: join the room, listen, answer."""
    orders = Orders(**json.loads(os.environ.get(DEFAULTS) or "{}"))
    if ctx.job.metadata:
        orders = Orders(**{**orders.__dict__, **json.loads(ctx.job.metadata)})
    diary = Diary(Path(os.environ[FOLDER]) / ctx.job.id)
    diary.note("job", job=ctx.job.id, room=ctx.job.room.name, orders=orders.__dict__)
    await asyncio.sleep(orders.delay_s)

    session: agents.AgentSession[None] = agents.AgentSession(
        stt=Ears(diary),
        llm=Parrot(),
        tts=Voice(orders),
        vad=None,
        # Its ears alone decide when a turn ends, so that no model has to be fetched.
        turn_handling={"turn_detection": "stt", "endpointing": {"min_delay": 0.1}},
        aec_warmup_duration=None,
        user_away_timeout=None,
    )
    write_down(session, ctx.room, diary)

    async def answer(asked: agents.AgentSession[None], text: room_io.TextInputEvent) -> None:
        diary.note("text", text=text.text, id=text.info.stream_id, sender=text.participant.identity)
        await asked.interrupt()
        asked.generate_reply(user_input=text.text)

    async def close(reason: str) -> None:
        diary.note("end", reason=reason)

    ctx.add_shutdown_callback(close)
    if orders.late_s:
        await ctx.connect(encryption=encryption(orders.e2ee_key))
        await asyncio.sleep(orders.late_s)
    # Listening begins before the room is joined: only so is nothing lost of what comes at once.
    joining = asyncio.create_task(ctx.connect(encryption=encryption(orders.e2ee_key)))
    await asyncio.sleep(0)  # else the session joins first, by itself and without a key
    await session.start(
        agents.Agent(instructions="Repeat."),
        room=ctx.room,
        room_options=room_io.RoomOptions(
            text_input=room_io.TextInputOptions(text_input_cb=answer),
            audio_input=room_io.AudioInputOptions(auto_gain_control=orders.auto_gain),
        ),
        record=False,
    )
    await joining
    serve_rpc(ctx.room)
    send_back_data(ctx.room)
    diary.note("joined", identity=ctx.room.local_participant.identity)
    if orders.greeting:
        session.say(orders.greeting)


def serve_rpc(room: rtc.Room) -> None:
    """Two methods for whoever calls: one that repeats, and one that calls back."""
    me = room.local_participant

    async def repeat(call: rtc.RpcInvocationData) -> str:
        return str(call.payload)

    async def call_back(call: rtc.RpcInvocationData) -> str:
        return str(
            await me.perform_rpc(
                destination_identity=call.caller_identity, method=call.payload, payload="?"
            )
        )

    me.register_rpc_method("repeat", repeat)
    me.register_rpc_method("call back", call_back)


def send_back_data(room: rtc.Room) -> None:
    """On the topic ``echo``."""
    sending: set[asyncio.Task[None]] = set()

    @room.on("data_received")  # type: ignore[untyped-decorator]
    def _(packet: rtc.DataPacket) -> None:
        if packet.topic != "echo":
            return
        reliable = packet.kind == rtc.DataPacketKind.KIND_RELIABLE
        back = room.local_participant.publish_data(packet.data, reliable=reliable, topic="echo")
        task = asyncio.create_task(back)
        sending.add(task)
        task.add_done_callback(sending.discard)


def encryption(key: str) -> rtc.E2EEOptions | None:
    """End to end, with a key that the terminal has too."""
    if not key:
        return None
    provider = rtc.KeyProviderOptions(shared_key=key.encode())
    return rtc.E2EEOptions(key_provider_options=provider)


async def note_reception(track: rtc.Track, diary: Diary) -> None:
    """What a jitter buffer makes up for want of sound and leaves out when it has too much, as long
    as there is a track.
    """
    before: dict[str, int] = {}
    with suppress(Exception):  # of a track that has ended the client has nothing narrower to say
        while True:
            await asyncio.sleep(RECEPTION_EVERY_S)
            for each in await track.get_stats():
                if each.WhichOneof("stats") == "inbound_rtp":
                    stats = each.inbound_rtp
                    now = {
                        "lost": stats.received.packets_lost,
                        "concealed": stats.inbound.concealed_samples,
                        "slowed": stats.inbound.inserted_samples_for_deceleration,
                        "hurried": stats.inbound.removed_samples_for_acceleration,
                        "discarded": stats.inbound.packets_discarded,
                    }
                    if now != before:
                        diary.note("reception", **now)
                    before = now


def write_down(session: Any, room: rtc.Room, diary: Diary) -> None:
    """Note what happens in a session and in its room."""
    receptions: dict[str, asyncio.Task[None]] = {}

    @session.on("conversation_item_added")  # type: ignore[untyped-decorator]
    def _(event: Any) -> None:
        if isinstance(event.item, llm.ChatMessage):  # a change of the agent is an item as well
            diary.note("item", role=event.item.role, text=event.item.text_content)

    @session.on("user_input_transcribed")  # type: ignore[untyped-decorator]
    def _(event: Any) -> None:
        diary.note("transcript", text=event.transcript, final=event.is_final)

    @session.on("agent_state_changed")  # type: ignore[untyped-decorator]
    def _(event: Any) -> None:
        diary.note("state", state=event.new_state)

    @session.on("close")  # type: ignore[untyped-decorator]
    def _(event: Any) -> None:
        diary.note("close", reason=str(event.reason.value))

    @room.on("participant_connected")  # type: ignore[untyped-decorator]
    def _(participant: Any) -> None:
        diary.note("participant_connected", identity=participant.identity)

    @room.on("participant_disconnected")  # type: ignore[untyped-decorator]
    def _(participant: Any) -> None:
        why = rtc.DisconnectReason.Name(participant.disconnect_reason or 0)
        diary.note("participant_disconnected", identity=participant.identity, reason=why)

    @room.on("track_subscribed")  # type: ignore[untyped-decorator]
    def _(track: Any, publication: Any, participant: Any) -> None:
        diary.note("track_subscribed", track=publication.sid, identity=participant.identity)
        receptions[publication.sid] = asyncio.create_task(note_reception(track, diary))

    @room.on("track_unpublished")  # type: ignore[untyped-decorator]
    def _(publication: Any, participant: Any) -> None:
        diary.note("track_unpublished", track=publication.sid, identity=participant.identity)
        if publication.sid in receptions:
            receptions.pop(publication.sid).cancel()


async def work(name: str, registered_fd: int) -> None:
    """Take jobs until TERM; write a line to the pipe each time the server has accepted us."""
    server = agents.AgentServer(
        host="127.0.0.1",
        port=0,
        num_idle_processes=1,
        # A machine busy with tests would be called overloaded, and its room get no agent.
        load_fnc=lambda: 0.0,
        shutdown_process_timeout=2.0,
        session_end_timeout=2.0,
        log_level="DEBUG",
    )
    server.rtc_session(serve, agent_name=name)

    @server.on("worker_registered")  # type: ignore[untyped-decorator]
    def _(*_: Any) -> None:
        os.write(registered_fd, b"registered\n")

    running = asyncio.create_task(server.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
    await server.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--registered-fd", type=int, required=True)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(work(given.name, given.registered_fd))

"""The parrot as a LiveKit agent: it joins, listens, thinks, speaks, and can be interrupted. Pure.

The order of its states, attributes, streams and tracks is that of livekit-agents 1.8. Inputs
return the messages to be sent to the client. Times are monotonic seconds, given by the caller.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from actors.messages import (
    AgentState,
    Message,
    Participant,
    PracticeAnswer,
    PracticeAudio,
    PracticeBytes,
    PracticeCall,
    PracticeData,
    PracticeHistory,
    PracticeRoster,
    PracticeSubscribed,
    PracticeText,
    Track,
)

from . import ears, phrases
from .chat import Chat
from .ears import Ears
from .methods import Methods
from .remembrance import Remembrance
from .speech import Part, Sound, Speech, Word
from .transcripts import AgentTranscript, NewId, UserTranscript, new_id
from .vad import RATE, EnergyVad, Samples, SpeechEnded, SpeechEvent, SpeechGoesOn, SpeechStarted
from .voice import chirp, parroted

STATE = "lk.agent.state"
ECHO = "echo"
"""Topic of the data that it sends back, as the agent worker of the tests does."""
ACTIVATION_S = 0.05
"""From being seen in the room to being ACTIVE, and from there to listening."""
GREET_S = 0.4
"""After it began to listen: time for the pre-connect buffer, which may already hold speech."""
THINK_S = 0.3
STALLED_S = 2.0
"""No samples for so long in the middle of an utterance: it is over. Longer than a client needs to
come back after a crash, so that this does not cut a sentence."""
GUARD_DB = 9.0
"""While it speaks, it is interrupted only by what is clearly louder than its own echo may be."""


class Agent:
    """One agent in one room. ``user``: identity of the client; ``at``: when it is to come;
    ``on_heard``: is given all that it hears, in order; ``clock``: Unix seconds.
    """

    def __init__(
        self,
        user: str,
        at: float,
        ids: NewId = new_id,
        on_heard: Callable[[Samples], None] = lambda _samples: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ids = ids
        self._on_heard = on_heard
        self.identity = ids("agent-")
        self._sid = ids("PA_")
        self._track = Track(ids("TR_"), "audio", "microphone", subscribed=True)
        self._present = self._active = False
        self._state: AgentState | None = None
        self._enter_at: float | None = at
        self._published: tuple[str, bool] | None = None
        self._ears = Ears()
        self._vad = EnergyVad()
        self._chat = Chat()
        self._remembrance = Remembrance(ids, clock)
        self._methods = Methods(self.identity, ids)
        self._heard_at = 0.0
        self._transcript = UserTranscript(user, ids)
        self._greet_at: float | None = None
        self._answer: Iterable[Part] = ()
        self._answer_at: float | None = None
        self._speech: Speech | None = None
        self._said: AgentTranscript | None = None
        self._out: list[Message] = []

    @property
    def roster(self) -> PracticeRoster:
        """What the client sees of it."""
        if not self._present:
            return PracticeRoster(())
        attributes: dict[str, str] = {STATE: self._state} if self._state else {}
        tracks = (self._track,) if self._state else ()
        return PracticeRoster(
            (
                Participant(
                    self.identity, self._sid, "agent", self._active, attributes, tracks, "Parrot"
                ),
            )
        )

    # -- what happens ----------------------------------------------------------------------------

    def published(self, sid: str, now: float, *, preconnect: bool) -> list[Message]:
        """The client has published its microphone."""
        self._published = (sid, preconnect)
        self._subscribe(now)
        return self._drain()

    def client_gone(self) -> None:
        """The client is silent: its track is gone; an open utterance may yet go on."""
        self._published = None
        self._ears.close()
        self._methods.client_gone()

    def audio(self, frame: PracticeAudio, now: float) -> list[Message]:
        """A frame of the client's track."""
        self._hear(self._ears.live(frame.sid, frame.sample_rate, frame.pcm), now)
        return self._drain()

    def stream(self, part: PracticeBytes, now: float) -> list[Message]:
        """A part of a byte stream from the client."""
        if self._active and part.topic == ears.TOPIC and part.to in ("", self.identity):
            self._hear(self._ears.stream(part, now), now)
        return self._drain()

    def text(self, part: PracticeText, now: float) -> list[Message]:
        """A part of a text stream from the client: chat interrupts, and is answered."""
        if self._listens() and (text := self._chat.part(part)) is not None:
            self._remembrance.add("user_transcript", text)
            answer = phrases.answer_to_text(text)
            self._think(_chirped(answer), now)
        return self._drain()

    def history(self, number: int) -> list[Message]:
        """The client asks what was said."""
        return [PracticeHistory(number, self._remembrance.messages)]

    def data(self, packet: PracticeData) -> list[Message]:
        """A packet of data from the client: on the topic ``echo`` it comes back."""
        is_for_us = not packet.to or self.identity in packet.to
        if not (self._active and is_for_us and packet.topic == ECHO):
            return []
        return [PracticeData(packet.payload, ECHO, self.identity, packet.reliable)]

    def call(self, call: PracticeCall) -> list[Message]:
        """The client calls a method."""
        return self._methods.call(call) if self._active else []

    def answer(self, answer: PracticeAnswer) -> list[Message]:
        """The client has answered a call."""
        return self._methods.answer(answer)

    def tick(self, now: float) -> list[Message]:
        """Time has passed."""
        if self._enter_at is not None and now >= self._enter_at:
            self._enter(now)
        self._hear(self._ears.tick(now), now)
        if self._vad.speaking and now - self._heard_at >= STALLED_S:
            self._understand(self._vad.end(), now)
        if self._greet_at is not None and now >= self._greet_at:
            self._greet(now)
        if self._answer_at is not None and now >= self._answer_at:
            self._speak(now)
        if self._speech is not None:
            self._play(self._speech, now)
        return self._drain()

    @property
    def due_at(self) -> float | None:
        """When :meth:`tick` is to be called next, if nothing happens before."""
        times = [self._enter_at, self._greet_at, self._answer_at, self._ears.waiting_until]
        if self._speech is not None:
            times.append(self._speech.due_at)
        if self._vad.speaking:
            times.append(self._heard_at + STALLED_S)
        return min((time for time in times if time is not None), default=None)

    # -- joining ---------------------------------------------------------------------------------

    def _enter(self, now: float) -> None:
        """Seen; then ACTIVE and initializing; then listening: one of them at a time."""
        self._enter_at = now + ACTIVATION_S
        if not self._present:
            self._present = True
            self._out.append(self.roster)
        elif not self._active:
            self._active = True
            self._change("initializing")
        else:
            self._enter_at = None
            self._change("listening")
            self._greet_at = now + GREET_S
            self._subscribe(now)

    def _subscribe(self, now: float) -> None:
        if self._published is None or not self._listens():
            return
        sid, preconnect = self._published
        self._out.append(PracticeSubscribed(sid))
        self._hear(self._ears.subscribe(sid, now, preconnect=preconnect), now)

    def _listens(self) -> bool:
        return self._state not in (None, "initializing")

    def _greet(self, now: float) -> None:
        if self._ears.waiting_until is not None:
            self._greet_at = now + GREET_S / 2  # what the buffer holds may be answered instead
            return
        self._greet_at = None
        if self._state == "listening" and not self._vad.speaking:
            self._think(_chirped(phrases.GREETING), now)

    # -- listening -------------------------------------------------------------------------------

    def _hear(self, sound: Iterable[Samples], now: float) -> None:
        for samples in sound:
            self._heard_at = now
            self._on_heard(samples)
            self._understand(self._vad.push(samples, GUARD_DB if self._speech else 0.0), now)

    def _understand(self, events: list[SpeechEvent], now: float) -> None:
        track = self._published[0] if self._published else ""
        for event in events:
            match event:
                case SpeechStarted():
                    self._interrupt()
                case SpeechGoesOn(seconds):
                    self._out.append(self._transcript.interim(phrases.heard(seconds), track))
                case SpeechEnded(frames, seconds):
                    understood = phrases.heard(seconds)
                    self._out += self._transcript.final(understood, track)
                    self._remembrance.add("user_transcript", understood)
                    answer = _chirped(phrases.answer_to_speech(seconds))
                    self._think(chain(answer, [("", parroted(frames))]), now)

    # -- thinking and speaking -------------------------------------------------------------------

    def _think(self, answer: Iterable[Part], now: float) -> None:
        self._interrupt()
        self._answer, self._answer_at = answer, now + THINK_S
        self._change("thinking")

    def _speak(self, now: float) -> None:
        self._answer_at = None
        self._speech, self._answer = Speech(self._answer, now), ()
        self._said = AgentTranscript(self.identity, self._track.sid, self._ids)
        self._change("speaking")

    def _play(self, speech: Speech, now: float) -> None:
        for due in speech.due(now):
            if isinstance(due, Sound):
                self._out.append(PracticeAudio(self._track.sid, RATE, due.pcm))
            elif isinstance(due, Word) and self._said is not None:
                self._out.append(self._said.part(due.text))
        if speech.is_over:
            self._fall_silent()

    def _interrupt(self) -> None:
        """Drop what is being said or thought."""
        self._answer, self._answer_at, self._greet_at = (), None, None
        if self._state in ("thinking", "speaking"):
            self._fall_silent()

    def _fall_silent(self) -> None:
        if self._said is not None:
            self._out += self._said.close()
            self._remembrance.add("agent_transcript", self._said.text)
        self._speech = self._said = None
        self._change("listening")

    # -- telling ---------------------------------------------------------------------------------

    def _change(self, state: AgentState) -> None:
        if state != self._state:
            self._state = state
            self._out.append(self.roster)

    def _drain(self) -> list[Message]:
        out, self._out = self._out, []
        return out


def _chirped(text: str) -> Iterator[Part]:
    return ((word, [chirp(word)]) for word in phrases.words(text))

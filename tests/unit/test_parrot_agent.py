"""The parrot as an agent, with a clock of its own: what it says to whom, in which order."""

import tracemalloc

import numpy as np
import pytest

from actors.messages import (
    Message,
    PracticeAudio,
    PracticeBytes,
    PracticeData,
    PracticeRoster,
    PracticeSubscribed,
    PracticeText,
)
from actors.parrot import ears, phrases
from actors.parrot.agent import STALLED_S, STATE, THINK_S, Agent
from actors.parrot.transcripts import FINAL
from actors.parrot.vad import FRAME_S, RATE

pytestmark = pytest.mark.unit

SID = "TR_me"


def tone(seconds: float) -> bytes:
    wave = 8000 * np.sin(np.arange(int(RATE * seconds)) * 2 * np.pi * 300 / RATE)
    return wave.astype("<i2").tobytes()


def quiet(seconds: float) -> bytes:
    return bytes(2 * int(RATE * seconds))


class Talk:
    """An agent and its client, and the time that passes between them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.agent = Agent("me", self.now + 1.0)
        self.sent: list[Message] = []

    def take(self, messages: list[Message]) -> None:
        self.sent += messages

    def wait(self, seconds: float) -> None:
        """Tick whenever the agent wants to be ticked, and never else."""
        until = self.now + seconds
        while (due_at := self.agent.due_at) is not None and due_at <= until:
            self.now = max(self.now, due_at)
            self.take(self.agent.tick(self.now))
        self.now = until

    def speak(self, pcm: bytes) -> None:
        """In real time."""
        step = 2 * int(RATE * FRAME_S)
        for start in range(0, len(pcm), step):
            frame = PracticeAudio(SID, RATE, pcm[start : start + step])
            self.take(self.agent.audio(frame, self.now))
            self.wait(FRAME_S)

    def publish(self, *, preconnect: bool = False) -> None:
        self.take(self.agent.published(SID, self.now, preconnect=preconnect))

    def write(self, text: str, stream_id: str = "s", *, ended: bool = True) -> None:
        part = PracticeText(stream_id, "lk.chat", "me", {}, text, ended)
        self.take(self.agent.text(part, self.now))

    def buffer(self, pcm: bytes, to: str = "") -> None:
        attributes = {"sampleRate": str(RATE), "channels": "1", "trackId": SID}
        part = PracticeBytes("b", ears.TOPIC, attributes, pcm, ended=True, to=to)
        self.take(self.agent.stream(part, self.now))

    def states(self) -> list[str]:
        rosters = (each for each in self.sent if isinstance(each, PracticeRoster))
        return [r.participants[0].attributes.get(STATE, "") for r in rosters]

    def said(self) -> list[str]:
        """Texts of the agent's streams that have ended."""
        return ["".join(parts) for parts, ended in self._streams(self.agent.identity) if ended]

    def understood(self) -> list[str]:
        """Of the user, all interim and final transcripts."""
        return ["".join(parts) for parts, _ in self._streams("me")]

    def _streams(self, participant: str) -> list[tuple[list[str], bool]]:
        streams: dict[str, tuple[list[str], bool]] = {}
        for text in self.sent:
            if isinstance(text, PracticeText) and text.participant == participant:
                parts, _ = streams.get(text.stream_id, ([], False))
                streams[text.stream_id] = ([*parts, text.content], text.ended)
        return list(streams.values())

    def sound_s(self) -> float:
        return sum(len(each.pcm) for each in self.sent if isinstance(each, PracticeAudio)) / (
            2 * RATE
        )


def listening() -> Talk:
    """After the greeting."""
    talk = Talk()
    talk.publish()
    talk.wait(10.0)
    assert talk.states()[-1] == "listening"
    talk.sent.clear()
    return talk


def test_it_comes_when_it_is_to_and_step_by_step() -> None:
    talk = Talk()
    talk.publish()
    talk.wait(0.99)
    assert talk.sent == []
    assert talk.agent.roster == PracticeRoster(())
    talk.wait(0.3)
    rosters = [each.participants[0] for each in talk.sent if isinstance(each, PracticeRoster)]
    assert [each.active for each in rosters] == [False, True, True]
    assert talk.states() == ["", "initializing", "listening"]
    assert [len(each.tracks) for each in rosters] == [0, 1, 1]
    assert {each.kind for each in rosters} == {"agent"}
    assert talk.sent[-1] == PracticeSubscribed(SID)


def test_it_subscribes_to_a_track_that_comes_later() -> None:
    talk = Talk()
    talk.wait(5.0)
    assert PracticeSubscribed(SID) not in talk.sent
    talk.publish()
    assert talk.sent[-1] == PracticeSubscribed(SID)


def test_it_greets_once_also_whom_it_cannot_hear() -> None:
    talk = Talk()
    talk.wait(60.0)
    assert talk.said() == [phrases.GREETING]
    assert talk.states()[2:] == ["listening", "thinking", "speaking", "listening"]
    assert talk.sound_s() > 1.0


def test_it_plays_at_the_speed_of_sound() -> None:
    talk = listening()
    talk.write("one two three")
    talk.wait(THINK_S + 0.501)
    assert talk.sound_s() == pytest.approx(0.52, abs=0.021)


def test_it_answers_what_is_written() -> None:
    talk = listening()
    talk.write("hé ", ended=False)
    talk.write("日本")
    talk.wait(10.0)
    assert talk.said() == ["You said: hé 日本"]
    assert talk.states() == ["thinking", "speaking", "listening"]


def test_other_topics_are_not_for_it() -> None:
    talk = listening()
    talk.take(talk.agent.text(PracticeText("s", "other", "me", {}, "x", True), talk.now))
    talk.wait(5.0)
    assert talk.sent == []


def test_before_it_listens_nothing_written_reaches_it() -> None:
    talk = Talk()
    talk.write("too early")
    talk.wait(20.0)
    assert talk.said() == [phrases.GREETING]


def test_speech_is_measured_and_played_back() -> None:
    talk = listening()
    talk.speak(quiet(0.5) + tone(2.0) + quiet(1.0))
    final = talk.understood()[-1]
    assert final == "(2.0 s of speech)"
    assert talk.understood()[:2] == ["(0.5 s of speech)", "(1.0 s of speech)"]
    talk.wait(10.0)
    assert talk.said() == ["You spoke for 2.0 s; it sounded like this:"]
    assert talk.states() == ["thinking", "speaking", "listening"]
    assert talk.sound_s() > 2.0 / 1.25 + 1.0


def test_new_speech_interrupts_it_and_what_it_said_so_far_is_final() -> None:
    talk = listening()
    talk.write("one two three four five six seven eight nine ten")
    talk.wait(1.0)
    assert talk.states() == ["thinking", "speaking"]
    talk.sent.clear()
    talk.speak(tone(0.5))
    assert talk.states() == ["listening"]
    end = next(each for each in talk.sent if isinstance(each, PracticeText) and each.ended)
    assert (end.participant, end.attributes[FINAL]) == (talk.agent.identity, "true")
    talk.sent.clear()
    talk.wait(1.0)
    assert talk.sound_s() == 0.0


def test_a_message_interrupts_it_and_is_answered_instead() -> None:
    talk = listening()
    talk.write("one two three four five six seven eight nine ten", "1")
    talk.wait(1.0)
    talk.write("stop", "2")
    talk.wait(10.0)
    first, second = talk.said()
    assert "You said: one two".startswith(first.strip()) or first.startswith("You said: one")
    assert not first.endswith("ten")
    assert second == "You said: stop"
    assert talk.states() == [
        "thinking", "speaking", "listening", "thinking", "speaking", "listening",
    ]  # fmt: skip


def test_speech_that_ends_while_it_answers_a_message_is_answered_alone() -> None:
    talk = listening()
    talk.speak(tone(1.0))
    talk.write("while I speak")
    talk.speak(quiet(0.7))
    talk.wait(10.0)
    assert talk.said()[-1].startswith("You spoke for 1.0 s")
    assert talk.states()[-3:] == ["thinking", "speaking", "listening"]
    assert talk.agent.due_at is None


def test_what_was_said_before_it_came_is_answered_instead_of_a_greeting() -> None:
    talk = Talk()
    talk.publish(preconnect=True)
    talk.wait(1.2)
    talk.speak(tone(0.5))
    talk.buffer(quiet(0.3) + tone(2.0))
    talk.speak(quiet(1.0))
    talk.wait(10.0)
    assert talk.understood()[-1] == "(2.5 s of speech)"
    assert talk.said() == ["You spoke for 2.5 s; it sounded like this:"]


def test_it_greets_late_when_a_buffer_is_announced_and_never_comes() -> None:
    talk = Talk()
    talk.publish(preconnect=True)
    talk.wait(4.0)
    assert "speaking" not in talk.states()
    talk.wait(10.0)
    assert talk.said() == [phrases.GREETING]


def test_long_speech_is_heard_and_said_back_in_little_memory() -> None:
    """What was taken at once stayed with the process: malloc keeps what it has once let go of."""
    talk = Talk()
    talk.publish(preconnect=True)
    talk.wait(1.2)
    pcm = tone(25.0) + quiet(1.0)
    tracemalloc.start()
    try:
        talk.buffer(pcm)
        talk.wait(10.0)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert talk.understood()[-1] == "(25.0 s of speech)"
    assert talk.sound_s() > 5.0
    assert most < 2.5 * len(pcm)


def test_a_buffer_for_somebody_else_is_not_heard() -> None:
    talk = Talk()
    talk.publish(preconnect=True)
    talk.wait(1.2)
    talk.buffer(tone(2.0) + quiet(1.0), to="another")
    talk.wait(10.0)
    assert talk.understood() == []


def test_a_client_that_crashed_goes_on_in_the_same_sentence() -> None:
    talk = listening()
    talk.speak(tone(1.0))
    talk.agent.client_gone()
    talk.wait(STALLED_S / 2)
    talk.publish(preconnect=True)
    talk.buffer(tone(1.0))
    talk.speak(tone(0.5) + quiet(1.0))
    assert talk.understood()[-1] == "(2.5 s of speech)"
    assert phrases.GREETING not in talk.said()


def test_a_sentence_whose_end_never_comes_is_over_after_a_while() -> None:
    talk = listening()
    talk.speak(tone(1.0))
    talk.wait(STALLED_S - 0.1)
    assert "thinking" not in talk.states()
    talk.wait(0.2)
    assert talk.states() == ["thinking"]
    assert talk.understood()[-1] == "(1.0 s of speech)"


def test_at_rest_it_wants_no_tick() -> None:
    assert listening().agent.due_at is None


def test_data_comes_back_on_its_topic_and_only_if_it_was_for_the_agent() -> None:
    talk = Talk()
    agent, payload = talk.agent, b"\x00\xff"
    packet = PracticeData(payload, "echo", "me")
    assert agent.data(packet) == [], "it is not there yet"
    talk.wait(2.0)
    back = PracticeData(payload, "echo", agent.identity)
    assert agent.data(packet) == [back]
    assert agent.data(PracticeData(payload, "echo", "me", to=(agent.identity,))) == [back]
    assert agent.data(PracticeData(payload, "echo", "me", to=("other",))) == []
    assert agent.data(PracticeData(payload, "news", "me")) == []

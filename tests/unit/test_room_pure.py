"""Pure parts of the room: texts, roster, speaker lane, reasons, log lines."""

import logging

import pytest

from actors.messages import Hush, Message, Participant, Spoken, Track
from actors.room import sdk_log
from actors.room.backend import TextChunk, TextEnded
from actors.room.reasons import disconnected, not_connected, scrubbed
from actors.room.roster import ON_BEHALF, agent_of, voice_of
from actors.room.speaker import SpeakerLane
from actors.room.text import MAX_CHARACTERS, MAX_OPEN, TextFold

pytestmark = pytest.mark.unit


# -- texts -----------------------------------------------------------------------------------------


def chunk(content: str, stream: str = "s") -> TextChunk:
    return TextChunk(stream, "lk.transcription", "agent", {"a": "1"}, content)


def ended(stream: str = "s", error: str = "", **trailer: str) -> TextEnded:
    return TextEnded(stream, "lk.transcription", "agent", {"a": "1", **trailer}, error)


def test_a_stream_grows_and_ends_with_its_trailer() -> None:
    fold = TextFold("c")
    first, second = fold.chunk(chunk("he"), 5.0), fold.chunk(chunk("llo"), 6.0)
    last = fold.ended(ended(final="true"), 7.0)
    assert first is not None
    assert second is not None
    assert last is not None
    assert [first.text, second.text, last.text] == ["he", "hello", "hello"]
    assert {first.opened_at, second.opened_at, last.opened_at} == {5.0}
    assert (first.attributes, first.ended) == ({"a": "1"}, False)
    assert (last.attributes, last.ended) == ({"a": "1", "final": "true"}, True)
    assert last.conversation == "c"


def test_a_stream_without_a_chunk_ends_at_its_end() -> None:
    last = TextFold("c").ended(ended(), 7.0)
    assert last is not None
    assert (last.text, last.opened_at, last.error) == ("", 7.0, "")


def test_a_broken_stream_keeps_what_it_had() -> None:
    fold = TextFold("c")
    fold.chunk(chunk("half"), 5.0)
    last = fold.ended(ended(error="the stream was broken off"), 7.0)
    assert last is not None
    assert (last.text, last.ended, last.error) == ("half", True, "the stream was broken off")


def test_a_stream_that_is_too_long_ends_once() -> None:
    fold = TextFold("c")
    fold.chunk(chunk("x" * MAX_CHARACTERS), 5.0)
    last = fold.chunk(chunk("y"), 6.0)
    assert last is not None
    assert (last.ended, len(last.text)) == (True, MAX_CHARACTERS)
    assert "longer" in last.error
    assert fold.chunk(chunk("z"), 7.0) is None
    assert fold.ended(ended(), 8.0) is None


def test_streams_at_a_time_are_bounded() -> None:
    fold = TextFold("c")
    for number in range(MAX_OPEN):
        fold.chunk(chunk("x", str(number)), 5.0)
    refused = fold.chunk(chunk("x", "one more"), 5.0)
    assert refused is not None
    assert (refused.ended, refused.text) == (True, "")
    assert len(fold.close("gone")) == MAX_OPEN


def test_closing_ends_what_is_open() -> None:
    fold = TextFold("c")
    fold.chunk(chunk("half"), 5.0)
    assert [(s.text, s.ended, s.error) for s in fold.close("gone")] == [("half", True, "gone")]
    assert fold.close("gone") == []


# -- roster and speaker ----------------------------------------------------------------------------


def _agent(identity: str, *tracks: Track, **attributes: str) -> Participant:
    on_behalf = {ON_BEHALF: attributes["of"]} if attributes else {}
    return Participant(identity, f"PA_{identity}", "agent", True, on_behalf, tracks)


MICROPHONE = Track("TR_m", "audio", "microphone", True)
CAMERA = Track("TR_c", "video", "camera", True)


def test_the_agents_voice_is_its_own_or_its_avatar_workers() -> None:
    worker = _agent("worker", CAMERA, MICROPHONE, of="agent")
    assert agent_of([worker]) is None
    assert voice_of([worker]) is None
    assert voice_of([worker, _agent("agent")]) == ("worker", MICROPHONE)
    own = Track("TR_own", "audio", "microphone", True)
    assert voice_of([worker, _agent("agent", own)]) == ("agent", own)
    assert voice_of([_agent("other", MICROPHONE, of="someone"), _agent("agent", CAMERA)]) is None


def test_spoken_frames_are_numbered_and_what_is_refused_is_counted() -> None:
    said: list[Message] = []
    open_ = True

    def send(message: Message) -> bool:
        if open_:
            said.append(message)
        return open_

    lane = SpeakerLane(send)
    lane.spoken(48_000, b"ab")
    open_ = False
    lane.spoken(48_000, b"cd")
    open_ = True
    lane.spoken(48_000, b"ef")
    assert said == [Spoken(1, 48_000, b"ab"), Spoken(3, 48_000, b"ef")]
    assert lane.dropped == 1


def test_a_voice_that_is_gone_is_hushed_once() -> None:
    said: list[Message] = []

    def send(message: Message) -> bool:
        said.append(message)
        return True

    lane = SpeakerLane(send)
    for track in ("", "TR_1", "TR_1", "", "", "TR_2", "TR_3"):
        lane.voice(track)
    assert said == [Hush(), Hush()]


def test_an_agent_that_stops_speaking_may_have_been_interrupted() -> None:
    said: list[Message] = []
    lane = SpeakerLane(lambda message: said.append(message) is None)
    for state in ("", "listening", "speaking", "speaking", "listening", "thinking", "speaking", ""):
        lane.state(state)
    assert said == [Hush(interrupted=True), Hush(interrupted=True)]


# -- what the client says --------------------------------------------------------------------------

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"engine: signal failure: client error: 401 Unauthorized - invalid token: {TOKEN}",
         "refused"),
        ("signal failure: transport connection error: IO error: Connection refused (os error 111)",
         "unreachable"),
        ("failed to parse the url: relative URL without a base", "invalid"),
        ("failed to lookup address information", "unreachable"),
        (f"something new about wss://host/rtc?access_token={TOKEN}", "unreachable"),
    ],
)  # fmt: skip
def test_a_failed_connect_is_told_without_the_token(text: str, code: str) -> None:
    error = not_connected(text)
    assert error.code == code
    assert TOKEN not in str(error)
    assert "host" not in str(error)


def test_disconnect_reasons_are_sentences() -> None:
    assert disconnected("CLIENT_INITIATED") == ""
    assert "identity" in disconnected("DUPLICATE_IDENTITY")
    assert "lost" in disconnected("UNKNOWN_REASON")
    assert "lost" in disconnected("SOMETHING_NEW")
    assert len(scrubbed("x" * 10_000)) <= 200


def test_log_lines_of_the_client_lose_their_text_and_keep_their_place() -> None:
    record = logging.LogRecord(
        "livekit", logging.WARNING, "/x/livekit/rtc/_ffi_client.py", 7, "%s:%s:%s - %s",
        ("livekit::rtc_engine", 559, "livekit::rtc_engine", f"rejected {TOKEN}"), None,
    )  # fmt: skip
    assert sdk_log.WithoutTexts().filter(record)
    assert TOKEN not in str(vars(record))
    assert (vars(record)["target"], vars(record)["line"]) == ("livekit::rtc_engine", 559)


def test_log_lines_of_others_are_left_alone() -> None:
    record = logging.LogRecord("x", logging.INFO, "/work/other.py", 7, "a %s", ("b",), None)
    assert sdk_log.WithoutTextsOfClient().filter(record)
    assert record.getMessage() == "a b"
    foreign = logging.LogRecord(
        "root", logging.ERROR, "/x/livekit/rtc/room.py", 7, "said %s", ("words",), None
    )
    sdk_log.WithoutTextsOfClient().filter(foreign)
    assert "words" not in foreign.getMessage()
    chatter = logging.LogRecord("root", logging.INFO, "/x/livekit/rtc/room.py", 7, "x", (), None)
    assert not sdk_log.WithoutTextsOfClient().filter(chatter)

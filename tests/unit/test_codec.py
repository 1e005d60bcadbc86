"""Bytes to messages and back, whatever the bytes are."""

import contextlib

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import (
    CATALOGUE,
    AgentView,
    Captured,
    ChatMessage,
    Envelope,
    Join,
    SessionState,
    StartSession,
    StoreMessage,
    Welcome,
)
from actors.messages.codec import (
    MAX_FRAME_BYTES,
    CorruptMessage,
    decode,
    decode_header,
    decode_message,
    encode,
    encode_message,
)

pytestmark = pytest.mark.unit


def _frame(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "version": 1, "kind": "tell", "to": "room", "sender": "audio", "id": 0,
        "topic": "captured", "deadline": 0.0, "message": ["captured", 1, 2, 48000, b"\0\0"],
    }  # fmt: skip
    fields.update(changes)
    packed = msgpack.packb(list(fields.values()))
    assert isinstance(packed, bytes)
    return packed


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.binary(max_size=4096))
def test_what_is_encoded_is_decoded(stream: int, position: int, pcm: bytes) -> None:
    message = Captured(stream, position, 48000, pcm)
    frame = encode(message, kind="tell", sender="audio", to="room", id=7, deadline=1.5)
    sent = Envelope(1, "tell", "room", "audio", 7, "captured", 1.5, message)
    assert msgspec.structs.astuple(decode(frame)) == msgspec.structs.astuple(sent)


def test_the_header_is_read_without_the_message() -> None:
    header = decode_header(_frame(message=["anything", {"at": "all"}]))
    assert (header.to, header.sender, header.topic) == ("room", "audio", "captured")


def test_nested_structs_survive() -> None:
    view = AgentView("connected", "idle", True, True, False, False)
    state = SessionState("c", True, "connected", view)
    assert decode(encode(state, kind="state", sender="session")).message == state
    stored = StoreMessage(ChatMessage("1", "user_input", "grüß dich 🦜", 1.0))
    assert decode(encode(stored, kind="deliver", sender="session", id=1)).message == stored


def test_a_delivery_tells_which_one_it_comes_after() -> None:
    stored = StoreMessage(ChatMessage("1", "user_input", "hello", 1.0))
    frame = encode(stored, kind="deliver", sender="session", id=8, after=7)
    assert (decode(frame).id, decode(frame).after) == (8, 7)
    assert decode(_frame(kind="deliver", id=8)).after == 0, "an older writer does not"


def test_another_library_reads_what_is_written() -> None:
    frame = encode(Captured(3, 4, 48000, b"\0\1"), kind="tell", sender="audio", to="room", id=7)
    assert msgpack.unpackb(frame) == [
        1, "tell", "room", "audio", 7, "captured", 0.0, ["captured", 3, 4, 48000, b"\0\1", 0, 0],
        0,
    ]  # fmt: skip


def test_a_frame_of_a_lane_of_the_sound_is_the_message_alone() -> None:
    run = Captured(3, 4, 48000, b"\0\1")
    frame = encode_message(run)
    assert msgpack.unpackb(frame) == ["captured", 3, 4, 48000, b"\0\1", 0, 0]
    assert decode_message(frame) == run


def test_every_message_has_a_tag_of_its_own_and_a_word_of_explanation() -> None:
    tags = [message.tag() for message in CATALOGUE]
    assert len(set(tags)) == len(tags)
    assert [message.__name__ for message in CATALOGUE if not message.__doc__] == []


# -- evolution: frames of this version, byte for byte, must be understood for ever -----------------

_JOIN = bytes.fromhex(
    "9801a474656c6ca6726f75746572a5617564696f00a46a6f696ecb000000000000000092a46a6f696e92a161a162"
)
V1_FRAMES = {
    _JOIN: Join(("a", "b")),
    bytes.fromhex(
        "9801a361736ba773657373696f6ea6636c69656e7403ad73746172742d73657373696f6ecb402900000000000091"
        "ad73746172742d73657373696f6e"
    ): StartSession(),
}


@pytest.mark.parametrize("frame", V1_FRAMES, ids=lambda frame: frame[-8:].hex())
def test_frames_of_version_1_are_understood(frame: bytes) -> None:
    assert decode(frame).message == V1_FRAMES[frame]


def test_fields_appended_by_a_newer_writer_are_ignored() -> None:
    frame = _frame(message=["captured", 1, 2, 48000, b"", 5, 6, "new", 3])
    assert decode(frame).message == Captured(1, 2, 48000, b"", 5, 6)


def test_fields_an_older_writer_did_not_know_get_their_defaults() -> None:
    assert decode(_frame(message=["captured", 1, 2, 48000, b""])).message.gap == 0


# -- garbage ---------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_with_bytes_and_cause(garbage: bytes) -> None:
    with pytest.raises(CorruptMessage) as refused:
        decode(garbage)
    assert refused.value.frame == garbage
    assert refused.value.__cause__ is not None


@given(st.integers(0, 40), st.binary(min_size=1, max_size=4))
def test_a_frame_with_damage_is_either_refused_or_a_message(at: int, damage: bytes) -> None:
    frame = _frame()
    damaged = frame[:at] + damage + frame[at + len(damage) :]
    with contextlib.suppress(CorruptMessage):
        assert type(decode(damaged).message) in CATALOGUE


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("another version", _frame(version=2)),
        ("no such kind", _frame(kind="shout")),
        ("no such message", _frame(topic="nonsense")),
        ("another message than its topic", _frame(topic="welcome")),
        ("too few fields", _frame(message=["captured", 1])),
        ("a field of another type", _frame(message=["captured", "x", 2, 48000, b""])),
        ("a map", msgpack.packb({"version": 1})),
        ("nested without end", b"\x91" * 5000),
        ("an array that claims four billion", b"\xdd\xff\xff\xff\xff"),
        ("four billion names", _JOIN.replace(b"\x92\xa1a\xa1b", b"\xdd\xff\xff\xff\xff\xa1a")),
        ("no message", msgpack.packb([1, "tell", "router", "audio", 0, "join", 0.0])),
        ("more after its end", _frame() + b"\0"),
        ("an extension type", _frame(message=["captured", msgpack.ExtType(5, b"x"), 2, 3, b""])),
    ],
)
def test_what_is_refused(name: str, frame: bytes) -> None:
    with pytest.raises(CorruptMessage):
        decode(frame)


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("in an envelope", encode(Welcome(1), kind="tell", sender="router")),
        ("no such message", msgpack.packb(["nonsense", 1])),
        ("a field of another type", msgpack.packb(["welcome", "x"])),
        ("cut off", encode_message(Captured(1, 2, 48000, b"\0\0"))[:-3]),
        ("nothing", b""),
        ("nested without end", b"\x91" * 5000),
        ("too long", encode_message(Captured(1, 2, 48000, bytes(MAX_FRAME_BYTES)))),
    ],
)
def test_what_is_refused_of_a_message_alone(name: str, frame: bytes) -> None:
    with pytest.raises(CorruptMessage) as refused:
        decode_message(frame)
    assert refused.value.frame == frame
    assert refused.value.__cause__ is not None


@given(st.integers(0, 25), st.binary(min_size=1, max_size=4))
def test_a_message_with_damage_is_either_refused_or_another(at: int, damage: bytes) -> None:
    frame = encode_message(Captured(1, 2, 48000, b"\0\0"))
    damaged = frame[:at] + damage + frame[at + len(damage) :]
    with contextlib.suppress(CorruptMessage):
        assert type(decode_message(damaged)) in CATALOGUE


def test_a_refusal_does_not_show_what_was_in_the_frame() -> None:
    with pytest.raises(CorruptMessage) as refused:
        decode(_frame(message=["captured", "a secret", 2, 3, b""]))
    assert "secret" not in str(refused.value)


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Welcome(1).epoch = 2  # type: ignore[misc]
    assert msgspec.structs.replace(Welcome(1), epoch=2) == Welcome(2)

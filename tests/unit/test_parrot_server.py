"""The server that the parrot plays: joins, leaves, silences, replacements, on its own clock."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import (
    Message,
    PracticeAudio,
    PracticeBeat,
    PracticeBytes,
    PracticeClosed,
    PracticeJoin,
    PracticeJoined,
    PracticeLeave,
    PracticePublish,
    PracticeRoster,
    PracticeSubscribed,
    PracticeText,
)
from actors.messages.codec import encode
from actors.parrot.agent import Agent
from actors.parrot.ears import TOPIC as PRECONNECT
from actors.parrot.server import BEAT_S, DEPARTURE_S, MAX_ROOMS, SILENT_S, Server

pytestmark = pytest.mark.unit

RATE = 48_000


class House:
    """A server, its agents, and who was sent what."""

    def __init__(self) -> None:
        self.now = 0.0
        self.agents: list[Agent] = []
        self.server = Server(self._agent)
        self.sent: list[tuple[str, Message]] = []

    def _agent(self, user: str, now: float) -> Agent:
        self.agents.append(Agent(user, now))
        return self.agents[-1]

    def say(self, peer: str, message: Message) -> None:
        self.sent += self.server.receive(peer, message, self.now)

    def join(self, peer: str, room: str = "r", identity: str = "me") -> None:
        self.say(peer, PracticeJoin(room, identity))

    def wait(self, seconds: float, *alive: str) -> None:
        """``alive`` say so meanwhile; nobody else does."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 0.05)
            for peer in alive:
                self.say(peer, PracticeBeat())
            self.sent += self.server.tick(self.now)

    def to(self, peer: str, kind: type[Message]) -> list[Message]:
        return [message for to, message in self.sent if to == peer and isinstance(message, kind)]


def test_a_client_is_let_in_and_sees_the_agent_come() -> None:
    house = House()
    house.join("p")
    assert [message for _, message in house.sent] == [
        PracticeJoined("r", "me"),
        PracticeRoster(()),
    ]
    house.wait(1.0, "p")
    last = house.to("p", PracticeRoster)[-1]
    assert isinstance(last, PracticeRoster)
    assert last.participants[0].identity == house.agents[0].identity


def test_joining_twice_is_joining_once() -> None:
    house = House()
    house.join("p")
    house.join("p")
    assert house.to("p", PracticeJoined) == [PracticeJoined("r", "me")] * 2
    assert house.to("p", PracticeClosed) == []
    assert len(house.agents) == 1


def test_the_same_identity_replaces_and_keeps_the_agent() -> None:
    house = House()
    house.join("old")
    house.wait(1.0, "old")
    house.sent.clear()
    house.join("new")
    assert house.to("old", PracticeClosed) == [PracticeClosed("DUPLICATE_IDENTITY")]
    assert len(house.agents) == 1
    house.say("new", PracticePublish("TR_2", True))
    assert house.to("new", PracticeSubscribed) == [PracticeSubscribed("TR_2")]
    house.sent.clear()
    house.say("old", PracticePublish("TR_1", True))
    assert house.sent == []


def test_another_identity_finds_the_room_taken() -> None:
    house = House()
    house.join("p")
    house.join("q", identity="you")
    assert house.to("q", PracticeClosed) == [PracticeClosed("JOIN_FAILURE")]
    assert house.to("q", PracticeJoined) == []


def test_leaving_ends_the_conversation() -> None:
    house = House()
    house.join("p")
    house.say("p", PracticeLeave())
    assert house.server.due_at is None
    house.join("p")
    assert len(house.agents) == 2


@pytest.mark.parametrize("how", ["silent", "unreachable"])
def test_the_agent_waits_a_while_for_one_who_vanishes(how: str) -> None:
    house = House()
    house.join("p")
    if how == "unreachable":
        house.server.unreachable("p", house.now)
    house.wait(SILENT_S + DEPARTURE_S - 2)
    house.join("q")
    assert len(house.agents) == 1
    house.wait(SILENT_S + DEPARTURE_S + 0.1)
    assert house.server.due_at is None
    house.join("p")
    assert len(house.agents) == 2


def test_one_who_vanished_is_sent_nothing() -> None:
    house = House()
    house.join("p")
    house.server.unreachable("p", house.now)
    house.sent.clear()
    house.wait(10.0)
    assert house.sent == []


def test_an_unknown_client_is_told_to_join_again_once_for_each_beat() -> None:
    house = House()
    house.say("p", PracticeAudio("TR", RATE, bytes(1920)))
    assert house.sent == []
    house.say("p", PracticeBeat())
    assert house.sent == [("p", PracticeClosed("STATE_MISMATCH"))]


def test_a_process_that_was_held_up_gives_its_clients_time() -> None:
    house = House()
    house.join("p")
    house.now += 30.0
    house.server.woke_late(house.now)
    house.sent.clear()
    house.wait(SILENT_S - 0.1)
    assert house.to("p", PracticeBeat) != []


def test_what_came_of_the_track_is_acknowledged() -> None:
    house = House()
    house.join("p")
    house.say("p", PracticePublish("TR", False))
    for _ in range(4):
        house.say("p", PracticeAudio("TR", RATE, bytes(1920)))
    assert house.to("p", PracticeBeat) == []
    house.say("p", PracticeAudio("TR", RATE, bytes(1920)))
    assert house.to("p", PracticeBeat) == [PracticeBeat(5 * 960)]
    house.say("p", PracticeAudio("TR", RATE, bytes(1920)))
    house.wait(BEAT_S + 0.05, "p")
    assert house.to("p", PracticeBeat)[-1] == PracticeBeat(6 * 960)
    house.join("p")
    house.wait(BEAT_S + 0.05, "p")
    assert house.to("p", PracticeBeat)[-1] == PracticeBeat(0)


def test_rooms_are_bounded_and_the_one_left_longest_ago_gives_way() -> None:
    house = House()
    for number in range(MAX_ROOMS):
        house.join(f"p{number}", room=f"r{number}")
    house.join("late", room="late")
    assert house.to("late", PracticeClosed) == [PracticeClosed("JOIN_FAILURE")]
    house.server.unreachable("p3", house.now)
    house.join("late", room="late")
    assert house.to("late", PracticeJoined) == [PracticeJoined("late", "me")]


@pytest.mark.parametrize("room", ["x" * 10_000, "r"])
def test_a_name_without_end_is_refused(room: str) -> None:
    house = House()
    house.join("p", room=room, identity="y" * (10_000 if room == "r" else 1))
    assert house.to("p", PracticeClosed) == [PracticeClosed("JOIN_FAILURE")]


_names = st.sampled_from(["", "r", "me", "TR_1", "lk.chat", PRECONNECT]) | st.text(max_size=4)
_pcm = st.binary(max_size=40) | st.integers(0, 20_000).map(bytes)
_attributes = st.dictionaries(
    st.sampled_from(["trackId", "sampleRate", "channels"]),
    st.sampled_from(["", "TR_1", "48000", "1", "-1", "9" * 30]),
)
_anything = st.one_of(
    st.builds(PracticeJoin, _names, _names),
    st.just(PracticeLeave()),
    st.builds(PracticeBeat, st.integers(-(2**63), 2**63 - 1)),
    st.builds(PracticePublish, _names, st.booleans()),
    st.builds(PracticeAudio, _names, st.integers(-(2**63), 2**63 - 1) | st.just(RATE), _pcm),
    st.builds(PracticeBytes, _names, _names, _attributes, _pcm, st.booleans(), _names),
    st.builds(PracticeText, _names, _names, _names, _attributes, st.text(), st.booleans()),
    st.builds(PracticeClosed, _names),
)
_steps = st.tuples(st.sampled_from(["p", "q"]), _anything, st.floats(0.0, 3.0))


@settings(max_examples=300, deadline=None)
@given(st.lists(_steps, max_size=30))
def test_it_survives_whatever_its_clients_say(steps: list[tuple[str, Message, float]]) -> None:
    house = House()
    for peer, message, pause in steps:
        house.say(peer, message)
        house.now += pause
        house.sent += house.server.tick(house.now)
    assert {peer for peer, _ in house.sent} <= {"p", "q"}
    for peer, message in house.sent:
        assert encode(message, kind="tell", sender="parrot", to=peer)
    house.sent.clear()
    house.join("p", "another room", "somebody")
    assert house.to("p", PracticeJoined) == [PracticeJoined("another room", "somebody")]

"""When a conversation is over by itself."""

from typing import Any

import msgspec
import pytest

from actors.messages import AgentView
from actors.session.ending import NEVER, Ending, Limits
from actors.settings.model import Session

pytestmark = pytest.mark.unit

LISTENING = AgentView("connected", "listening", True, True, False, False)
SPEAKING = msgspec.structs.replace(LISTENING, state="speaking")
THINKING = msgspec.structs.replace(LISTENING, state="thinking")
IDLE = AgentView("connected", "idle", False, False, True, False)
PENDING = AgentView("connecting", None, False, True, True, False)
LEFT = AgentView("failed", None, False, False, False, True, error="left")


def ending(**limits: Any) -> Ending:
    ending = Ending(Limits(**limits))
    ending.began("c1", 100.0, 100.0)
    return ending


def test_by_default_it_never_ends_by_itself() -> None:
    found = Ending(Limits.of(Session(), 60.0))
    found.began("c1", 100.0, 100.0)
    found.agent(LEFT, 100.0)
    assert found.due(1e9) == ("", NEVER)


def test_the_config_names_the_limits() -> None:
    settings = Session(end_after_silence=30.0, end_after=600.0, end_when_agent_leaves=True)
    assert Limits.of(settings, 60.0) == Limits(30.0, 600.0, True, 60.0)


def test_silence_counts_from_the_last_word_of_anybody() -> None:
    found = ending(silence_s=10.0)
    found.agent(LISTENING, 101.0)
    assert found.due(105.0) == ("", 5.0)
    found.spoken(108.0)
    assert found.due(112.0) == ("", 6.0)
    found.agent(SPEAKING, 113.0)
    assert found.due(200.0) == ("", NEVER), "it speaks for a long time"
    found.agent(LISTENING, 201.0)
    assert found.due(202.0) == ("", 9.0)
    assert found.due(211.0) == ("nobody has spoken for 10 s", 0.0)


def test_an_agent_that_is_being_called_is_waited_for() -> None:
    found = ending(silence_s=10.0)
    found.agent(PENDING, 100.0)
    assert found.due(150.0) == ("", NEVER)


@pytest.mark.parametrize("seen", [SPEAKING, THINKING, IDLE, LISTENING])
def test_an_agent_that_is_out_of_reach_does_not_speak_however_it_was_last_seen(
    seen: AgentView,
) -> None:
    found = ending(silence_s=30.0, kept_s=60.0)
    found.agent(seen, 110.0)
    found.spoken(110.0)
    found.agent(seen, 111.0, away=True)
    assert 0.0 < found.due(139.0)[1] <= 2.0
    assert found.due(141.0) == ("nobody has spoken for 30 s", 0.0)


def test_while_the_room_is_away_the_level_tells_whether_somebody_speaks() -> None:
    found = ending(silence_s=30.0, kept_s=60.0)
    found.agent(LISTENING, 100.0)
    found.sounded(110.0)
    assert found.due(110.0) == ("", 20.0), "there are transcripts"
    found.agent(LISTENING, 120.0, away=True)
    found.sounded(125.0)
    assert found.due(140.0) == ("", 15.0)
    assert found.due(155.0) == ("nobody has spoken for 30 s", 0.0)


@pytest.mark.parametrize(("kept_s", "patience_s"), [(60.0, 60.0), (10.0, 30.0)])
def test_noise_does_not_keep_a_conversation_whose_room_is_away_longer_than_the_tape_its_words(
    kept_s: float, patience_s: float
) -> None:
    found = ending(silence_s=30.0, kept_s=kept_s)
    found.agent(SPEAKING, 120.0, away=True)
    for now in range(120, 200):
        found.sounded(float(now))
        found.agent(SPEAKING, float(now), away=True)
    ended = f"the room has been away for {patience_s:g} s"
    assert found.due(119.0 + patience_s) == ("", 1.0)
    assert found.due(120.0 + patience_s) == (ended, 0.0)


def test_a_room_that_is_back_counts_by_its_words_again() -> None:
    found = ending(silence_s=30.0, kept_s=60.0)
    found.agent(LISTENING, 120.0, away=True)
    found.sounded(145.0)
    found.agent(SPEAKING, 170.0)
    assert found.due(200.0) == ("", NEVER)
    found.agent(LISTENING, 200.0)
    found.sounded(220.0)
    assert found.due(220.0) == ("", 10.0)


def test_without_a_limit_a_room_may_be_away_for_ever() -> None:
    found = ending(kept_s=60.0)
    found.agent(SPEAKING, 110.0, away=True)
    assert found.due(1e9) == ("", NEVER)


def test_it_lasts_so_long_whatever_is_said() -> None:
    found = ending(lasts_s=60.0, silence_s=50.0)
    found.agent(SPEAKING, 130.0)
    assert found.due(130.0) == ("", 30.0)
    assert found.due(160.0) == ("it has lasted 60 s", 0.0)


def test_a_process_that_goes_on_with_it_does_not_give_it_more_time() -> None:
    found = Ending(Limits(lasts_s=60.0))
    found.began("c1", 100.0, 150.0)
    assert found.due(150.0) == ("", 10.0)


@pytest.mark.parametrize("wanted", [True, False])
def test_an_agent_that_has_left_ends_it_if_that_is_wanted(wanted: bool) -> None:
    found = ending(agent_leaves=wanted)
    found.agent(LEFT, 110.0)
    assert found.due(110.0)[0] == ("the agent has left" if wanted else "")


def test_the_next_conversation_begins_anew() -> None:
    found = ending(lasts_s=60.0, agent_leaves=True)
    found.agent(LEFT, 110.0)
    found.began("c2", 170.0, 170.0)
    assert found.due(170.0) == ("", 60.0)

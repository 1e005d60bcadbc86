"""What an agent remembers and the list does not have."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import ChatMessage, MessageKind
from actors.session.lacking import SLACK_S, lacking

pytestmark = pytest.mark.unit

USER: MessageKind = "user_transcript"
AGENT: MessageKind = "agent_transcript"


def theirs(*said: tuple[MessageKind, str]) -> list[ChatMessage]:
    return [
        ChatMessage(f"item_{at}", kind, text, 100.0 + at) for at, (kind, text) in enumerate(said)
    ]


def ours(
    *said: tuple[MessageKind, str], at: float = 100.0, is_final: bool = True
) -> list[ChatMessage]:
    return [
        ChatMessage(
            f"SG_{at + number:g}",
            kind,
            text,
            at + number,
            is_final,
            "c1",
        )
        for number, (kind, text) in enumerate(said)
    ]


def added(mine: list[ChatMessage], told: list[ChatMessage], since: float = 0.0) -> list[str]:
    return [message.text for message in lacking(mine, told, since, "c1")]


TALK = [(AGENT, "Hello!"), (USER, "Two tickets."), (AGENT, "To where?"), (USER, "To Bern.")]


def test_nothing_is_added_to_what_is_complete() -> None:
    assert added(ours(*TALK), theirs(*TALK)) == []


def test_a_message_that_is_missing_is_added_in_its_place() -> None:
    mine = [*ours(*TALK[:2]), *ours(TALK[3], at=103.0)]
    (message,) = lacking(mine, theirs(*TALK), since=0.0, conversation="c1")
    assert message == ChatMessage("item_2", "agent_transcript", "To where?", 102.0, True, "c1")


def test_the_place_is_right_whatever_the_agents_clock_says() -> None:
    mine = [*ours(*TALK[:2], at=5000.0), *ours(TALK[3], at=5003.0)]
    (message,) = lacking(mine, theirs(*TALK), since=0.0, conversation="c1")
    assert 5001.0 < message.timestamp < 5003.0


def test_what_was_cut_off_is_completed_by_its_rest() -> None:
    mine = ours((USER, "Hi"), (AGENT, "How are you to"))
    told = theirs((USER, "Hi"), (AGENT, "How are you today, my friend?"))
    (message,) = lacking(mine, told, since=0.0, conversation="c1")
    assert (message.id, message.text) == ("item_1.0", "day, my friend?")
    assert message.timestamp > mine[-1].timestamp


def test_a_turn_of_several_transcripts_lacks_only_the_one_that_is_missing() -> None:
    told = theirs((USER, "I want two tickets to Bern please"))
    mine = ours((USER, "I want"), (USER, "please"))
    assert added(mine, told) == ["two tickets to Bern"]


def test_what_is_just_being_said_is_not_completed() -> None:
    mine = ours((AGENT, "How are"), is_final=False)
    assert added(mine, theirs((AGENT, "How are you?"))) == []


def test_case_spaces_and_punctuation_do_not_count() -> None:
    mine = ours((AGENT, "grüß dich,  wie gehts"))
    assert added(mine, theirs((AGENT, "Grüß dich, wie geht's?"))) == []


def test_of_words_said_twice_the_one_that_is_missing_is_added_once() -> None:
    told = theirs((AGENT, "Yes?"), (USER, "yes"), (AGENT, "Really?"), (USER, "yes"))
    mine = ours((AGENT, "Yes?"), (USER, "yes"), (AGENT, "Really?"))
    (message,) = lacking(mine, told, since=0.0, conversation="c1")
    assert (message.id, message.kind) == ("item_3", "user_transcript")


def test_what_they_do_not_remember_stays_as_it_is() -> None:
    mine = ours((AGENT, "Welcome to the bank."), *TALK)
    assert added(mine, theirs(*TALK)) == []


def test_what_was_written_is_no_transcript_that_is_missing() -> None:
    mine = [ChatMessage("1", "user_input", "Two tickets.", 100.0, True, "c1")]
    assert added(mine, theirs((USER, "Two tickets."))) == []


def test_what_was_said_long_before_is_not_added() -> None:
    told = theirs((AGENT, "old"), (AGENT, "new"))
    assert added(ours(), told, since=101.0 + SLACK_S) == ["new"]


def test_with_an_empty_list_all_is_missing() -> None:
    assert added([], theirs(*TALK)) == [text for _, text in TALK]


WORDS = st.lists(st.text("abcdefgh", min_size=2, max_size=6), min_size=1, max_size=6).map(" ".join)
SAID = st.lists(st.tuples(st.sampled_from([USER, AGENT]), WORDS), min_size=1, max_size=12)


@given(SAID, st.data())
def test_whatever_was_missed_each_word_is_there_once_and_in_order(
    said: list[tuple[MessageKind, str]], data: st.DataObject
) -> None:
    """Some messages in a row are missing, and of the one before them its end."""
    told = theirs(*[(who, f"{text} {number}") for number, (who, text) in enumerate(said)])
    mine = [
        ChatMessage(
            f"SG_{item.id}",
            item.kind,
            item.text,
            item.timestamp,
            True,
            "c1",
        )
        for item in told
    ]
    first = data.draw(st.integers(0, len(mine)))
    last = data.draw(st.integers(first, len(mine)))
    cut = mine[first - 1 : first]
    left = [*mine[: max(0, first - 1)], *_cut(cut, data), *mine[last:]]
    new = lacking(left, told, since=0.0, conversation="c1")
    after = sorted([*left, *new], key=lambda message: message.timestamp)
    for kind in (USER, AGENT):
        want = [letter for item in told if item.kind == kind for letter in item.text]
        got = [letter for each in after if each.kind == kind for letter in each.text]
        assert [x for x in got if x.isalnum()] == [x for x in want if x.isalnum()]
    assert all(a.timestamp < b.timestamp for a, b in pairwise(new))
    assert lacking(after, told, since=0.0, conversation="c1") == []


def _cut(messages: list[ChatMessage], data: st.DataObject) -> list[ChatMessage]:
    return [
        ChatMessage(
            each.id,
            each.kind,
            each.text[: data.draw(st.integers(1, len(each.text)))],
            each.timestamp,
            True,
            "c1",
        )
        for each in messages
    ]

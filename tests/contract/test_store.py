"""What every store of messages must do."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.history.sqlite import SqliteStore
from actors.history.store import Store, supersedes
from actors.messages import ChatMessage

pytestmark = pytest.mark.contract

Again = Callable[[], Store]
"""Another connection to the same store, as after a restart."""

SQLITE = "sqlite"


@pytest.fixture(params=[SQLITE])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Again]:
    opened: list[Store] = []

    def connect() -> Store:
        makers: dict[str, Callable[[], Store]] = {
            SQLITE: lambda: SqliteStore(tmp_path / "state" / "history.sqlite3")
        }
        store = makers[request.param]()
        store.open()
        opened.append(store)
        return store

    yield connect
    for store in opened:
        store.close()


@pytest.fixture
def store(again: Again) -> Store:
    return again()


def _message(
    number: int, *, at: float = 0.0, text: str = "", conversation: str = "", final: bool = True
) -> ChatMessage:
    return ChatMessage(
        id=f"id-{number}",
        kind="user_transcript",
        text=text or f"text {number}",
        timestamp=at or float(number),
        is_final=final,
        conversation=conversation,
    )


def _all(store: Store) -> list[ChatMessage]:
    return list(store.page(1000, "", 0.0))


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.count() == 0
    assert _all(store) == []


def test_what_is_kept_is_there_after_a_restart_field_by_field(store: Store, again: Again) -> None:
    message = ChatMessage("SG_1", "agent_transcript", "Grüße 🎙\0\n'\"--", 1.25, False, "c1")
    assert store.keep([message]) == 1
    assert _all(again()) == [message]


def test_the_same_again_is_kept_once(store: Store) -> None:
    assert store.keep([_message(1)]) == 1
    assert store.keep([_message(1)]) == 0
    assert store.keep([_message(2), _message(2)]) == 1
    assert _all(store) == [_message(1), _message(2)]


def test_a_final_text_replaces_an_interim_one_in_its_place(store: Store) -> None:
    store.keep([_message(1, text="hel", final=False), _message(2)])
    store.keep([_message(1, at=99.0, text="hello")])
    assert _all(store) == [_message(1, text="hello"), _message(2)]
    assert store.count() == 2


def test_order_is_by_time_then_by_arrival(store: Store) -> None:
    store.keep([_message(3, at=5.0)])
    store.keep([_message(1, at=5.0), _message(2, at=4.0)])
    assert [message.id for message in _all(store)] == ["id-2", "id-3", "id-1"]


def test_a_page_is_the_newest_so_many_oldest_first(store: Store) -> None:
    store.keep([_message(number) for number in range(1, 11)])
    assert [message.id for message in store.page(3, "", 0.0)] == ["id-8", "id-9", "id-10"]


def test_a_page_before_a_time_has_only_older_ones(store: Store) -> None:
    store.keep([_message(number) for number in range(1, 6)])
    assert [message.id for message in store.page(2, "", 4.0)] == ["id-2", "id-3"]


def test_a_page_of_a_conversation_has_only_its_messages(store: Store) -> None:
    store.keep([_message(n, conversation="odd" if n % 2 else "even") for n in range(1, 8)])
    assert [message.id for message in store.page(2, "odd", 7.0)] == ["id-3", "id-5"]
    assert store.page(2, "none", 0.0) == ()


def test_all_of_a_commit_or_nothing(store: Store, again: Again) -> None:
    with pytest.raises(Exception, match="NOT NULL"):
        store.keep([_message(1), _message(2, at=math.nan)])
    assert _all(store) == []
    assert store.keep([_message(1)]) == 1
    assert _all(again()) == [_message(1)]


def test_two_connections_see_each_others_messages(store: Store, again: Again) -> None:
    other = again()
    other.keep([_message(1)])
    store.keep([_message(1), _message(2)])
    assert _all(other) == [_message(1), _message(2)]


_messages = st.builds(
    ChatMessage,
    id=st.sampled_from("abc"),
    kind=st.sampled_from(["user_input", "user_transcript", "agent_transcript"]),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    timestamp=st.floats(0, 3),
    is_final=st.booleans(),
    conversation=st.sampled_from(["", "x", "y"]),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(_messages, max_size=4), max_size=4))
def test_any_deliveries_end_as_the_rules_say(
    tmp_path_factory: pytest.TempPathFactory, commits: list[list[ChatMessage]]
) -> None:
    store = SqliteStore(tmp_path_factory.mktemp("any") / "history.sqlite3")
    store.open()
    expected: dict[str, ChatMessage] = {}
    try:
        for commit in commits:
            store.keep(commit)
            for new in commit:
                kept = expected.get(new.id)
                if kept is None:
                    expected[new.id] = new
                elif supersedes(new, kept):
                    expected[new.id] = ChatMessage(
                        kept.id, kept.kind, new.text, kept.timestamp, new.is_final,
                        kept.conversation,
                    )  # fmt: skip
        assert _all(store) == sorted(expected.values(), key=lambda message: message.timestamp)
    finally:
        store.close()

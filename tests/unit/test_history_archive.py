"""A store with troubles, kept going: refusing, trying again, setting aside."""

from collections.abc import Callable, Sequence

import pytest

from actors.history.archive import Archive
from actors.history.store import StoreCorrupt, StoreError, StoreUnavailable, StoreUnopenable
from actors.messages import ChatMessage, ListHistory

pytestmark = pytest.mark.unit

FULL = StoreUnavailable("the disk is full", "free some space")


class ScriptedStore:
    """Keeps messages in memory and fails as it is told."""

    def __init__(self) -> None:
        self.kept: dict[str, ChatMessage] = {}
        self.fails: list[StoreError] = []
        """One for each of the next calls."""
        self.stamps: list[str] = []
        self.damaged = 0

    def _fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)

    def open(self) -> None:
        self._fail()

    def close(self) -> None:
        pass

    def count(self) -> int:
        return len(self.kept)

    def keep(self, messages: Sequence[ChatMessage]) -> int:
        self._fail()
        before = len(self.kept)
        self.kept.update({message.id: message for message in messages})
        return len(self.kept) - before

    def page(self, limit: int, conversation: str, before: float) -> tuple[ChatMessage, ...]:
        self._fail()
        return tuple(self.kept.values())[-limit:]

    def set_aside(self, stamp: str) -> str:
        self.kept = {}
        self.stamps.append(stamp)
        return f"store.corrupt-{stamp}"


@pytest.fixture
def store() -> ScriptedStore:
    return ScriptedStore()


@pytest.fixture
def archive(store: ScriptedStore) -> Archive:
    archive = Archive(store, clock=lambda: 86_400.0)
    archive.open()
    return archive


def _message(number: int) -> ChatMessage:
    return ChatMessage(str(number), "user_input", f"text {number}", float(number))


def test_it_counts_what_is_stored(store: ScriptedStore, archive: Archive) -> None:
    archive.keep([_message(1), _message(2)])
    archive.keep([_message(2)])
    assert archive.stored == 2


def test_trouble_is_told_and_nothing_is_tried_until_retry(
    store: ScriptedStore, archive: Archive
) -> None:
    store.fails = [FULL]
    with pytest.raises(StoreUnavailable):
        archive.keep([_message(1)])
    assert archive.error == "the disk is full"
    with pytest.raises(StoreUnavailable) as refused:
        archive.keep([_message(2)])
    assert refused.value.remedy == "free some space"
    assert store.kept == {}


def test_a_retry_stores_what_was_refused_first(store: ScriptedStore, archive: Archive) -> None:
    store.fails = [FULL]
    with pytest.raises(StoreUnavailable):
        archive.keep([_message(1)])
    assert archive.retry()
    assert archive.error == ""
    assert list(store.kept) == ["1"]
    archive.keep([_message(1), _message(2)])
    assert archive.stored == 2


def test_a_retry_in_vain_says_why(store: ScriptedStore, archive: Archive) -> None:
    store.fails = [FULL]
    with pytest.raises(StoreUnavailable):
        archive.keep([_message(1)])
    store.fails = [StoreUnopenable("the folder is gone", "make it")]
    assert not archive.retry()
    assert (archive.error, archive.remedy) == ("the folder is gone", "make it")
    assert archive.retry()


def test_a_store_lost_while_running_is_trouble_that_may_pass(
    store: ScriptedStore, archive: Archive
) -> None:
    store.fails = [StoreUnopenable("the folder is gone")]
    with pytest.raises(StoreUnavailable):
        archive.keep([_message(1)])
    assert archive.error == "the folder is gone"


def test_trouble_at_the_start_does_not_stop_it(store: ScriptedStore) -> None:
    store.fails = [FULL]
    archive = Archive(store)
    archive.open()
    assert archive.error == "the disk is full"
    assert archive.retry()


def test_a_wrong_path_at_the_start_is_raised(store: ScriptedStore) -> None:
    store.fails = [StoreUnopenable("it is a folder")]
    with pytest.raises(StoreUnopenable):
        Archive(store).open()


OPERATIONS: list[Callable[[Archive], object]] = [
    lambda archive: archive.keep([_message(2)]),
    lambda archive: archive.page(ListHistory()),
    lambda archive: archive.open(),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=["keep", "page", "open"])
def test_a_corrupt_store_is_set_aside_under_a_dated_name(
    store: ScriptedStore, archive: Archive, operation: Callable[[Archive], object]
) -> None:
    archive.keep([_message(1)])
    store.fails = [StoreCorrupt("it is corrupt")]
    operation(archive)
    assert store.stamps == ["19700102T000000Z"]
    assert archive.set_aside == "store.corrupt-19700102T000000Z"
    assert archive.error == ""
    assert archive.stored == len(store.kept)
    assert "1" not in store.kept


def test_a_store_corrupt_again_at_once_is_the_disks_trouble(
    store: ScriptedStore, archive: Archive
) -> None:
    store.fails = [StoreCorrupt("corrupt"), StoreCorrupt("corrupt")]
    with pytest.raises(StoreUnavailable):
        archive.keep([_message(1)])
    assert archive.error == "corrupt"
    assert archive.retry()
    assert list(store.kept) == ["1"]

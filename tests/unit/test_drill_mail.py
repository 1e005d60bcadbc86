"""Messages of a drill: each said until it is accepted, under one id; all of the history is seen."""

import threading

import pytest

from actors.runtime.errors import OrderFailed
from supervisor.drill.mail import Correspondent, Mailbox
from supervisor.drill.terminal import CommandFailed

pytestmark = pytest.mark.unit


class Terminal:
    """Refuses the first ``refusals`` tries; shows the newest 150 of what it keeps."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.tried: list[tuple[str, str]] = []
        self.kept: list[dict[str, str]] = []

    def say(self, text: str, id_: str) -> str:
        self.tried.append((text, id_))
        if self.refusals:
            self.refusals -= 1
            raise OrderFailed("not-connected", "no conversation is connected")
        self.keep(id_, text)
        return id_

    def keep(self, id_: str, text: str, kind: str = "user_input") -> None:
        self.kept.append({"id": id_, "kind": kind, "text": text})

    def history(self) -> list[dict[str, str]]:
        return self.kept[-150:]


def test_a_refused_message_is_said_again_under_its_id():
    terminal = Terminal(refusals=2)
    mailbox = Mailbox(terminal.say, terminal.history)
    assert mailbox.send("hello")
    assert len(set(terminal.tried)) == 1
    assert (len(terminal.tried), mailbox.sent, mailbox.kept()) == (3, ["hello"], ["hello"])


def test_when_it_is_over_nothing_is_tried_any_longer_and_the_message_counts_as_refused():
    terminal = Terminal(refusals=1000)
    mailbox, over = Mailbox(terminal.say, terminal.history), threading.Event()
    over.set()
    assert not mailbox.send("hello", over)
    assert (mailbox.sent, mailbox.refused) == ([], ["hello"])


def test_more_than_the_history_shows_at_once_is_seen():
    terminal = Terminal()
    mailbox = Mailbox(terminal.say, terminal.history)
    texts = [f"message {number}" for number in range(320)]
    assert all(mailbox.send(text) for text in texts)
    assert mailbox.kept() == texts


def test_a_history_that_cannot_be_read_for_a_while_is_looked_at_later():
    """A disk that is full just then: messages go on, and all of them are accounted for."""
    terminal, unreadable = Terminal(), range(100, 130)

    def history() -> list[dict[str, str]]:
        if len(terminal.kept) in unreadable:
            raise CommandFailed("callpoint history: code 1")
        return terminal.history()

    mailbox = Mailbox(terminal.say, history)
    texts = [f"message {number}" for number in range(320)]
    assert all(mailbox.send(text) for text in texts)
    assert mailbox.kept() == texts


def test_a_correspondent_that_cannot_write_fails_the_drill():
    tried = threading.Event()

    def say(_text: str, _id: str) -> str:
        tried.set()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Correspondent(Mailbox(say, Terminal().history)):
        assert tried.wait(20)


def test_what_is_left_of_an_agents_answer_is_no_message_doubled():
    terminal = Terminal()
    mailbox = Mailbox(terminal.say, terminal.history)
    mailbox.send("hello")
    terminal.keep("SG_1", "You said: ", "agent_transcript")
    terminal.keep("item_1", "hello", "agent_transcript")
    assert mailbox.kept() == ["hello"]
    terminal.keep("another", "hello")
    assert mailbox.kept() == ["hello", "hello"]


def test_a_late_message_takes_its_place():
    terminal = Terminal()
    mailbox = Mailbox(terminal.say, terminal.history)
    for text in ("one", "two", "three"):
        mailbox.send(text)
    late = terminal.kept.pop(1)
    mailbox._look()
    terminal.kept.insert(1, late)
    assert mailbox.kept() == ["one", "two", "three"]


def test_a_correspondent_writes_in_order_until_it_is_over():
    terminal = Terminal()
    mailbox, second = Mailbox(terminal.say, terminal.history), threading.Event()

    def say(text: str, id_: str) -> str:
        if len(terminal.tried) == 1:
            second.set()
        return terminal.say(text, id_)

    mailbox._say = say
    with Correspondent(mailbox):
        assert second.wait(20)
    assert mailbox.sent == [f"drill message {n + 1}" for n in range(len(mailbox.sent))]
    assert len(mailbox.sent) >= 2

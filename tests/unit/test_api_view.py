"""What a program sees of a session, and how its observers are told: pure."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Change, MessageChanged, MessagePurged, Refreshed, StateChanged
from actors import messages as wire
from actors.api.agent import NO_AGENT
from actors.api.message import ReceivedMessage, SentMessage
from actors.api.observers import Changes, Observers
from actors.api.options import SessionOptions, config_of
from actors.api.snapshot import Snapshot
from actors.api.tokens import TokenOptions, TokenSource
from actors.api.view import MAX_MESSAGES, View
from actors.messages import AgentView, ChatMessage, SessionError, SessionState
from actors.settings import Settings

pytestmark = pytest.mark.unit


def _view() -> View:
    return View(NO_AGENT._wait)


def _said(text: str, id_: str = "1", *, at: float = 1.0) -> wire.MessageChanged:
    return wire.MessageChanged(ChatMessage(id_, "agent_transcript", text, at))


def _state(error: SessionError | None = None, *, muted: bool = False) -> SessionState:
    agent = AgentView("connected", "listening", True, True, False, False)
    return SessionState("c", True, "connected", agent, muted, "room", error)


def test_nothing_is_told_twice() -> None:
    view = _view()
    assert isinstance(view.apply(_state()), StateChanged)
    assert view.apply(_state()) is None
    assert isinstance(view.apply(_said("a")), MessageChanged)
    assert view.apply(_said("a")) is None
    assert view.apply(wire.MessagePurged("1")) == MessagePurged("1")
    assert view.apply(wire.MessagePurged("1")) is None


def test_a_snapshot_never_changes() -> None:
    view = _view()
    view.apply(_state())
    view.apply(_said("a"))
    before = view.snapshot()
    assert view.snapshot() is before
    view.apply(_said("ab"))
    view.apply(_state(muted=True))
    assert (before.is_muted, [message.text for message in before.messages]) == (False, ["a"])
    now = view.snapshot()
    assert (now.is_muted, [message.text for message in now.messages]) == (True, ["ab"])
    assert now.agent.state == "listening"


def test_an_error_of_this_program_stands_before_the_terminals() -> None:
    view = _view()
    view.apply(_state(SessionError("connection", "theirs")))
    view.fail("receiver", "ours")
    assert view.snapshot().error == SessionError("receiver", "ours")
    assert view.clear_error() is not None
    assert view.snapshot().error == SessionError("connection", "theirs")
    assert view.clear_error() is None


def test_a_terminal_that_is_gone_leaves_the_messages() -> None:
    view = _view()
    view.apply(_state())
    view.apply(_said("a"))
    view.gone("the terminal ended with code 80")
    now = view.snapshot()
    assert (now.connection_state, now.is_connected, now.agent) == ("disconnected", False, NO_AGENT)
    assert [message.text for message in now.messages] == ["a"]
    assert now.error == SessionError("connection", "the terminal ended with code 80")


def test_a_message_without_a_time_that_can_be_ordered_has_none() -> None:
    view = _view()
    view.apply(_said("a", at=float("nan")))
    assert view.snapshot().messages[0].timestamp == 0.0


def test_the_list_is_bounded() -> None:
    view = _view()
    for number in range(MAX_MESSAGES + 10):
        view.apply(_said("x", f"{number}"))
    assert len(view.snapshot().messages) == MAX_MESSAGES


@given(
    steps=st.lists(st.one_of(st.integers(0, 3), st.just("read")), max_size=60),
    capacity=st.integers(2, 8),
)
def test_whatever_the_pace_an_observer_ends_at_the_truth(
    steps: list[int | str], capacity: int
) -> None:
    """It folds what it is given and has, whenever it has read all, just what the session has."""
    view, truth = _view(), Observers(lambda: view.snapshot())
    observer = truth.changes(capacity)
    seen: dict[str, str] = {}

    def read() -> bool:
        change = observer._feed.take()
        match change:
            case Refreshed(snapshot=now):
                seen.clear()
                seen.update((message.id, message.text) for message in now.messages)
            case MessageChanged(message=message):
                seen[message.id] = message.text
            case MessagePurged(id=gone):
                seen.pop(gone, None)
        return change is not None

    for number, step in enumerate(steps):
        if isinstance(step, str):
            read()
        else:
            purge = step == 0 and "0" in {message.id for message in view.snapshot().messages}
            said = wire.MessagePurged("0") if purge else _said(f"{number}", f"{step}")
            if (change := view.apply(said)) is not None:
                truth.tell(change)
        assert len(observer._feed) <= capacity
    while read():
        pass
    assert seen == {message.id: message.text for message in view.snapshot().messages}


def test_a_state_that_did_not_last_still_ends_a_wait() -> None:
    async def play() -> None:
        view = _view()
        observers = Observers(view.snapshot)
        waiting = asyncio.create_task(observers.until(lambda now: now.is_muted, 5.0))
        await asyncio.sleep(0)
        for muted in (True, False):  # in one turn of the loop
            change = view.apply(_state(muted=muted))
            assert change is not None
            observers.tell(change)
        assert (await waiting).is_muted
        assert not view.snapshot().is_muted

    asyncio.run(play())


def test_a_callback_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        called: list[Change] = []
        observers = Observers(Snapshot)

        def fails(_change: Change) -> None:
            raise ValueError("not for the log's text")

        observers.call(fails)
        end = observers.call(called.append)
        observers.tell(MessagePurged("1"))
        end()
        end()
        observers.tell(MessagePurged("2"))
        assert called == [MessagePurged("1")]

    asyncio.run(play())
    assert {record.message for record in caplog.records} == {"an observer's callback failed"}


def test_who_is_not_referred_to_any_more_is_forgotten() -> None:
    observers = Observers(Snapshot)
    kept = observers.changes(10)
    observers.changes(10)
    assert list(observers._changes) == [kept]
    assert isinstance(kept, Changes)


@pytest.mark.parametrize("timeout", [None, 7.5])
def test_options_become_a_config(timeout: float | None) -> None:
    options = SessionOptions("r", "me", pre_connect_audio=False, agent_connect_timeout=timeout)
    config = config_of(
        options,
        TokenSource.endpoint("https://x/token"),
        TokenOptions(agent_name="my-agent", agent_metadata="{}"),
    )
    settings = Settings.from_plain(config)
    assert settings.session.agent_connect_timeout == ("off" if timeout is None else timeout)
    assert not settings.session.pre_connect_audio
    assert settings.livekit.agent_name == "my-agent"
    assert settings.livekit.agent_metadata == "{}"
    assert (settings.livekit.room_name, settings.livekit.identity) == ("r", "me")
    assert settings.livekit.token_endpoint == "https://x/token"
    assert settings.livekit.backend == "livekit"
    assert settings.session.start == "manual"


def test_messages_and_snapshots_are_frozen() -> None:
    received = ReceivedMessage("1", 0.0, "user_input", "x")
    sent = SentMessage("1", 0.0, "x")
    for message in (received, sent):
        with pytest.raises(AttributeError):
            message.text = "y"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Snapshot().is_muted = True  # type: ignore[misc]

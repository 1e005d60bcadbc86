"""The agent as the session sees it: agent-api.md, "Agent"."""

import pytest

from actors.messages import AgentView, Participant, Track
from actors.session.agent import (
    ON_BEHALF_ATTRIBUTE,
    STATE_ATTRIBUTE,
    find_agent,
    find_avatar,
    is_conversing,
    state_of,
    view_of,
)

pytestmark = pytest.mark.unit

VOICE = Track("TR_voice", "audio", "microphone", True)
SCREEN_SOUND = Track("TR_screen", "audio", "screenshare_audio", True)
FACE = Track("TR_face", "video", "camera", True)
SCREEN = Track("TR_shared", "video", "screenshare", True)


def _person(identity: str, kind: str = "agent", *tracks: Track, **attributes: str) -> Participant:
    named = {
        {"state": STATE_ATTRIBUTE, "behalf": ON_BEHALF_ATTRIBUTE}[key]: value
        for key, value in attributes.items()
    }
    return Participant(identity, f"PA_{identity}", kind, True, named, tracks)  # type: ignore[arg-type]


def _view(*people: Participant, on: bool = True, buffering: bool = False) -> AgentView:
    return view_of(people, on=on, buffering=buffering, failure=None)


def test_the_agent_is_the_first_participant_of_kind_agent_not_publishing_for_another() -> None:
    user = _person("user", "standard", state="listening")
    avatar = _person("avatar", behalf="first")
    first, second = _person("first"), _person("second")
    assert find_agent((user, avatar, first, second)) is first
    assert find_agent((user, avatar)) is None
    assert find_agent(()) is None


def test_a_participant_that_publishes_for_nobody_by_name_is_no_agent_either() -> None:
    assert find_agent((_person("odd", behalf=""),)) is None


def test_the_avatar_worker_is_the_one_on_behalf_of_the_agents_identity() -> None:
    agent = _person("agent")
    another, worker = _person("w1", behalf="somebody"), _person("w2", behalf="agent")
    assert find_avatar((agent, another, worker), agent) is worker
    assert find_avatar((agent, another), agent) is None


@pytest.mark.parametrize("state", ["initializing", "idle", "listening", "thinking", "speaking"])
def test_state_comes_from_the_attribute(state: str) -> None:
    assert state_of(_person("agent", state=state)) == state
    assert _view(_person("agent", state=state)).state == state


@pytest.mark.parametrize("agent", [_person("agent"), _person("agent", state="dancing")])
def test_no_state_attribute_or_an_unknown_one_is_idle(agent: Participant) -> None:
    assert state_of(agent) == "idle"
    assert not is_conversing(agent)
    assert _view(agent).is_pending


@pytest.mark.parametrize(
    ("state", "conversing"),
    [
        ("initializing", False),
        ("idle", False),
        ("listening", True),
        ("thinking", True),
        ("speaking", True),
    ],
)
def test_flags_of_a_connected_agent(state: str, conversing: bool) -> None:
    view = _view(_person("agent", state=state))
    assert (view.life, view.identity) == ("connected", "agent")
    assert (view.is_connected, view.can_listen) == (conversing, conversing)
    assert (view.is_pending, view.is_finished) == (not conversing, False)


def test_flags_without_an_agent() -> None:
    off = _view(_person("agent", state="listening"), on=False)
    assert (off.life, off.state, off.identity) == ("disconnected", None, "")
    assert (off.is_connected, off.can_listen, off.is_pending, off.is_finished) == (
        False,
        False,
        False,
        True,
    )
    waiting, buffering = _view(), _view(buffering=True)
    assert (waiting.can_listen, waiting.is_pending) == (False, True)
    assert (buffering.can_listen, buffering.is_pending) == (True, False)


def test_a_failed_agent_has_neither_state_nor_tracks() -> None:
    agent = _person("agent", "agent", VOICE, state="initializing")
    view = view_of((agent,), on=True, buffering=True, failure="timeout")
    assert (view.life, view.error, view.state) == ("failed", "timeout", None)
    assert (view.audio_track, view.identity) == (None, "")
    assert (view.is_connected, view.can_listen, view.is_pending) == (False, False, False)
    assert view.is_finished


def test_audio_track_is_the_agents_microphone_else_the_avatar_workers() -> None:
    agent = _person("agent", "agent", SCREEN_SOUND, VOICE)
    own_voice = Track("TR_worker", "audio", "microphone", False)
    worker = _person("worker", "agent", own_voice, behalf="agent")
    assert _view(agent, worker).audio_track == VOICE
    assert _view(_person("agent", "agent", SCREEN_SOUND), worker).audio_track == own_voice
    assert _view(_person("agent", "agent", SCREEN_SOUND)).audio_track is None


def test_avatar_video_track_is_the_workers_camera() -> None:
    worker = _person("worker", "agent", SCREEN, FACE, behalf="agent")
    assert _view(_person("agent"), worker).avatar_video_track == FACE
    assert _view(_person("agent", "agent", FACE)).avatar_video_track is None

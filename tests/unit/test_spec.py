"""The tree as data."""

import importlib.util

import pytest

from actors.settings import Settings
from supervisor.spec import ActorSpec, tree_of

pytestmark = pytest.mark.unit


def _names(**plain: object) -> list[str]:
    return [spec.name for spec in tree_of(Settings.from_plain(dict(plain)))]


def test_consumers_start_first() -> None:
    assert _names() == ["router", "history", "session", "audio", "room", "kiosk"]


def test_the_parrot_lives_in_the_practice_room_only() -> None:
    assert "parrot" in _names(livekit={"backend": "practice"})
    assert "parrot" not in _names(livekit={"backend": "livekit"})


def test_without_a_page_there_is_no_kiosk() -> None:
    assert "kiosk" not in _names(kiosk={"enabled": False})


def test_actors_of_ones_own_come_last_with_their_options() -> None:
    actors = {"door": {"target": "mine:Door", "options": {"pin": 17}}}
    assert tree_of(Settings.from_plain({"actors": actors}))[-1] == ActorSpec(
        "door", "mine:Door", {"pin": 17}
    )


def test_a_built_in_actor_can_be_given_options_or_replaced() -> None:
    actors = {"history": {"options": {"a": 1}}, "kiosk": {"target": "mine:Page"}}
    tree = {spec.name: spec for spec in tree_of(Settings.from_plain({"actors": actors}))}
    assert tree["history"] == ActorSpec("history", "actors.history.process:History", {"a": 1})
    assert tree["kiosk"].target == "mine:Page"


def test_every_folder_that_is_named_is_there() -> None:
    for spec in tree_of(Settings.from_plain({"livekit": {"backend": "practice"}})):
        package = spec.target.partition(":")[0].rpartition(".")[0]
        assert importlib.util.find_spec(package), spec

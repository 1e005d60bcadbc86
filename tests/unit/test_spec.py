"""The tree as data."""

import importlib
import importlib.util
from typing import Any

import pytest

from actors.settings import Settings
from supervisor.grouping import units_of
from supervisor.spec import BUILT_IN, ActorSpec, Rules, preloadable, tree_of

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
    assert tree["history"].target == "actors.history.process:History"
    assert tree["history"].options == {"a": 1}
    assert tree["kiosk"].target == "mine:Page"


def test_every_folder_that_is_named_is_there() -> None:
    for spec in tree_of(Settings.from_plain({"livekit": {"backend": "practice"}})):
        package = spec.target.partition(":")[0].rpartition(".")[0]
        assert importlib.util.find_spec(package), spec


# -- rules and groups ------------------------------------------------------------------------------


def _spec(name: str, **plain: object) -> Any:
    return next(spec for spec in tree_of(Settings.from_plain(dict(plain))) if spec.name == name)


def test_programs_start_before_or_after_the_actors() -> None:
    programs = {
        "page": {"command": ["a"]},
        "server": {"command": ["b"], "starts": "before"},
    }
    names = _names(programs=programs)
    assert (names[0], names[-1]) == ("server", "page")


def test_an_empty_section_changes_no_rule_of_a_built_in_actor() -> None:
    assert _spec("audio", actors={"audio": {}}) == _spec("audio")


def test_rules_come_from_the_config() -> None:
    rules = _spec(
        "audio",
        supervisor={"groups": {"sound": {}}},
        actors={
            "audio": {
                "restart": "transient",
                "group": "sound",
                "essential": False,
                "stuck_after": 20.0,
                "unhealthy_after": "off",
                "memory_mib": 100,
                "memory_max_mib": "off",
                "cpu_percent": "off",
            }
        },
    ).rules
    assert rules == Rules(
        restart="transient",
        essential=False,
        group="sound",
        stuck_after=20.0,
        unhealthy_after=0.0,
        memory_mib=(100.0, None),
        cpu_percent=(None, None),
    )


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({"memory_mib": 900}, (900.0, None)),
        ({"memory_max_mib": 100}, (None, 100.0)),
        ({"memory_mib": 500}, (500.0, 800.0)),
    ],
)
def test_an_operators_ceiling_comes_before_what_is_usual(
    given: dict[str, int], limits: tuple[float | None, float | None]
) -> None:
    assert _spec("room", actors={"room": given}).rules.memory_mib == limits


def test_another_class_in_place_of_a_built_in_actor_may_read_any_section() -> None:
    assert _spec("kiosk", actors={"kiosk": {"target": "mine:Page"}}).reads is None


def test_a_group_that_restarts_together_is_one_unit_and_others_are_their_own() -> None:
    settings = Settings.from_plain(
        {
            "supervisor": {"groups": {"sound": {"strategy": "one_for_all"}, "odd": {}}},
            "actors": {
                "room": {"group": "sound"},
                "audio": {"group": "sound"},
                "kiosk": {"group": "odd"},
                "history": {"group": "odd"},
            },
        }
    )
    units = units_of(tree_of(settings), settings.supervisor, lambda _: True, lambda: 0.0)
    assert set(units) == {"router", "history", "session", "audio", "room", "kiosk"}
    assert units["audio"] is units["room"]
    assert units["audio"].members == ("audio", "room"), "in the order of starting"
    assert units["kiosk"] is not units["history"]
    assert units["router"].members == ("router",)


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_built_in_actors_are_as_essential_as_their_classes_say(spec: ActorSpec) -> None:
    module, _, name = spec.target.partition(":")
    of_class = getattr(importlib.import_module(module), name).essential
    assert spec.rules.essential in (None, of_class)
    assert of_class == (spec.name != "kiosk")


def test_built_in_actors_are_imported_before_the_fork_and_others_that_are_said_to_stand_it() -> (
    None
):
    actors = {
        "door": {"target": "mine:Door"},
        "kiosk": {"target": "mine:Page"},
        "lamp": {"target": "lights:Lamp", "preload": True},
        "bell": {"target": "lights:Bell", "preload": True},
    }
    tree = tree_of(Settings.from_plain({"actors": actors, "programs": {"a": {"command": ["a"]}}}))
    built_in = (
        f"actors.{name}.process" for name in ("router", "history", "session", "audio", "room")
    )
    assert preloadable(tree) == (*built_in, "lights")

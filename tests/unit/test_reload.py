"""What a changed config asks for."""

import re
from pathlib import Path
from typing import Any

import pytest

from actors.settings import Settings
from supervisor.reload import Changes, changes, immovable
from supervisor.spec import BUILT_IN, tree_of

pytestmark = pytest.mark.unit

DOOR = {"target": "mine:Door"}
CAT = {"command": ["cat"]}


def _changes(old: dict[str, Any], new: dict[str, Any]) -> Changes:
    before, after = Settings.from_plain(old), Settings.from_plain(new)
    return changes(before, after, tree_of(before), tree_of(after))


def test_the_same_config_asks_for_nothing() -> None:
    config = {"actors": {"door": DOOR}, "programs": {"cat": CAT}, "audio": {"loop": True}}
    assert _changes(config, config) == Changes((), ())


@pytest.mark.parametrize(
    ("section", "restarted"),
    [
        ({"audio": {"loop": True}}, ("session", "audio", "room")),
        ({"livekit": {"room_name": "x"}}, ("session", "room")),
        ({"session": {"start": "boot"}}, ("session", "audio")),
        ({"history": {"path": "/x"}}, ("history",)),
        ({"kiosk": {"port": 1}}, ("kiosk",)),
        ({"terminal": {"name": "x"}}, ("kiosk",)),
        ({"terminal": {"state_dir": "/x"}}, ("audio", "kiosk")),
        ({"supervisor": {"stop_grace": 1.0}}, ()),
    ],
    ids=lambda value: str(value),
)
def test_a_section_concerns_those_that_read_it(
    section: dict[str, Any], restarted: tuple[str, ...]
) -> None:
    done = _changes({}, section)
    assert done.restarted == done.start == restarted
    assert done.stop == restarted[::-1], "stopped in reverse"


def test_the_log_level_concerns_every_actor_and_no_program() -> None:
    done = _changes(
        {"programs": {"cat": CAT}},
        {"programs": {"cat": CAT}, "terminal": {"log_level": "DEBUG"}},
    )
    assert done.restarted == ("router", "history", "session", "audio", "room", "kiosk")


def test_an_actor_of_ones_own_may_read_any_section() -> None:
    own = {"actors": {"door": DOOR}}
    assert "door" in _changes(own, {**own, "kiosk": {"port": 1}}).restarted
    assert "door" not in _changes(own, {**own, "supervisor": {"intensity": 1}}).restarted


def test_what_is_new_is_started_and_what_is_gone_is_stopped() -> None:
    done = _changes(
        {"actors": {"door": DOOR}, "kiosk": {"enabled": False}},
        {"programs": {"cat": {**CAT, "starts": "before"}}},
    )
    assert done == Changes(stop=("door",), start=("cat", "kiosk"))


@pytest.mark.parametrize(
    "change",
    [{"command": ["dog"]}, {"environment": {"A": "b"}}, {"directory": "/"}, {"credentials": True}],
    ids=str,
)
def test_a_program_is_restarted_for_what_its_process_is_made_of(change: dict[str, Any]) -> None:
    old, new = {"programs": {"cat": CAT}}, {"programs": {"cat": {**CAT, **change}}}
    assert _changes(old, new).restarted == ("cat",)


@pytest.mark.parametrize(
    "change",
    [{"restart": "transient"}, {"stop_grace": 1.0}, {"memory_mib": 10}, {"essential": True}],
    ids=str,
)
def test_rules_of_the_supervisor_restart_nothing(change: dict[str, Any]) -> None:
    old = {"programs": {"cat": CAT}, "actors": {"door": DOOR}}
    new = {"programs": {"cat": {**CAT, **change}}, "actors": {"door": {**DOOR, **change}}}
    assert _changes(old, new) == Changes((), ())


def test_the_runtime_directory_stays() -> None:
    old, new = Settings(), Settings.from_plain({"terminal": {"runtime_dir": "/x"}})
    assert [finding.path for finding in immovable(old, new)] == [("terminal", "runtime_dir")]
    assert immovable(old, Settings.from_plain({"terminal": {"name": "x"}})) == []


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_built_in_actors_read_what_they_say(spec: Any) -> None:
    """A section that is not named would be changed behind the actor's back."""
    folder = Path(__file__).parents[2] / Path(*spec.target.split(":")[0].split(".")).parent
    sources = "".join(path.read_text() for path in folder.rglob("*.py"))
    read = set(re.findall(r"settings\.([a-z_]+)\b", sources)) & set(Settings.__struct_fields__)
    assert read <= {section.partition(".")[0] for section in spec.reads}

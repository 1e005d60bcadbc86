"""The configs that come with the project, the schema, and the example with every key."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from actors.settings import Settings
from actors.settings.docs import field_docs
from actors.settings.example import example
from actors.settings.load import load
from actors.settings.obstacles import obstacles
from actors.settings.schema import schema_text
from actors.settings.section import Section
from actors.settings.supervision import ActorSettings, Group, ProgramSettings
from supervisor.commands.sounds import DEMO

pytestmark = pytest.mark.unit

CONFIGS = Path(__file__).parents[2] / "configs"

SECTIONS = {
    field.encode_name: field.type
    for field in msgspec.structs.fields(Settings)
    if isinstance(field.type, type) and issubclass(field.type, Section)
}


def _uncommented() -> str:
    text = (CONFIGS / "terminal.toml").read_text()
    return re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_every_config_is_valid_and_names_the_schema(path: Path) -> None:
    assert isinstance(load(path), Settings)
    assert path.read_text().startswith("#:schema ./callpoint.schema.json\n")


def test_the_example_as_it_is_changes_nothing() -> None:
    assert load(CONFIGS / "terminal.toml") == Settings()


def test_the_example_uncommented_has_every_key_with_its_default(tmp_path: Path) -> None:
    import tomllib

    plain = tomllib.loads(_uncommented())
    assert set(plain) == {*SECTIONS, "actors", "programs"}
    for name, section in SECTIONS.items():
        assert list(plain[name]) == list(section.__struct_fields__)
    for entries, section in (
        (plain.pop("actors"), ActorSettings),
        (plain.pop("programs"), ProgramSettings),
        (plain["supervisor"].pop("groups"), Group),
    ):
        (own,) = entries.values()
        assert set(own) == set(section.__struct_fields__)
    assert Settings.from_plain(plain) == Settings()


def test_the_example_uncommented_loads(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(_uncommented())
    settings = load(path)
    assert settings.actors["door"].options == {"pin": 17}
    assert settings.programs["browser"].command[0] == "chromium"
    assert settings.supervisor.groups["sound"].strategy == "rest_for_one"


def test_example_and_schema_are_fresh() -> None:
    stale = "callpoint schema [--example] prints what belongs there"
    assert (CONFIGS / "terminal.toml").read_text() == example(), stale
    assert (CONFIGS / "callpoint.schema.json").read_text() == schema_text(), stale


@pytest.mark.parametrize(
    "section", [*SECTIONS.values(), ActorSettings, ProgramSettings, Group, Settings]
)
def test_every_key_is_documented(section: type[Section]) -> None:
    docs = field_docs(section)
    assert set(docs) == set(section.__struct_fields__)
    assert all(doc.endswith(".") and len(doc) > 5 for doc in docs.values())


def test_the_schema_describes_keys_and_refuses_others() -> None:
    definitions = json.loads(schema_text())["$defs"]
    audio = definitions["Audio"]
    assert audio["additionalProperties"] is False
    assert "PortAudio" in audio["properties"]["input"]["description"]
    assert definitions["Kiosk"]["properties"]["port"]["maximum"] == 65535


def test_the_profile_for_tests_runs_on_any_machine(tmp_path: Path) -> None:
    settings = load(CONFIGS / "test.toml")
    assert settings.livekit.backend == "practice"
    assert settings.kiosk.port == 0
    assert settings.audio.input == f"file:{DEMO}"
    assert obstacles(settings, {}) == []


def test_the_kiosk_talks_to_a_server_from_boot() -> None:
    settings = load(CONFIGS / "kiosk.toml")
    assert (settings.livekit.backend, settings.session.start) == ("livekit", "boot")
    assert obstacles(settings, {"LIVEKIT_URL": "w", "LIVEKIT_API_KEY": "k"})

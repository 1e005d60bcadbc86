"""``callpoint metrics``: the format, and that a microphone that hears nothing is in it."""

import msgspec
import pytest

from actors.audio.deaf import WORDS
from actors.messages import ActorStatus, AudioState, Status
from supervisor.commands.metrics import DEAF, as_metrics
from supervisor.commands.overview import compose

pytestmark = pytest.mark.unit

ROOM = ActorStatus(41, "running", 2, "hang", 3.5, 20.25, 1.5, "ok")
STATUS = Status("running", 40, 3725.0, {"room": ROOM})
AUDIO = AudioState(True, False, "c1", 48000, "mic", "none", input_xruns=3, dropped=960)


def sampled(text: str) -> dict[str, float]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_every_deafness_there_is_has_a_sample() -> None:
    assert set(DEAF) == set(WORDS)


def test_actors_and_sound_are_counted() -> None:
    found = sampled(as_metrics(compose(STATUS, [AUDIO])))
    assert found['callpoint_actor_restarts_total{actor="room"}'] == 2
    assert found['callpoint_actor_well{actor="room"}'] == 1
    assert found['callpoint_actor_resident_bytes{actor="room"}'] == 20.25 * 2**20
    assert found["callpoint_microphone_xruns_total"] == 3
    assert found["callpoint_voice_dropped_samples_total"] == 960
    assert found["callpoint_recording"] == 1


@pytest.mark.parametrize("kind", WORDS)
def test_a_deaf_microphone_is_seen_by_its_kind(kind: str) -> None:
    audio = msgspec.structs.replace(AUDIO, deaf=kind, error=f"mic {kind}")
    found = sampled(as_metrics(compose(STATUS, [audio])))
    deaf = {name: value for name, value in found.items() if "deaf" in name}
    assert sum(deaf.values()) == deaf[f'callpoint_microphone_deaf{{kind="{kind}"}}'] == 1
    assert found["callpoint_sound_failed"] == 1
    well = sampled(as_metrics(compose(STATUS, [AUDIO])))
    assert not any(value for name, value in well.items() if "deaf" in name)


def test_what_is_not_known_has_no_sample_and_every_family_says_its_type() -> None:
    text = as_metrics(compose(STATUS, []))
    assert "microphone" not in text
    assert "session" not in text
    full = as_metrics(compose(STATUS, [AUDIO])).splitlines()
    types = [line.split()[2] for line in full if line.startswith("# TYPE")]
    helps = [line.split()[2] for line in full if line.startswith("# HELP")]
    assert types == helps
    assert len(set(types)) == len(types)
    names = {line.split("{")[0].split(" ")[0] for line in full if not line.startswith("#")}
    assert names == set(types)

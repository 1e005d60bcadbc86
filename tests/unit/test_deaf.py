"""A microphone that hears nothing is found, and one that does hear is left alone."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audio.bequest import bequeath
from actors.audio.cure import AGAIN_MAX_S, AGAIN_S, TRY_MAX_S, Case, Cures, read
from actors.audio.deaf import DEAF_S, GATED_S, Deafness, Ear, judge

pytestmark = pytest.mark.unit

BLOCK_S = 0.02
SIZE = 320
IN_A_ROW = round(DEAF_S / BLOCK_S)


def sound(kind: str, number: int = 0) -> bytes:
    chance = np.random.default_rng(number)
    match kind:
        case "silence":
            return bytes(2 * SIZE)
        case "stuck":
            return np.full(SIZE, -1, "<i2").tobytes()
        case "clipping":
            loud = np.sign(chance.standard_normal(SIZE)) * 32767
            return loud.astype("<i2").tobytes()
        case "shout":
            wave = 60_000 * np.sin(np.arange(SIZE) / 5) * np.linspace(0, 1, SIZE) ** 4
            return np.clip(wave, -32768, 32767).astype("<i2").tobytes()
        case _:  # the quietest that a converter can be
            return chance.integers(-1, 1, SIZE, dtype="<i2", endpoint=True).tobytes()


KINDS: list[Deafness] = ["silence", "stuck", "clipping"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_deafness_is_found_within_two_seconds(kind: Deafness) -> None:
    ear = Ear()
    ear.block(sound("noise"), BLOCK_S)
    for number in range(IN_A_ROW - 1):
        ear.block(sound(kind, number), BLOCK_S)
        assert ear.deaf is None
    ear.block(sound(kind), BLOCK_S)
    assert ear.deaf == kind
    ear.block(sound("noise"), BLOCK_S)
    assert ear.deaf is None
    assert ear.hears


@pytest.mark.parametrize("kind", ["noise", "shout"])
def test_the_quietest_and_the_loudest_are_heard(kind: str) -> None:
    assert judge(sound(kind, 7)) is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*KINDS, "noise"]), st.integers(1, 120)), max_size=8))
def test_it_is_deaf_exactly_when_the_same_was_wrong_for_so_long(
    spells: list[tuple[str, int]],
) -> None:
    ear = Ear()
    last, run = "noise", 0
    blocks = {kind: sound(kind) for kind in (*KINDS, "noise")}
    for kind, count in spells:
        for _ in range(count):
            ear.block(blocks[kind], BLOCK_S)
            run = run + 1 if kind == last else 1
            last = kind
            bad = kind != "noise" and run >= IN_A_ROW
            assert ear.deaf == (kind if bad else None)


@given(st.binary(max_size=400))
def test_any_bytes_can_be_judged(raw: bytes) -> None:
    assert judge(raw) in (None, *KINDS)


def test_what_has_a_noise_gate_may_be_silent_for_longer() -> None:
    ear = Ear()
    ear.gated = True
    for _ in range(round(GATED_S / BLOCK_S) - 1):
        ear.block(sound("silence"), BLOCK_S)
    assert ear.deaf is None
    ear.block(sound("silence"), BLOCK_S)
    assert ear.deaf == "silence"
    for _ in range(IN_A_ROW):
        ear.block(sound("stuck"), BLOCK_S)
    assert ear.deaf == "stuck"


# -- what is done about it -------------------------------------------------------------------------


def test_first_the_process_is_renewed_then_the_fallback_takes_its_place(tmp_path: Path) -> None:
    memory = tmp_path / "microphones.json"
    cures = Cures(("usb", "board"), memory, 0.0)
    assert cures.deaf("usb", 100.0)
    assert cures.order() == ("usb", "board")
    cures = Cures(("usb", "board"), memory, 102.0)
    assert cures.deaf("usb", 102.0)
    assert cures.order() == ("board", "usb")
    assert cures.better("board") == ("usb",)
    cures.well("usb")
    assert cures.order() == ("usb", "board")
    assert cures.deaf("usb", 200.0), "again: it is not renewed once more, but left at once"
    assert cures.order() == ("board", "usb")


def test_where_a_renewal_helps_it_is_renewed_at_once_each_time(tmp_path: Path) -> None:
    """A driver that hangs now and then, with nothing to take its place."""
    cures = Cures(("usb",), tmp_path / "microphones.json", 0.0)
    for hour in range(1, 50):
        assert cures.deaf("usb", hour * 600.0), "it was left deaf"
        cures.worked("usb")


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.floats(0.2, 5.0))
def test_muted_at_its_switch_for_a_day_it_is_renewed_ever_more_rarely(
    devices: int, step: float
) -> None:
    """Each time it is asked it is still deaf; the processes in between know only what was kept."""
    wanted = tuple(f"mic{number}" for number in range(devices))
    now, renewals = 0.0, []
    folder = TemporaryDirectory()
    memory = Path(folder.name) / "microphones.json"
    while now < 24 * 3600:
        now += step if now < 600 else 30.0
        cures = Cures(wanted, memory, now)
        if cures.deaf(cures.order()[0], now):
            renewals.append(now)
    folder.cleanup()
    assert len(renewals) < 40 + 3 * devices
    late = [at for at in renewals if at > 12 * 3600]
    assert all(b - a >= AGAIN_MAX_S / 2 for a, b in pairwise(late))
    first = [at for at in renewals if at < AGAIN_S]
    assert len(first) <= 2 * devices


def test_what_comes_and_goes_is_tried_ever_more_rarely(tmp_path: Path) -> None:
    cures = Cures(("usb", "board"), tmp_path / "microphones.json", 0.0)
    waits = []
    for now in range(0, 20, 2):
        cures.deaf("usb", float(now))
        waits.append(cures.try_after_s("usb", 0))
        cures.well("usb")
    assert waits == sorted(waits)
    assert waits[0] == 2.0
    assert waits[-1] == TRY_MAX_S
    assert [cures.try_after_s("board", tries) for tries in (0, 1, 2, 3)] == [2.0, 4.0, 8.0, 16.0]


def test_the_memory_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "microphones.json"
    assert read(path) == {}
    cases = {"usb": Case(renewals=2, renewed_at=5.0, left=True, lefts=1, gated=True)}
    bequeath(path, cases)
    assert read(path) == cases
    assert path.stat().st_mode & 0o777 == 0o600
    assert Cures(("usb",), path, 6.0).case("usb").gated
    assert Cures(("usb",), path, 1.0).case("usb") == Case(), "of another start of the machine"
    path.write_bytes(b'{"usb": [1, 2]}')
    assert read(path) == {}

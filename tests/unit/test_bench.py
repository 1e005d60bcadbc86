"""What the bench makes of its figures, and that it can still be started."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from bench.__main__ import PARTS
from bench.figures import Row, Table, percentile
from bench.hops import plan
from bench.sounds import clicks
from bench.terminal import as_toml
from bench.text import as_text

pytestmark = pytest.mark.unit

FLOOR = Row("floor", "ms", (10.0, 20.0, 40.0))


def test_a_ratio_is_taken_round_by_round() -> None:
    ours = Row("ours", "ms", (20.0, 20.0, 40.0), FLOOR)
    assert ours.ratio is not None
    assert (ours.ratio.least, ours.ratio.median, ours.ratio.greatest) == (1.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("a", "ms", (1.0, 9.0, 99.0), aim=9.0), "met: at most 9 ms"),
        (Row("a", "ms", (1.0, 9.0, 99.0), aim=8.9), "MISSED: at most 8.9 ms"),
        (Row("a", "ms", (10.0, 30.0, 60.0), FLOOR, ratio_aim=1.5), "met: at most 1.5 x"),
        (Row("a", "ms", (10.0, 31.0, 64.0), FLOOR, ratio_aim=1.5), "MISSED: at most 1.5 x"),
        (FLOOR, ""),
    ],
)
def test_an_aim_is_for_the_median(row: Row, verdict: str) -> None:
    assert row.verdict == verdict


def test_columns_that_stay_empty_are_left_out() -> None:
    lines = as_text(Table("title", (FLOOR,), "note")).splitlines()
    assert lines[:3] == ["### title", "", "note"]
    assert lines[-1].split("|")[1:-1] == [" floor ", "  10 ", "     20 ", "  40 ", " ms "]


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1000)]
    assert [percentile(values, share) for share in (0.5, 0.99, 0.999)] == [500.0, 990.0, 999.0]


def test_a_listener_rates_a_burst_and_tells_what_is_missing_of_it() -> None:
    whole, holed = plan.Listener(), plan.Listener()
    for number, (phase, index, _) in enumerate(plan.messages(plan.BURST, "")):
        assert not whole.done
        whole.hear(plan.payload(phase, index))
        if number != 7:
            holed.hear(plan.payload(phase, index))
    assert whole.done
    lost = [[told["lost"] for told in json.loads(x.told()).values()] for x in (whole, holed)]
    assert lost == [[0, 0, 0], [1, 0, 0]]


def test_systems_send_in_turn_and_never_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a clock that goes on by what each waits, and by 0.3 ms a message to and fro."""
    now = 0.0
    sent: list[tuple[float, int, int]] = []
    monkeypatch.setattr(plan.time, "monotonic", lambda: now)
    for turn in range(3):
        (tmp_path / f"here-{turn}").touch()
    for turn in range(3):
        now = 1000.0
        for phase, _, wait in plan.messages(f"{turn}/3", str(tmp_path)):
            now += wait
            sent.append((now, turn, phase))
            now += 0.0003
    order = [turn for _, turn, phase in sorted(sent) if phase in (plan.PACING, plan.BOUNCING)]
    turns = [turn for turn, _ in itertools.groupby(order)]
    assert len(turns) == 3 * plan.TURNS * len(plan.SIZES)
    assert set(itertools.pairwise(turns)) == {(0, 1), (1, 2), (2, 0)}


def test_a_config_is_written_as_toml() -> None:
    import tomllib

    config = {"audio": {"loop": True, "input": 'a "b"'}, "actors.x.options": {"n": 1}}
    assert tomllib.loads(as_toml(config)) == {
        "audio": {"loop": True, "input": 'a "b"'},
        "actors": {"x": {"options": {"n": 1}}},
    }


def test_every_part_is_there() -> None:
    from importlib import import_module

    for module in PARTS.values():
        assert callable(import_module(f"bench.{module}").measure)


def test_clicks_are_found_where_they_are_in_noise_and_at_another_level() -> None:
    said = clicks.make(5.0, 3, clicks.NOISE)
    found = clicks.find(said)
    assert len(found) > 20
    assert [click.pitch for click in found] == [n % 6 for n in range(len(found))]
    again = clicks.find(np.concatenate([np.zeros(4800, np.int16), said // 3]))
    shifts = [b.at - a.at for a, b in zip(found, again, strict=True)]
    assert all(abs(shift - 4800) < 48 for shift in shifts), "a millisecond"


def test_a_click_that_never_comes_is_lost_and_not_taken_for_the_next_one() -> None:
    sent = [clicks.Click(n % 6, 0.2 * n) for n in range(30)]
    heard = [clicks.Click(click.pitch, click.at + 0.08) for click in sent]
    del heard[7]
    delays, lost = clicks.delays(sent, heard)
    assert (len(delays), lost) == (29, 1)
    assert delays == pytest.approx([0.08] * 29)

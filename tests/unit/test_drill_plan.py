"""Which fault hits whom: everything, nobody else, and the same again for the same seed."""

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.settings import Settings
from supervisor.drill.faults import Scene
from supervisor.drill.plan import REST_S, Blow, for_ever, once_each
from supervisor.drill.wishes import UnknownFault, check, chosen, possible

pytestmark = pytest.mark.unit

calm = settings(deadline=None, max_examples=50)

blows = st.sets(
    st.builds(Blow, st.sampled_from(["kill", "stop", "slow"]), st.sampled_from("abcde")),
    min_size=1,
)
seeds = st.integers(0, 1 << 31)


@calm
@given(blows, seeds)
def test_a_round_does_everything_once(possible, seed):
    steps = list(once_each(tuple(possible), seed))
    assert sorted(step.blow for step in steps) == sorted(possible)
    assert all(REST_S[0] <= step.after_s <= REST_S[1] for step in steps)


@calm
@given(blows, seeds, st.randoms())
def test_a_seed_plays_the_same_again_whatever_the_order_it_is_given(possible, seed, chance):
    shuffled = list(possible)
    chance.shuffle(shuffled)
    for plan in (once_each, for_ever):
        first = list(islice(plan(tuple(possible), seed), 30))
        assert first == list(islice(plan(shuffled, seed), 30))


@calm
@given(blows, seeds)
def test_chance_hits_only_what_is_possible_and_in_time_all_of_it(possible, seed):
    hit = {step.blow for step in islice(for_ever(tuple(possible), seed), 2000)}
    assert hit == possible


def test_another_seed_is_another_plan():
    possible = [Blow("kill", name) for name in "abcdefgh"]
    assert list(once_each(possible, 1)) != list(once_each(possible, 2))


def test_nothing_possible_is_no_plan():
    assert list(once_each((), 1)) == list(for_ever((), 1)) == []


@calm
@given(blows)
def test_without_a_wish_everything_is_chosen(possible):
    assert set(chosen((), possible)) == possible


@calm
@given(blows, st.data())
def test_a_wish_chooses_a_fault_or_one_of_its_targets(possible, data):
    blow = data.draw(st.sampled_from(sorted(possible)))
    assert chosen((str(blow),), possible) == (blow,)
    of_a_kind = {each for each in possible if each.fault == blow.fault}
    assert set(chosen((blow.fault, str(blow)), possible)) == of_a_kind


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ("burn", "there is no fault 'burn'; there are: corrupt, disk-full, drop, hang, "),
        ("", "there is no fault ''; there are: "),
        ("kil", "there is no fault 'kil'; did you mean \"kill\"? there are: "),
        ("kill:roam", "kill cannot hit 'roam'; did you mean \"room\"? kill can hit: kiosk, room"),
        ("kill:", "kill cannot hit ''; kill can hit: kiosk, room"),
        ("corrupt:room", "corrupt cannot hit 'room'; corrupt can hit: router"),
    ],
)
def test_a_wish_that_fits_nothing_is_refused_with_what_this_fault_can_hit(wish, told):
    there = {Blow("kill", "room"), Blow("kill", "kiosk"), Blow("corrupt", "router")}
    with pytest.raises(UnknownFault) as refused:
        chosen(("kill", wish), there)
    assert str(refused.value).startswith(told)


OWN = Settings.from_plain(
    {
        "livekit": {"backend": "practice"},
        "kiosk": {"enabled": False},
        "actors": {"door": {"target": "own.door:Door"}},
        "programs": {"browser": {"command": ["chromium"]}},
    }
)


@pytest.mark.parametrize(
    "wish", ["kill", "kill:door", "kill:supervisor", "hang:parrot", "drop:room", "corrupt:any"]
)
def test_what_may_be_there_is_refused_by_nobody_before_it_runs(wish):
    check((wish,), OWN)


@pytest.mark.parametrize(
    "wish",
    [
        "kil",
        "kill:roam",
        "stop:kiosk",
        "stop:supervisor",
        "kill:browser",
        "drop:audio",
        "disk-full:room",
        "unplug:room",
    ],
)
def test_what_no_terminal_of_this_config_has_is_refused_before_one_runs(wish):
    with pytest.raises(UnknownFault):
        check(("kill", wish), OWN)


def test_a_fault_that_can_hit_nobody_is_not_done():
    blows, not_done = possible(Scene("practice", ("router",), ()))
    assert {Blow("kill", "router"), Blow("kill", "supervisor"), Blow("slow", "router")} <= blows
    assert not_done["corrupt"] == not_done["disk-full"] == "nobody runs whom it could hit"
    assert not_done["drop"] == "the practice room has no network"

"""Units at work on a virtual clock: restart type x exit kind x strategy, quarantine, escalation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.settings.supervision import RestartType, Strategy
from supervisor.death import Death, by_exit
from supervisor.restart import BackOff, Windows
from supervisor.strategy import affected
from supervisor.unit import (
    QUARANTINE_MAX_S,
    Again,
    Outcome,
    Quarantined,
    Start,
    Stop,
    Unit,
    Verdict,
    Wait,
)

pytestmark = pytest.mark.unit

CRASH = by_exit(1)
NORMAL = by_exit(0)
ASKED = Death("asked", "stopped with its group")
RESET_S = 30.0


@dataclass
class World:
    """Plays the processes of one unit: does what the unit says, at once unless told otherwise."""

    unit: Unit
    now: float = 1000.0
    alive: dict[str, float] = field(default_factory=dict)
    """When each process was started."""
    story: list[str] = field(default_factory=list)
    fails_to_start: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """The first start, in order, as the tree does it."""
        for name in self.unit.members:
            self.unit.started(name)
            self.alive[name] = self.now
            self.unit.ready(name)

    def dies(self, name: str, death: Death = CRASH, *, after: float = 0.0) -> Outcome:
        """Let time pass, let one die, and do what follows without waiting for any delay."""
        self.now += after
        ran_s = self.now - self.alive.pop(name)
        outcome = self.unit.died(name, death, ran_s=ran_s, now=self.now)
        self.work()
        return outcome

    def work(self) -> None:
        """Steps until there is nothing to do, or only to wait."""
        while True:
            match self.unit.next(self.now):
                case Start(name):
                    assert name not in self.alive
                    self.story.append(f"+{name}")
                    self.alive[name] = self.now
                    if name in self.fails_to_start:
                        self.dies(name, Death("start failed"))
                    else:
                        self.unit.ready(name)
                case Stop(name, _):
                    self.story.append(f"-{name}")
                    ran_s = self.now - self.alive.pop(name)
                    self.unit.died(name, ASKED, ran_s=ran_s, now=self.now)
                case _:
                    return

    def wait(self) -> float:
        """Let the time pass that the unit wants to wait; returns how long that was."""
        step = self.unit.next(self.now)
        assert isinstance(step, Wait)
        waited, self.now = step.until - self.now, step.until
        self.work()
        return waited

    def told(self) -> str:
        """What was done since the last time."""
        told = " ".join(self.story)
        self.story.clear()
        return told


def _world(
    strategy: Strategy = "one_for_one",
    types: Mapping[str, RestartType] | None = None,
    *,
    intensity: int = 100,
    needed: str = "abc",
    windows: Windows | None = None,
) -> World:
    unit = Unit(
        types or {"a": "permanent"},
        lambda name: name in needed,
        strategy,
        windows or Windows.of(intensity, 60.0),
        BackOff(0.1, 10.0, RESET_S),
        60.0,
        lambda: 0.0,
    )
    world = World(unit)
    world.begin()
    return world


ABC: dict[str, RestartType] = dict.fromkeys("abc", "permanent")

# -- strategies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "dead", "hit"),
    [
        ("one_for_one", "b", "b"),
        ("one_for_all", "b", "abc"),
        ("rest_for_one", "a", "abc"),
        ("rest_for_one", "b", "bc"),
        ("rest_for_one", "c", "c"),
    ],
)
def test_who_shares_the_fate(strategy: Strategy, dead: str, hit: str) -> None:
    assert affected(strategy, "abc", dead) == tuple(hit)


@pytest.mark.parametrize(
    ("strategy", "dead", "story"),
    [
        ("one_for_all", "a", "-c -b +a +b +c"),
        ("one_for_all", "b", "-c -a +a +b +c"),
        ("one_for_all", "c", "-b -a +a +b +c"),
        ("rest_for_one", "a", "-c -b +a +b +c"),
        ("rest_for_one", "b", "-c +b +c"),
        ("rest_for_one", "c", "+c"),
    ],
)
@pytest.mark.parametrize("death", [CRASH, NORMAL, by_exit(-9), Death("hang")], ids=str)
def test_stopped_in_reverse_and_started_in_order(
    strategy: Strategy, dead: str, story: str, death: Death
) -> None:
    world = _world(strategy, ABC)
    assert world.dies(dead, death) == Again(0.0)
    assert world.told() == story
    assert set(world.alive) == set("abc")


MATRIX: list[tuple[RestartType, Death, bool]] = [
    ("permanent", CRASH, True),
    ("permanent", NORMAL, True),
    ("transient", CRASH, True),
    ("transient", NORMAL, False),
    ("temporary", CRASH, False),
    ("temporary", NORMAL, False),
]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize(("type_", "death", "restarts"), MATRIX, ids=str)
def test_only_a_death_that_is_to_be_mended_concerns_the_group(
    strategy: Strategy, type_: RestartType, death: Death, restarts: bool
) -> None:
    world = _world(strategy, {"a": "permanent", "b": type_, "c": "permanent"})
    outcome = world.dies("b", death)
    assert (outcome == Again(0.0)) == restarts
    if not restarts:
        assert outcome is Verdict.LET_GO
        assert world.told() == ""
        assert set(world.alive) == set("ac")


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_temporary_member_goes_down_with_its_group_and_stays_there(strategy: Strategy) -> None:
    world = _world(strategy, {"a": "permanent", "b": "temporary", "c": "transient"})
    world.dies("a")
    assert world.told() == "-c -b +a +c"
    assert not world.unit.will_start("b")


def test_a_transient_member_that_had_ended_comes_back_with_its_group() -> None:
    world = _world("one_for_all", {"a": "permanent", "b": "transient"})
    world.dies("b", NORMAL)
    world.dies("a")
    assert world.told() == "+a +b"


def test_a_member_that_fails_to_start_again_takes_the_group_down_again() -> None:
    world = _world("one_for_all", ABC, needed="")
    world.fails_to_start = {"b"}
    world.dies("c")
    assert world.told() == "-b -a +a +b -a +a +b -a", "the first time at once, as any crash"
    world.fails_to_start.clear()
    world.wait()
    assert world.told() == "+a +b +c"


def test_a_second_death_while_the_group_is_being_stopped_waits_for_no_one() -> None:
    world = _world("rest_for_one", ABC)
    del world.alive["c"]
    world.unit.died("c", CRASH, ran_s=1.0, now=world.now)
    del world.alive["a"]
    world.unit.died("a", CRASH, ran_s=1.0, now=world.now)
    world.work()
    assert world.told() == "-b +a +b +c"


def test_the_back_off_of_one_does_not_delay_those_before_it() -> None:
    world = _world("rest_for_one", ABC)
    for _ in range(5):
        world.dies("c")
        if "c" not in world.alive:
            world.wait()
    assert "c" in world.alive
    world.dies("c")
    world.told()
    world.dies("a")
    assert world.told() == "-b +a +b", "c still has its own time to wait"
    assert world.wait() > 1.0
    assert world.told() == "+c"


def test_while_the_terminal_starts_only_those_that_were_started_count() -> None:
    world = _world("one_for_all", ABC)
    unit = Unit(
        ABC, lambda _: True, "one_for_all", Windows.of(9, 9.0), BackOff(), 60.0, lambda: 0.0
    )
    world = World(unit)
    unit.started("a")
    world.alive["a"] = world.now
    unit.ready("a")
    world.dies("a")
    assert world.told() == "+a"


# -- back-off --------------------------------------------------------------------------------------


def test_delays_grow_and_a_stable_time_ends_them() -> None:
    world = _world()
    assert world.dies("a") == Again(0.0)
    assert world.dies("a") == Again(0.1)
    world.wait()
    assert world.dies("a") == Again(0.2)
    world.wait()
    assert world.dies("a", after=RESET_S) == Again(0.0)


def test_a_restart_that_was_asked_for_comes_at_once_and_ends_the_row() -> None:
    world = _world()
    for _ in range(4):
        world.dies("a")
        if "a" not in world.alive:
            world.wait()
    world.dies("a")
    assert world.told().endswith("+a")
    assert "a" not in world.alive
    world.unit.restart("a", world.now)
    world.work()
    assert world.told() == "+a"
    assert world.dies("a") == Again(0.0)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_restart_that_was_asked_for_concerns_that_one_alone(strategy: Strategy) -> None:
    world = _world(strategy, ABC)
    world.unit.restart("a", world.now)
    world.work()
    assert world.told() == "-a +a"


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_member_that_leaves_is_neither_started_nor_waited_for(strategy: Strategy) -> None:
    world = _world(strategy, ABC)
    del world.alive["a"]
    world.unit.died("a", CRASH, ran_s=1.0, now=world.now)
    assert world.unit.next(world.now) == Stop("c", "stopped with a")
    assert world.unit.next(world.now) is None
    world.unit.leave("c")
    world.work()
    assert world.told() == "-b +a +b"
    world.dies("a", after=RESET_S)
    assert world.told() == "-b +a +b", "nor is it of the group any more"
    world.unit.leave("a")
    world.unit.leave("b")
    assert world.unit.next(world.now) is None


# -- too many --------------------------------------------------------------------------------------


def _die_often(world: World, times: int) -> Outcome:
    for _ in range(times):
        outcome = world.dies("a")
        if isinstance(outcome, Again) and "a" not in world.alive:
            world.wait()
    return outcome


def test_past_the_intensity_what_is_needed_escalates() -> None:
    world = _world(intensity=3)
    assert isinstance(_die_often(world, 3), Again)
    assert _die_often(world, 1) is Verdict.ESCALATE
    assert world.unit.next(world.now + 1e9) is None


@pytest.mark.parametrize(
    "death", [CRASH, NORMAL, by_exit(-9), Death("hang"), Death("memory")], ids=str
)
def test_every_kind_of_crash_counts(death: Death) -> None:
    world = _world(intensity=1)
    assert isinstance(world.dies("a", death), Again)
    assert world.dies("a", death) is Verdict.ESCALATE


def test_what_is_needed_and_cannot_start_waits_for_ever() -> None:
    world = _world(intensity=2)
    world.fails_to_start = {"a"}
    world.dies("a")
    for _ in range(50):
        assert 0.0 < world.wait() <= 10.0
    world.fails_to_start.clear()
    world.wait()
    assert "a" in world.alive


def test_a_stop_that_was_asked_for_never_counts() -> None:
    world = _world(intensity=1)
    for _ in range(10):
        world.unit.restart("a", world.now)
        world.work()
    assert isinstance(world.dies("a"), Again)


def test_past_the_intensity_what_is_not_needed_goes_into_quarantine() -> None:
    world = _world(intensity=2, needed="")
    assert _die_often(world, 3) == Quarantined(60.0)
    assert "a" not in world.alive
    assert world.wait() == pytest.approx(60.0)
    assert "a" in world.alive, "one try"
    assert world.dies("a") == Quarantined(120.0), "half open: the first crash closes it again"


def test_the_quarantine_grows_up_to_an_hour() -> None:
    world = _world(intensity=0, needed="")
    delays = []
    for _ in range(12):
        outcome = world.dies("a")
        assert isinstance(outcome, Quarantined)
        delays.append(outcome.delay_s)
        world.wait()
    assert delays[:3] == [60.0, 120.0, 240.0]
    assert delays[-1] == QUARANTINE_MAX_S


def test_a_try_that_lasts_ends_the_quarantine() -> None:
    world = _world(intensity=2, needed="")
    _die_often(world, 3)
    world.wait()
    assert world.dies("a", after=RESET_S) == Again(0.0)
    assert isinstance(world.dies("a"), Again)


def test_an_operators_restart_ends_the_quarantine() -> None:
    world = _world(intensity=2, needed="")
    _die_often(world, 3)
    world.unit.restart("a", world.now)
    world.work()
    assert "a" in world.alive
    assert isinstance(world.dies("a"), Again)


def test_a_group_is_in_quarantine_together() -> None:
    world = _world("one_for_all", ABC, intensity=1, needed="")
    world.dies("b")
    world.told()
    assert isinstance(world.dies("c"), Quarantined)
    assert world.told() == "-b -a"
    assert [world.unit.waits_for(name) for name in "abc"] == [None, "a", "a"]
    world.wait()
    assert world.told() == "+a +b +c"
    assert [world.unit.waits_for(name) for name in "abc"] == [None, None, None]


# -- groups of what the terminal cannot do without and what it can --------------------------------


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("intensity", [5, 100])
def test_what_is_needed_does_not_go_down_with_what_cannot_start(
    strategy: Strategy, intensity: int
) -> None:
    world = _world(strategy, ABC, needed="bc", intensity=intensity)
    world.fails_to_start = {"a"}
    world.dies("a")
    assert world.told() == "-c -b +a +b +c", "all of them, and then they do without"
    day = world.now + 86400.0
    while world.now < day:
        world.wait()
    assert set(world.told().split()) == {"+a"}
    world.fails_to_start.clear()
    world.wait()
    assert set(world.alive) == set("abc")


def test_what_is_started_after_it_and_can_be_done_without_waits_for_it_all_the_same() -> None:
    world = _world("rest_for_one", ABC, needed="b")
    world.fails_to_start = {"a"}
    world.dies("a")
    assert world.told() == "-c -b +a +b"
    assert world.unit.waits_for("c") == "a"
    world.fails_to_start.clear()
    world.wait()
    assert world.told() == "+a +c"


def test_once_it_has_started_they_share_its_fate_again() -> None:
    world = _world("one_for_all", ABC, needed="a")
    world.fails_to_start = {"b"}
    world.dies("b")
    world.fails_to_start.clear()
    world.wait()
    world.told()
    world.dies("c")
    assert world.told() == "-b -a +a +b +c"


def test_what_is_needed_runs_without_a_mate_in_quarantine_and_is_not_in_its_trial() -> None:
    world = _world("one_for_all", ABC, needed="b", intensity=1)
    world.dies("a")
    world.told()
    assert isinstance(world.dies("a"), Quarantined)
    assert world.told() == "-c -b +b"
    assert world.dies("b") == Again(0.0)
    assert world.told() == "+b"
    assert world.wait() == pytest.approx(60.0)
    assert world.told() == "+a +c", "the trial"
    assert world.dies("c") == Quarantined(120.0)
    assert world.told() == "-a"
    world.wait()
    assert world.told() == "+a +c"
    assert world.dies("c", after=RESET_S) == Again(0.0)
    assert world.told() == "-b -a +a +b +c", "one group again"


def test_what_is_needed_and_keeps_dying_ends_the_terminal_whoever_is_in_quarantine() -> None:
    world = _world("one_for_all", ABC, needed="b", intensity=0)
    assert isinstance(world.dies("a"), Quarantined)
    assert world.dies("b") is Verdict.ESCALATE


def test_what_is_needed_does_not_wait_while_another_is_being_tried() -> None:
    world = _world("rest_for_one", ABC, needed="c")
    world.fails_to_start = {"a"}
    world.dies("a")
    world.told()
    world.now += 0.1
    assert world.unit.next(world.now) == Start("a")
    world.dies("c")
    assert world.told() == "+c"


def test_units_can_share_their_count() -> None:
    windows = Windows.of(1, 60.0)
    one, other = _world(windows=windows), _world(windows=windows)
    assert isinstance(one.dies("a"), Again)
    assert other.dies("a") is Verdict.ESCALATE
    assert isinstance(_world(windows=windows, needed="").dies("a"), Again), "not with the others"


# -- whatever happens ------------------------------------------------------------------------------


class AnyStory(RuleBasedStateMachine):
    """Processes start, become ready, die and are stopped in any order, as fast or slow as they
    like; the unit is only ever asked what to do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unit = Unit(
            {"a": "permanent", "b": "transient", "c": "temporary", "d": "permanent"},
            lambda name: name in self.needed,
            self.strategy,
            Windows.of(4, 20.0),
            BackOff(0.1, 10.0, RESET_S),
            60.0,
            lambda: 0.5,
        )
        self.now = 0.0
        self.phase: dict[str, str] = {}
        for name in self.unit.members:
            self.unit.started(name)
            self.unit.ready(name)
            self.phase[name] = "up"

    strategy: Strategy = "one_for_all"
    needed: str = ""

    def _some(self, *phases: str) -> list[str]:
        return [name for name, phase in self.phase.items() if phase in phases]

    @rule(seconds=st.floats(0.0, 100.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def step(self) -> None:
        match self.unit.next(self.now):
            case Start(name):
                assert self.phase[name] == "down", "never two processes for one member"
                before = self._some("starting", "stopping")
                if name in self.needed:
                    before = [each for each in before if each in self.needed]
                assert not before, "one after the other; what is needed waits for nobody else"
                self.phase[name] = "starting"
            case Stop(name, _):
                assert self.phase[name] in ("starting", "up")
                self.phase[name] = "stopping"
            case Wait(until):
                assert until > self.now

    @precondition(lambda self: self._some("starting"))
    @rule(data=st.data())
    def becomes_ready(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self._some("starting")))
        self.phase[name] = "up"
        self.unit.ready(name)

    @precondition(lambda self: self._some("starting", "up", "stopping"))
    @rule(data=st.data(), code=st.sampled_from([0, 1, -9, None]))
    def one_dies(self, data: st.DataObject, code: int | None) -> None:
        name = data.draw(st.sampled_from(self._some("starting", "up", "stopping")))
        self._dies(self.unit, self.phase, name, by_exit(code), self.now)

    def _dies(self, unit: Unit, phase: dict[str, str], name: str, death: Death, now: float) -> None:
        was, phase[name] = phase[name], "down"
        if was == "stopping":
            death = ASKED
        elif was == "starting":
            death = Death("start failed")
        ran_s = 1.0 if was == "up" else 0.0
        if unit.died(name, death, ran_s=ran_s, now=now) is Verdict.ESCALATE:
            unit.restart(name, now)  # as the next terminal does

    @rule(data=st.data())
    def an_operator_restarts(self, data: st.DataObject) -> None:
        self.unit.restart(data.draw(st.sampled_from(self.unit.members)), self.now)

    @invariant()
    def those_to_be_kept_come_back(self) -> None:
        """Left in peace from here on, every permanent member is up in the end."""
        phase, _ = self._left_alone(fails="", steps=200)
        assert phase["a"] == phase["d"] == "up"

    @precondition(lambda self: self.needed)
    @invariant()
    def what_is_needed_comes_back_and_stays_whatever_else_cannot_start(self) -> None:
        fails = "".join(name for name in "abcd" if name not in self.needed)
        phase, stopped = self._left_alone(fails, steps=60)
        assert {phase[name] for name in "ad" if name in self.needed} == {"up"}
        assert not {*stopped[30:]} & {*self.needed}

    def _left_alone(self, fails: str, steps: int) -> tuple[dict[str, str], list[str]]:
        """What becomes of them when only these fail, whenever they are started: their phases after
        so many steps, and who was stopped by each.
        """
        phase, unit, now = dict(self.phase), _copy(self.unit), self.now
        stopped: list[str] = []
        while len(stopped) < steps:
            for name, its in phase.items():
                if its == "stopping" or (its == "starting" and name in fails):
                    self._dies(unit, phase, name, NORMAL, now)
                elif its == "starting":
                    phase[name] = "up"
                    unit.ready(name)
            step = unit.next(now)
            stopped.append(step.name if isinstance(step, Stop) else "")
            match step:
                case Start(name):
                    phase[name] = "starting"
                case Stop(name, _):
                    phase[name] = "stopping"
                case Wait(until):
                    now = until
                case None:
                    break
        return phase, stopped


def _copy(unit: Unit) -> Unit:
    from copy import copy, deepcopy

    twin = copy(unit)
    twin.__dict__ = {
        key: value if callable(value) else deepcopy(value) for key, value in vars(unit).items()
    }
    return twin


def _machine(kind: Strategy, needed: str) -> type[Any]:
    attributes = {"strategy": kind, "needed": needed}
    return type(f"AnyStory_{kind}_{needed}", (AnyStory,), attributes)


TestOneForAll: Any = _machine("one_for_all", "").TestCase
TestRestForOne: Any = _machine("rest_for_one", "").TestCase
TestOneForOne: Any = _machine("one_for_one", "").TestCase
TestOneForAllOfWhichTwoAreNeeded: Any = _machine("one_for_all", "ad").TestCase
TestRestForOneOfWhichTwoAreNeeded: Any = _machine("rest_for_one", "bd").TestCase


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=80))
def test_restarts_never_come_faster_than_the_intensity_allows(gaps: list[float]) -> None:
    world = _world(intensity=3, needed="")
    starts: list[float] = []
    for gap in gaps:
        world.dies("a", after=gap)
        if "a" not in world.alive:
            world.wait()
        starts.append(world.now)
        recent = [then for then in starts if then > world.now - 60.0]
        assert len(recent) <= 3 + 1

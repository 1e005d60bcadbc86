"""What a drill has cost must be told truly: what is lost, what is excused, who has grown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.drill.coded_signal import BLOCK_MS, Heard, Run, Seam
from supervisor.drill.judge import (
    Growth,
    Look,
    Mail,
    Report,
    Struck,
    Words,
    judge_faults,
    judge_growth,
    judge_mail,
    judge_words,
)
from supervisor.drill.plan import Blow
from supervisor.drill.report import as_dict, as_text

pytestmark = pytest.mark.unit

calm = settings(deadline=None, max_examples=50)

SAID = 100


def heard(blocks, seams=()):
    runs = (
        Run(block, at * BLOCK_MS, (at + 1) * BLOCK_MS) for at, block in enumerate(sorted(blocks))
    )
    return Heard(tuple(runs), tuple(seams))


def struck(target, at_ms, until_ms, fault="kill"):
    return Struck(Blow(fault, target), at_ms, until_ms, 1.0, deaf=target == "audio")


def without(*lost):
    return heard(set(range(SAID)) - set(lost))


some = st.sets(st.integers(0, SAID - 1))


@calm
@given(some)
def test_every_block_that_was_not_heard_is_lost(lost):
    words = judge_words(without(*lost), SAID)
    assert set(words.lost) == lost
    assert not words.unheard


@calm
@given(some, st.integers(0, 90), st.integers(1, 9), st.lists(st.floats(0, 3000), max_size=3))
def test_a_deaf_microphone_excuses_its_own_time_and_no_more_than_its_gaps(lost, at, length, gaps):
    fault = struck("audio", at * BLOCK_MS, (at + length) * BLOCK_MS)
    words = judge_words(without(*lost), SAID, [fault], gaps)
    assert set(words.lost) | set(words.unheard) == lost
    assert not set(words.lost) & set(words.unheard)
    assert all(at - 5 <= block < at + length + 5 for block in words.unheard)
    assert len(words.unheard) <= sum(gap / BLOCK_MS + 1 for gap in gaps)


def test_a_fault_of_another_process_excuses_nothing():
    words = judge_words(without(50), SAID, [struck("room", 4900, 5200)], [1000.0])
    assert words.lost == (50,)


def test_a_microphone_that_was_not_away_excuses_nothing():
    slowed = Struck(Blow("slow", "audio"), 4900, 5200, 0.1)
    assert judge_words(without(50), SAID, [slowed], [1000.0]).lost == (50,)


def test_a_gap_that_is_not_known_excuses_nothing():
    assert judge_words(without(50), SAID, [struck("audio", 4900, 5200)]).lost == (50,)


def test_what_was_heard_after_the_end_counts_for_nothing():
    words = judge_words(heard(range(SAID)), SAID - 20)
    assert (words.said, words.lost) == (SAID - 20, ())


@pytest.mark.parametrize(
    ("blocks", "in_order"),
    [
        ([0, 1, 2, 3], True),
        ([0, 1, 1, 2, 3], True),
        ([0, 2, 3, 1, 2, 3], True),
        ([0, 1, 2, 0, 1, 3], True),
        ([1, 2, 0, 1, 3], False),
        ([0, 2, 3, 1], False),
        ([3, 0, 1, 2], False),
    ],
)
def test_said_again_with_all_that_followed_is_in_order(blocks, in_order):
    runs = (Run(block, at * BLOCK_MS, (at + 1) * BLOCK_MS) for at, block in enumerate(blocks))
    assert judge_words(Heard(tuple(runs), ()), 4).in_order == in_order


def test_costs_are_those_of_the_last_fault_before():
    repeats = Seam(0.0, after_block=62, before_block=60, lost_ms=0, repeated_ms=300, silence_ms=0)
    faults = [struck("room", 2000, 3000), struck("room", 6000, 7000), struck("room", 9000, 9100)]
    sound = heard(set(range(SAID)) - {1, 22, 23}, [repeats])
    costs = judge_faults(sound, judge_words(sound, SAID, faults), faults)
    assert [(cost.lost, cost.repeated_ms) for cost in costs] == [(2, 0), (0, 300), (0, 0)]


texts = st.lists(st.text(min_size=1, max_size=3), unique=True)


@calm
@given(texts, st.lists(st.text(max_size=3)))
def test_messages_kept_once_and_in_order_are_no_loss_whatever_else_is_kept(sent, others):
    kept = [*sent, *(other for other in others if other not in sent)]
    assert judge_mail(sent, kept) == Mail(len(sent))


@calm
@given(texts, st.data())
def test_a_message_that_is_not_kept_is_lost_and_one_that_is_kept_twice_is_doubled(sent, data):
    lost = data.draw(st.sets(st.sampled_from(sent)) if sent else st.just(set()))
    rest = [text for text in sent if text not in lost]
    doubled = data.draw(st.sets(st.sampled_from(rest)) if rest else st.just(set()))
    mail = judge_mail(sent, [*rest, *doubled])
    assert set(mail.lost) == lost
    assert set(mail.doubled) == doubled
    assert mail.in_order


@calm
@given(texts)
def test_messages_in_another_order_are_told(sent):
    mail = judge_mail(sent, sent[::-1])
    assert mail.in_order == (len(sent) < 2)
    assert not mail.lost


def looks(*values):
    return [(float(at), Look(value, 10, 3)) for at, value in enumerate(values)]


@calm
@given(st.lists(st.floats(50, 52), min_size=12))
def test_breathing_is_no_growth(values):
    (growth,) = judge_growth({"room": looks(*values)}).values()
    assert not growth.grown


def test_how_often_a_process_was_killed_is_no_growth():
    """The parrot, as it was seen: small until it has heard a long sentence."""
    life = [44, 45, 46, 47, 48, 49, *[70] * 12]
    often = [*life[:9], *life[:12]] * 10
    seldom = [*life, *life, *life] * 4
    (growth,) = judge_growth({"parrot": looks(*often, *often, *seldom)}).values()
    assert (growth.first.mib, growth.last.mib) == (70, 70)
    assert not growth.grown


@calm
@given(st.floats(20, 500), st.floats(1.2, 3))
def test_a_leak_is_growth(size, factor):
    leaked = size * (factor - 1) + 10
    values = [size + leaked * part / 29 for part in range(30)]
    (growth,) = judge_growth({"room": looks(*values)}).values()
    assert growth.grown
    assert growth.last.mib - growth.first.mib == pytest.approx(leaked * 2 / 3, rel=0.05)


@pytest.mark.parametrize(("fds", "threads"), [(13, 3), (10, 6)])
def test_descriptors_and_threads_that_stay_are_growth(fds, threads):
    assert Growth(Look(50, 10, 3), Look(50, fds, threads)).grown


def test_a_process_that_was_hardly_seen_is_not_judged():
    assert judge_growth({"room": looks(*range(30)), "kiosk": looks(1, 2)}).keys() == {"room"}
    assert judge_growth({}) == {}


CLEAN = Words(said=SAID, lost=(), unheard=(), repeated_ms=0, in_order=True)


@pytest.mark.parametrize(
    ("words", "mail"),
    [
        (Words(SAID, (3,), (), 0, in_order=True), Mail(1)),
        (Words(SAID, (), (), 0, in_order=False), Mail(1)),
        (CLEAN, Mail(1, lost=("a",))),
        (CLEAN, Mail(1, doubled=("a",))),
        (CLEAN, Mail(2, in_order=False)),
    ],
)
def test_any_loss_is_a_loss_and_the_report_shows_it(words, mail):
    report = Report(words, mail)
    assert not report.lost_nothing
    assert as_text(report, 1) != as_text(Report(CLEAN, Mail(mail.sent)), 1)
    assert as_dict(report, 1)["lost_nothing"] is False


def test_nothing_lost_is_nothing_lost():
    report = Report(Words(SAID, (), (7,), 250, in_order=True), Mail(3))
    assert report.lost_nothing
    assert report.recovered
    assert "--seed 17" in as_text(report, 17)


def test_a_failing_test_is_shown_all_that_is_wrong_in_a_line():
    dead = Struck(Blow("kill", "gate"), 1000, 6000, None, "gate backing-off")
    words = judge_words(without(*range(40, 60)), SAID)
    report = Report(words, Mail(2, lost=("two tickets",), in_order=False), (dead,))
    assert repr(report) == (
        "<Report: kill:gate not recovered: gate backing-off; "
        "20 of 100 words of 100 ms lost: 40, 41, 42, 43, 44, ...; "
        "1 of 2 messages lost: two tickets; messages out of order>"
    )
    assert repr(Report(CLEAN, Mail(2))) == "<Report: nothing was lost>"


def test_what_nobody_could_hear_stands_beside_the_fault_that_made_it():
    faults = (struck("room", 1000, 1500), struck("audio", 4000, 6900, "stop"))
    sound = without(*range(41, 69))
    words = judge_words(sound, SAID, faults, [2800.0])
    report = Report(words, Mail(1), faults, judge_faults(sound, words, faults))
    assert report.lost_nothing
    shown = [line.split() for line in as_text(report, 1).splitlines()]
    assert shown[0][:5] == ["FAULT", "TARGET", "AT", "LOST", "AWAY"]
    assert shown[1][:7] == ["kill", "room", "1.0", "s", "0", "0.0", "s"]
    assert shown[2][:7] == ["stop", "audio", "4.0", "s", "0", "2.8", "s"]
    assert "28, or 2.8 s, which nobody could hear" in as_text(report, 1)
    assert [each["unheard"] for each in as_dict(report, 1)["faults"]] == [0, 28]


def test_what_was_not_done_and_what_did_not_recover_is_shown_as_such():
    fault = Struck(Blow("kill", "room"), 1000, 61_000, None, "room quarantined")
    sound = heard(range(SAID))
    costs = judge_faults(sound, CLEAN, [fault])
    report = Report(CLEAN, Mail(0), (fault,), costs, {"drop": "only root can drop packets"})
    assert not report.recovered
    shown = as_text(report, 1)
    assert "not at all: room quarantined" in shown
    assert "not done: only root can drop packets" in shown

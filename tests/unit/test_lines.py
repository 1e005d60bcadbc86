"""What a child writes, as log lines within bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.lines import LONGEST, Budget, Lines, as_log_line

pytestmark = pytest.mark.unit


@given(st.binary(max_size=500), st.lists(st.integers(1, 50)))
def test_however_it_is_cut_the_lines_are_the_same(stream: bytes, cuts: list[int]) -> None:
    lines, found, at = Lines(), [], 0
    for cut in [*cuts, len(stream)]:
        found += lines.feed(stream[at : at + cut])
        at += cut
    found += lines.end()
    assert found == [line for line in stream.split(b"\n") if line.strip()]


def test_a_line_without_an_end_comes_in_pieces() -> None:
    lines = Lines()
    assert [len(line) for line in lines.feed(b"x" * (2 * LONGEST + 1))] == [LONGEST, LONGEST]
    assert lines.end() == [b"x"]


def test_what_an_actor_logs_stays_as_it_is_and_the_rest_becomes_a_message() -> None:
    line = b'{"message": "ready", "process": "room"}'
    assert as_log_line("room", line) == line + b"\n"
    made = json.loads(as_log_line("room", b"Fatal Python error: \xff\r"))
    assert made["message"] == "Fatal Python error: \\xff"
    assert (made["process"], made["logger"], made["level"]) == ("room", "output", "INFO")


def test_a_burst_is_taken_and_a_flood_is_not() -> None:
    budget = Budget(0.0)
    assert all(budget.take(64 * 1024, 0.0) for _ in range(16))
    assert not budget.take(1, 0.0)


def test_after_a_flood_it_opens_once_and_not_every_second() -> None:
    budget = Budget(0.0)
    while budget.take(64 * 1024, 0.0):
        pass
    opened = [now for now in range(1, 60) if budget.take(64 * 1024, float(now))]
    assert opened[0] == 8
    assert opened[:9] == list(range(8, 17))


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 1 << 20)), max_size=100))
def test_the_budget_bounds_what_is_taken(chunks: list[tuple[float, int]]) -> None:
    budget, now, taken = Budget(0.0), 0.0, 0
    for gap, size in chunks:
        now += gap
        if budget.take(size, now):
            taken += size
    assert taken <= (1 << 20) + now * 64 * 1024 + 1

"""A long pre-connect buffer is sent at a lower rate: no shorter, and still understood."""

import asyncio

import numpy as np
import pytest

from actors.room.fit import (
    BAD_LINE_BYTES,
    EASY_BYTES,
    WITHIN_S,
    carried,
    fitted,
    longest,
    rate_for,
)
from actors.room.uplink import BUFFER_S, SAMPLE_BYTES
from supervisor.drill.coded_signal import decode, generate

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """Instead of the check of all tests: the client's native half, once begun, keeps its threads
    and descriptors for the life of the process.
    """


@pytest.mark.parametrize(
    ("size", "rate", "expected"),
    [
        (0, 48_000, 48_000),
        (EASY_BYTES, 48_000, 48_000),
        (EASY_BYTES + 2, 48_000, 24_000),
        (2 * EASY_BYTES + 8, 48_000, 16_000),
        (3 * EASY_BYTES + 8, 48_000, 8_000),
        (100 * EASY_BYTES, 48_000, 8_000),
        (2 * EASY_BYTES, 16_000, 8_000),
        (EASY_BYTES + 6, 24_000, 16_000),
    ],
)
def test_the_rate_is_as_high_as_is_easy(size: int, rate: int, expected: int) -> None:
    assert rate_for(size, rate) == expected


def test_on_a_bad_line_less_is_easy() -> None:
    assert rate_for(BAD_LINE_BYTES, 48_000, BAD_LINE_BYTES) == 48_000
    assert rate_for(BAD_LINE_BYTES + 2, 48_000, BAD_LINE_BYTES) == 24_000


@pytest.mark.parametrize(("rate", "lowest"), [(48_000, 8_000), (16_000, 8_000), (8_000, 8_000)])
def test_the_longest_that_a_line_carries_goes_at_the_lowest_rate(rate: int, lowest: int) -> None:
    samples = longest(lowest * SAMPLE_BYTES + 1, rate)
    assert samples == rate
    assert rate_for(samples * SAMPLE_BYTES, rate, lowest * SAMPLE_BYTES) == lowest


def test_what_took_too_long_tells_what_comes_in_time() -> None:
    assert carried(1_000_000, 2 * WITHIN_S) == 500_000


def test_a_minute_is_still_easy() -> None:
    assert longest(EASY_BYTES, 48_000) >= 60 * 48_000


def test_the_longest_buffer_is_what_is_carried_while_an_agent_waits() -> None:
    """At the lowest rate there is: 2 MiB took 2.6 s of 3 at the most, on a quiet machine."""
    size = int(BUFFER_S * 48_000) * SAMPLE_BYTES
    assert size * rate_for(size, 48_000) // 48_000 <= 2 * 1024 * 1024


@pytest.mark.parametrize(
    ("blocks", "expected"), [(20, 48_000), (200, 24_000), (300, 16_000), (800, 8_000)]
)
def test_every_block_is_still_there(blocks: int, expected: int) -> None:
    signal = generate(blocks, 48_000)
    pcm, rate = asyncio.run(fitted(signal.tobytes(), 48_000))
    assert rate == expected
    assert abs(len(pcm) / 2 / rate - blocks / 10) < 0.01
    heard = decode(np.frombuffer(pcm, "<i2"), rate)
    assert (heard.missing(blocks), heard.seams) == ((), ())

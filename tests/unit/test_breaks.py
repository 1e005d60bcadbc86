"""Where the sound of a microphone is broken off."""

import pytest

from actors.audio.breaks import SLEPT_S, Breaks

pytestmark = pytest.mark.unit


def test_late_blocks_are_no_break() -> None:
    breaks = Breaks()
    for now in (1000.0, 1000.02, 1003.0, 1003.0, 1003.1):
        assert not breaks.block(now, now - 400.0, overflowed=False)


def test_a_machine_that_has_slept_has_heard_nothing() -> None:
    breaks = Breaks()
    assert not breaks.block(1000.0, 600.0, overflowed=False)
    assert breaks.block(4600.02, 600.02, overflowed=False)
    assert not breaks.block(4600.04, 600.04, overflowed=False), "said once"


def test_a_look_at_two_clocks_takes_time() -> None:
    breaks = Breaks()
    breaks.block(1000.0, 600.0, overflowed=False)
    assert not breaks.block(1000.02, 600.02 - SLEPT_S / 2, overflowed=False)
    assert not breaks.block(1000.04, 600.04, overflowed=False)


def test_the_device_knows_when_its_samples_were_not_fetched() -> None:
    breaks = Breaks()
    assert breaks.block(1000.0, 600.0, overflowed=True)
    assert not breaks.block(1000.02, 600.02, overflowed=False)

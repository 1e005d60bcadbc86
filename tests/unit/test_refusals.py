"""A refusal is told once, however often it is repeated."""

import pytest

from actors.runtime.losses import TOLD_FOR_S
from actors.runtime.refusals import Refusals

pytestmark = pytest.mark.unit


def test_one_is_news_when_it_begins_and_when_its_reason_changes() -> None:
    refusals = Refusals()
    assert refusals.note("room", "unavailable", "the disk is full", 10.0)
    assert not refusals.note("room", "unavailable", "the disk is full", 12.0)
    assert refusals.note("session", "unavailable", "the disk is full", 12.0)
    assert refusals.note("room", "unavailable", "the disk is gone", 14.0)
    assert refusals.over("room") == 3
    assert refusals.note("room", "unavailable", "the disk is gone", 16.0)


def test_it_is_trouble_as_long_as_it_lasts() -> None:
    refusals = Refusals()
    assert refusals.trouble(10.0) == ""
    refusals.note("room", "unavailable", "the disk is full", 10.0)
    assert refusals.trouble(12.0) == "refuses what room delivers: the disk is full"
    refusals.over("room")
    assert refusals.trouble(12.0) == ""
    assert refusals.over("room") == 0


def test_who_does_not_repeat_it_is_gone() -> None:
    refusals = Refusals()
    refusals.note("client-1", "unavailable", "the disk is full", 10.0)
    assert refusals.trouble(10.0 + TOLD_FOR_S)
    assert refusals.trouble(11.0 + TOLD_FOR_S) == ""
    assert refusals.over("client-1") == 0

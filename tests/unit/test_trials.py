"""Waiting for a better device, in virtual time."""

from pathlib import Path

import pytest

from actors.audio.trials import cards, until_better
from tests.virtual_loop import virtual_loop

pytestmark = pytest.mark.unit


def test_it_is_tried_ever_more_rarely_until_it_is_well() -> None:
    tried: list[float] = []
    with virtual_loop() as loop:
        began = loop.now

        async def attempt(name: str) -> str:
            assert name == "usb"
            tried.append(loop.now - began)
            return "" if len(tried) == 4 else "not there"

        found = loop.run_until_complete(
            until_better(("usb",), attempt, lambda rounds: 2.0**rounds, lambda: "")
        )
    assert found == "usb"
    assert tried == pytest.approx([1.0, 3.0, 7.0, 15.0])


def test_a_card_that_is_plugged_in_is_tried_at_once_and_the_best_one_first() -> None:
    tried: list[tuple[str, float]] = []
    with virtual_loop() as loop:
        began = loop.now

        async def attempt(name: str) -> str:
            tried.append((name, loop.now - began))
            return "" if name == "second" else "not there"

        found = loop.run_until_complete(
            until_better(
                ("first", "second"),
                attempt,
                lambda _: 60.0,
                lambda: "one" if loop.now - began < 10 else "two",
            )
        )
    assert found == "second"
    assert [name for name, _ in tried] == ["first", "second"]
    assert tried[0][1] == pytest.approx(10.0, abs=0.6)


def test_the_list_of_cards_is_read_from_the_kernel(tmp_path: Path) -> None:
    missing = cards(tmp_path / "cards", tmp_path / "snd")
    (tmp_path / "cards").write_text(" 0 [PCH ]: HDA-Intel\n")
    (tmp_path / "snd").mkdir()
    one = cards(tmp_path / "cards", tmp_path / "snd")
    (tmp_path / "snd" / "pcmC1D0c").touch()
    assert len({missing, one, cards(tmp_path / "cards", tmp_path / "snd")}) == 3

"""Devices that were chosen while the terminal ran, before those of the config."""

from pathlib import Path

import pytest

from actors.audio.choice import Choice
from actors.settings.model import Audio

pytestmark = pytest.mark.unit

CONFIG = Audio(input="usb", input_fallbacks=("board",), output="usb")


def test_without_a_choice_the_config_holds(tmp_path: Path) -> None:
    assert Choice(tmp_path / "devices", 3, 60.0).over(CONFIG) == CONFIG


def test_what_was_chosen_outlives_the_process_and_the_config_takes_its_place(
    tmp_path: Path,
) -> None:
    choice = Choice(tmp_path / "devices", 3, 60.0)
    choice.take("headset", "", 1.0)
    assert choice.over(CONFIG) == CONFIG, "this process has opened other ones"
    audio = Choice(tmp_path / "devices", 3, 60.0).over(CONFIG)
    assert (audio.input, audio.input_fallbacks) == ("headset", ("usb", "board"))
    assert (audio.output, audio.output_fallbacks) == ("usb", ())
    choice.reread()
    assert choice.over(CONFIG) == audio
    choice.take("", "", 2.0)
    assert Choice(tmp_path / "devices", 3, 60.0).over(CONFIG) == CONFIG


def test_so_many_changes_and_no_more_within_the_period(tmp_path: Path) -> None:
    for at in (100.0, 110.0, 120.0):
        choice = Choice(tmp_path / "devices", 3, 60.0)
        assert choice.may_change(at)
        choice.take(f"{at}", "", at)
    again = Choice(tmp_path / "devices", 3, 60.0)
    assert not again.may_change(159.0)
    assert again.may_change(161.0)
    assert again.may_change(5.0), "those times are of another start of the machine"


def test_a_file_that_cannot_be_read_is_no_choice(tmp_path: Path) -> None:
    (tmp_path / "devices").write_bytes(b'{"input": \xff')
    assert Choice(tmp_path / "devices", 3, 60.0).over(CONFIG) == CONFIG
